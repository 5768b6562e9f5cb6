// What every ActionCache does.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import type { ActionCache } from '../../src/model/action-cache.ts';
import { ActionResult } from '../../src/model/action.ts';
import { digestOf } from '../../src/model/digest.ts';
import { openActionCache } from '../../src/store/action-cache.ts';
import { MapActionCache } from '../support/memory-cluster.ts';

interface Subject {
  readonly cache: ActionCache;
  close(): Promise<void>;
}

const subjects: readonly { readonly name: string; readonly open: () => Promise<Subject> }[] = [
  { name: 'a map', open: async () => ({ cache: new MapActionCache(), close: async () => {} }) },
  {
    name: 'the cache on disk',
    open: async () => {
      const dir = await mkdtemp(join(tmpdir(), 'icets-actions-'));
      const opened = await openActionCache({ dir, limitBytes: 1e8, clock: systemClock, log: silentLog });
      if (!opened.ok) throw new Error(opened.error.message);
      const close = async () => {
        await opened.value.close();
        await rm(dir, { recursive: true });
      };
      return { cache: opened.value, close };
    },
  },
];

const key = (text: string) => digestOf(Buffer.from(text));
const result = (exitCode: number) =>
  ActionResult.fromPartial({
    exitCode,
    outputFiles: [{ path: '../build/a.o', digest: key('object'), contents: Buffer.from('object') }],
    stderrRaw: Buffer.from('warning'),
    executionMetadata: { worker: 'w' },
  });

describe.each(subjects)('$name as an ActionCache', ({ open }) => {
  let subject: Subject;

  beforeEach(async () => {
    subject = await open();
  });

  afterEach(async () => {
    await subject.close();
  });

  test('has nothing at first, gives back what was put, and the later of two', async () => {
    const { cache } = subject;
    expect(await cache.get(key('a'))).toEqual({ ok: true, value: undefined });
    expect(await cache.put(key('a'), result(0))).toMatchObject({ ok: true });
    expect(await cache.get(key('a'))).toEqual({ ok: true, value: result(0) });
    await cache.put(key('a'), result(3));
    expect(await cache.get(key('a'))).toEqual({ ok: true, value: result(3) });
    expect(await cache.get(key('b'))).toEqual({ ok: true, value: undefined });
  });

  test('tells keys of equal hash and another size apart', async () => {
    const { cache } = subject;
    await cache.put(key('a'), result(0));
    expect(await cache.get({ ...key('a'), sizeBytes: 2 })).toEqual({ ok: true, value: undefined });
  });

  test('forgets what is removed, also what was never there, and takes it again', async () => {
    const { cache } = subject;
    expect(await cache.remove(key('a'))).toMatchObject({ ok: true });
    const put = cache.put(key('a'), result(0));
    const removed = cache.remove(key('a'));
    expect([(await put).ok, (await removed).ok]).toEqual([true, true]);
    expect(await cache.get(key('a'))).toEqual({ ok: true, value: undefined });
    await cache.put(key('a'), result(0));
    expect(await cache.get(key('a'))).toEqual({ ok: true, value: result(0) });
  });
});
