// A disk that is full before the store has reached its limit: old blobs go, and what still does not fit is a failure of the store.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { bundled } from '../unit/link/bundle.ts';

test('a store on a full disk gives old blobs up and goes on', async () => {
  const bundle = await bundled('test/unit/store/full-disk-process.ts');
  const dir = await mkdtemp(join(tmpdir(), 'icets-store-full-'));
  // A file system of 2 MiB that only this process sees.
  const { stdout } = await promisify(execFile)(
    'unshare',
    [
      '--user',
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs -o size=2m none "$1" && shift && exec "$@"',
      'sh',
      dir,
      ...bundle.argv,
      `${dir}/store`,
    ],
    { env: bundle.env },
  );
  expect(JSON.parse(stdout)).toEqual({
    outcomes: { stored: 300 },
    wrong: 0,
    tooLarge: 'store-failed',
    upload: 'store-failed',
    afterwards: 'stored',
    temporary: [],
  });
  await rm(bundle.dir, { recursive: true });
  await rm(dir, { recursive: true });
});
