import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/model/digest.ts';
import type { FileRecord } from '../../../src/model/inputs.ts';
import { noFacts } from '../../../src/scan/file-facts.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let file: string;
beforeEach(() => {
  scratch = scratchFolder('stats');
  file = `${scratch.path}/digests`;
});
afterEach(() => scratch.remove());

const baseMs = 1_700_000_000_000;
const dayMs = 86_400_000;

function record(ino: number, more: Partial<FileRecord['stat']> = {}, facts = noFacts): FileRecord {
  const stat = { dev: 1, ino, sizeBytes: 10, mtimeMs: baseMs, ctimeMs: baseMs, mode: 0o100644, ...more };
  const digest = { ...digestOf(Buffer.from(`content ${ino}`)), sizeBytes: stat.sizeBytes };
  return { digest, stat, mtimeNs: BigInt(baseMs) * 1_000_000n + 7n, facts };
}

describe('what is known of a file', () => {
  test('holds for the very same stat only', () => {
    const cache = new StatCache(undefined);
    const known = record(5);
    cache.put(known, baseMs + 10_000);
    expect(cache.get(known.stat)).toBe(known);
    for (const other of [{ mtimeMs: baseMs + 1 }, { ctimeMs: baseMs + 1 }, { sizeBytes: 11 }, { dev: 2 }, { ino: 6 }]) {
      expect(cache.get({ ...known.stat, ...other })).toBeUndefined();
    }
  });

  test('holds only if the file was two seconds old, by the later of its times, when it was read', () => {
    const cache = new StatCache(undefined);
    cache.put(record(1), baseMs + 1_999);
    cache.put(record(2, { mtimeMs: 0 }), baseMs + 1_999);
    cache.put(record(3), baseMs + 2_001);
    cache.put(record(4, { mtimeMs: baseMs + dayMs }), baseMs + 10_000);
    const known = [1, 2, 3, 4].filter((ino) => {
      const mtimeMs = ino === 2 ? 0 : ino === 4 ? baseMs + dayMs : baseMs;
      return cache.get(record(ino, { mtimeMs }).stat) !== undefined;
    });
    expect(known).toEqual([3]);
  });

  test('comes back after a restart with its facts, what could not be trusted does not', async () => {
    const before = new StatCache(file);
    const facts = { ...noFacts, dateOrTime: true, incbins: ['größe.bin'] };
    before.put(record(1), baseMs + 10_000);
    before.put(record(2, {}, facts), baseMs + 10_000);
    before.put(record(3), baseMs + 1);
    await before.save();
    const after = new StatCache(file);
    expect(after.get(record(1).stat)).toEqual(record(1));
    expect(after.get(record(1).stat)?.facts).toBe(noFacts);
    expect(after.get(record(2).stat)).toEqual(record(2, {}, facts));
    expect(after.get(record(3).stat)).toBeUndefined();
  });

  test('survives a second save by an agent that never asked for it', async () => {
    const first = new StatCache(file);
    first.put(record(1, {}, { ...noFacts, timestamp: true }), baseMs + 10_000);
    await first.save();
    const second = new StatCache(file);
    second.put(record(2, {}, { ...noFacts, dateOrTime: true }), baseMs + 10_000);
    await second.save();
    const third = new StatCache(file);
    expect(third.get(record(1).stat)?.facts.timestamp).toBe(true);
    expect(third.get(record(2).stat)?.facts.dateOrTime).toBe(true);
    expect(third.size).toBe(2);
  });

  test('is given up with a file that is damaged or of another version', async () => {
    const before = new StatCache(file);
    before.put(record(1), baseMs + 10_000);
    await before.save();
    const whole = readFileSync(file);
    for (const at of [3, 25, 70, whole.length - 1]) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 1;
      writeFileSync(file, bytes);
      expect(new StatCache(file).size).toBe(0);
    }
    writeFileSync(file, whole.subarray(0, 90));
    expect(new StatCache(file).size).toBe(0);
    writeFileSync(file, whole);
    expect(new StatCache(file).size).toBe(1);
  });

  test('is forgotten, the longest unused first, when it is too much', () => {
    let nowMs = baseMs;
    const cache = new StatCache(undefined, 100, () => nowMs);
    for (let ino = 0; ino < 100; ino += 1) cache.put(record(ino), baseMs + 10_000);
    nowMs += dayMs;
    for (let ino = 0; ino < 50; ino += 1) cache.get(record(ino).stat);
    for (let ino = 100; ino < 140; ino += 1) cache.put(record(ino), baseMs + 10_000);
    expect(cache.size).toBeLessThanOrEqual(100);
    for (let ino = 0; ino < 50; ino += 1) expect(cache.get(record(ino).stat)).toBeDefined();
  });
});
