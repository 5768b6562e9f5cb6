// A process that is killed while it writes: whatever it was told is stored is there and right, and the rest has left no trace.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { digestOf, parseDigest, type Digest } from '../../src/model/digest.ts';
import { openActionCache } from '../../src/store/action-cache.ts';
import { openDiskStore } from '../../src/store/disk-store.ts';
import { bundled, type Bundle } from '../unit/link/bundle.ts';

describe('a store whose process is killed', () => {
  let bundle: Bundle;
  let dir: string;
  let passed = false;

  beforeAll(async () => {
    bundle = await bundled('test/unit/store/writer-process.ts');
    dir = await mkdtemp(join(tmpdir(), 'icets-store-kill-'));
  });

  afterAll(async () => {
    await rm(bundle.dir, { recursive: true });
    if (passed) await rm(dir, { recursive: true });
    else console.error(`the work folder is kept: ${dir}`);
  });

  function start(seed: number): { child: ChildProcess; stored: Digest[]; line: (n: number) => Promise<void> } {
    const [program, ...args] = bundle.argv;
    const child = spawn(program, [...args, dir, `${seed}`], { env: bundle.env, stdio: ['ignore', 'pipe', 'inherit'] });
    const stored: Digest[] = [];
    let wanted = { n: Infinity, reached: () => {} };
    if (child.stdout === null) throw new Error('no output');
    createInterface(child.stdout).on('line', (text) => {
      const [word, hash, size] = text.split(' ');
      const digest = parseDigest({ hash: hash ?? '', sizeBytes: Number(size) });
      // The last line may have been cut off by the kill.
      if (word !== 'stored' || digest === undefined) return;
      stored.push(digest);
      if (stored.length >= wanted.n) wanted.reached();
    });
    const line = (n: number) =>
      new Promise<void>((resolve) => {
        if (stored.length >= n) resolve();
        else wanted = { n, reached: resolve };
      });
    return { child, stored, line };
  }

  test('keeps what it said it has, and can be opened at once', async () => {
    const all: Digest[] = [];
    for (let round = 0; round < 5; round += 1) {
      const { child, stored, line } = start(round);
      await line(50 + 37 * round);
      const closed = once(child, 'close');
      const locked = await openDiskStore({
        dir: join(dir, 'store'),
        limitBytes: 1e9,
        clock: systemClock,
        log: silentLog,
      });
      expect(locked).toMatchObject({ ok: false, error: { reason: 'locked', pid: child.pid } });
      child.kill('SIGKILL');
      await closed;
      all.push(...stored);

      const store = await openDiskStore({
        dir: join(dir, 'store'),
        limitBytes: 1e9,
        clock: systemClock,
        log: silentLog,
      });
      const actions = await openActionCache({
        dir: join(dir, 'actions'),
        limitBytes: 1e9,
        clock: systemClock,
        log: silentLog,
      });
      if (!store.ok || !actions.ok) throw new Error('cannot be opened again');
      expect(await readdir(join(dir, 'store', 'tmp'))).toEqual([]);
      expect(await store.value.findMissing(all)).toEqual({ ok: true, value: [] });
      for (const digest of all) {
        const bytes = await store.value.read(digest);
        if (!bytes.ok) throw new Error(`${bytes.error.reason}: ${bytes.error.message}`);
        expect(digestOf(bytes.value)).toEqual(digest);
        const result = await actions.value.get(digest);
        expect(result.ok && result.value?.outputFiles[0]?.digest).toEqual(digest);
      }
      await store.value.close();
      await actions.value.close();
    }
    passed = true;
  });
});
