import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../../src/base/log.ts';
import { ActionResult } from '../../../src/model/action.ts';
import { digestOf, type Digest } from '../../../src/model/digest.ts';
import { openActionCache, type ActionCacheOptions, type DiskActionCache } from '../../../src/store/action-cache.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const action = (n: number): Digest => digestOf(Buffer.from(`action ${n}`));
const result = (text: string): ActionResult => ActionResult.fromPartial({ exitCode: 3, stdoutRaw: Buffer.from(text) });

describe('the action cache', () => {
  let dir: string;
  let clock: FakeClock;
  let cache: DiskActionCache | undefined;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'icets-actions-'));
    clock = new FakeClock();
  });

  afterEach(async () => {
    await cache?.close();
    cache = undefined;
    await rm(dir, { recursive: true });
  });

  async function open(options: Partial<ActionCacheOptions> = {}): Promise<DiskActionCache> {
    await cache?.close();
    const opened = await openActionCache({ dir, limitBytes: 1e8, clock, log: silentLog, ...options });
    if (!opened.ok) throw new Error(opened.error.message);
    cache = opened.value;
    return opened.value;
  }

  async function found(from: DiskActionCache, n: number): Promise<string | undefined> {
    const got = await from.get(action(n));
    if (!got.ok) throw new Error(got.error.message);
    return got.value?.stdoutRaw.toString();
  }

  test('gives a result back, also after it was opened again', async () => {
    const first = await open();
    expect(await found(first, 1)).toBeUndefined();
    expect((await first.put(action(1), result('one'))).ok).toBe(true);
    expect(await found(first, 1)).toBe('one');
    const second = await open();
    expect(await found(second, 1)).toBe('one');
    expect(second.figures().entries).toBe(1);
  });

  test('keeps the later of two results and counts it once', async () => {
    const opened = await open();
    await opened.put(action(1), result('old'));
    const { bytes } = opened.figures();
    await opened.put(action(1), result('new'));
    expect(await found(opened, 1)).toBe('new');
    expect(opened.figures()).toMatchObject({ entries: 1, bytes });
  });

  test('forgets a removed result', async () => {
    const opened = await open();
    await opened.put(action(1), result('one'));
    await opened.remove(action(1));
    expect(await found(opened, 1)).toBeUndefined();
    expect(opened.figures()).toMatchObject({ entries: 0, bytes: 0 });
  });

  test('gives up the least recently used when there are too many', async () => {
    const opened = await open({ maxEntries: 40 });
    for (let n = 0; n < 40; n += 1) await opened.put(action(n), result(`${n}`));
    expect(await found(opened, 0)).toBe('0');
    await opened.put(action(40), result('40'));
    expect(opened.figures().entries).toBe(38);
    expect(await found(opened, 1)).toBeUndefined();
    expect(await found(opened, 0)).toBe('0');
    expect(await found(opened, 40)).toBe('40');
  });

  test('stays below its limit of bytes, also when that is smaller than last time', async () => {
    const opened = await open();
    for (let n = 0; n < 20; n += 1) await opened.put(action(n), result('x'.repeat(1000)));
    const again = await open({ limitBytes: 10_000 });
    await again.put(action(20), result('y'));
    expect(again.figures().bytes).toBeLessThanOrEqual(10_000);
    expect(await found(again, 20)).toBe('y');
  });

  test('gives up what a limit of bytes or of age rules out, the least recently used first', async () => {
    const opened = await open();
    for (let n = 0; n < 10; n += 1) {
      await opened.put(action(n), result('x'.repeat(1000)));
      await clock.advance(86_400_000);
    }
    await found(opened, 0);
    const each = opened.figures().bytes / 10;
    expect(await opened.trim({ unusedForMs: 8.5 * 86_400_000 })).toEqual({
      ok: true,
      value: { entries: 1, bytes: each },
    });
    expect(await found(opened, 1)).toBeUndefined();
    expect(await opened.trim({ maxBytes: 2.5 * each })).toEqual({ ok: true, value: { entries: 7, bytes: 7 * each } });
    expect(await found(opened, 8)).toBeUndefined();
    expect(await found(opened, 9)).toHaveLength(1000);
    expect(await found(opened, 0)).toHaveLength(1000);
    const again = await open();
    expect(again.figures()).toMatchObject({ entries: 2, bytes: 2 * each });
  });

  test('counts a result once that several put and drop at the same time', async () => {
    const opened = await open({ maxEntries: 20 });
    const all = Array.from({ length: 200 }, async (_, n) => {
      await opened.put(action(n % 30), result(`${n % 30}`));
      if (n % 7 === 0) await opened.remove(action(n % 30));
    });
    await Promise.all(all);
    const { entries, bytes } = opened.figures();
    expect(entries).toBeLessThanOrEqual(20);
    let present = 0;
    for (let n = 0; n < 30; n += 1) {
      const text = await found(opened, n);
      if (text !== undefined) expect(text).toBe(String(n));
      present += text === undefined ? 0 : 1;
    }
    expect(present).toBe(entries);
    expect((await open()).figures()).toMatchObject({ entries, bytes });
  });

  test('remembers the order of use when a use was long after the put', async () => {
    const opened = await open();
    for (let n = 0; n < 40; n += 1) {
      await opened.put(action(n), result(`${n}`));
      await clock.advance(1);
    }
    await clock.advance(4_000_000);
    expect(await found(opened, 0)).toBe('0');
    const again = await open({ maxEntries: 40 });
    await again.put(action(40), result('40'));
    expect(await found(again, 1)).toBeUndefined();
    expect(await found(again, 0)).toBe('0');
  });

  test('does not give a result that is not complete any more, and forgets it', async () => {
    let complete = true;
    const opened = await open({ isComplete: async () => complete });
    await opened.put(action(1), result('one'));
    expect(await found(opened, 1)).toBe('one');
    complete = false;
    expect(await found(opened, 1)).toBeUndefined();
    complete = true;
    expect(await found(opened, 1)).toBeUndefined();
  });

  test('refuses a result that is far too large', async () => {
    const opened = await open();
    const put = await opened.put(action(1), result('x'.repeat(5_000_000)));
    expect(put).toMatchObject({ ok: false, error: { reason: 'limit-exceeded' } });
  });

  test('is made anew when it has another version', async () => {
    const opened = await open();
    await opened.put(action(1), result('one'));
    await opened.close();
    await writeFile(join(dir, 'VERSION'), 'icets-action-cache 99\n');
    const again = await open();
    expect(await found(again, 1)).toBeUndefined();
    await again.put(action(1), result('anew'));
    expect(await found(again, 1)).toBe('anew');
  });

  test('is made anew when the database is not one', async () => {
    const opened = await open();
    await opened.put(action(1), result('one'));
    await opened.close();
    await writeFile(join(dir, 'lmdb', 'data.mdb'), Buffer.alloc(65_536, 'garbage'));
    const again = await open();
    expect(await found(again, 1)).toBeUndefined();
    expect((await again.put(action(1), result('anew'))).ok).toBe(true);
  });

  test('is made anew when the database is shorter than it says', async () => {
    const opened = await open();
    for (let n = 0; n < 200; n += 1) void opened.put(action(n), result('x'.repeat(5000)));
    await opened.close();
    await truncate(join(dir, 'lmdb', 'data.mdb'), 16_384);
    const again = await open();
    expect(await found(again, 1)).toBeUndefined();
    expect((await again.put(action(1), result('anew'))).ok).toBe(true);
  });

  test('is made anew when the last start ended while it was being read', async () => {
    const opened = await open();
    await opened.put(action(1), result('one'));
    await opened.close();
    await writeFile(join(dir, 'OPENING'), '');
    const again = await open();
    expect(await found(again, 1)).toBeUndefined();
    expect(await readdir(dir)).not.toContain('OPENING');
  });

  test('belongs to one process at a time', async () => {
    await open();
    const second = await openActionCache({ dir, limitBytes: 1e8, clock, log: silentLog });
    expect(second).toMatchObject({ ok: false, error: { reason: 'locked', pid: process.pid } });
  });
});
