import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/base/log.ts';
import { learnedFile } from '../../../src/scheduler/learned-store.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'icets-learned-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('the learned file', () => {
  test('gives back what was saved, and leaves no temporary file', async () => {
    const file = learnedFile(join(dir, 'sub', 'learned.json'), silentLog);
    expect(await file.load()).toBeUndefined();
    await file.save({ version: 1 });
    await file.save({ version: 2 });
    expect(await file.load()).toEqual({ version: 2 });
    expect(await readdir(join(dir, 'sub'))).toEqual(['learned.json']);
  });

  test('takes a damaged file for none', async () => {
    const path = join(dir, 'learned.json');
    await writeFile(path, '{"version":');
    expect(await learnedFile(path, silentLog).load()).toBeUndefined();
  });

  test('does not reject when it cannot save', async () => {
    await writeFile(join(dir, 'file'), '');
    await learnedFile(join(dir, 'file', 'learned.json'), silentLog).save({});
    expect(await readdir(dir)).toEqual(['file']);
  });
});
