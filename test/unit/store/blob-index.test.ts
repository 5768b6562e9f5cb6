import { beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf, type Digest } from '../../../src/model/digest.ts';
import { BlobIndex } from '../../../src/store/blob-index.ts';

const blob = (n: number): Digest => ({ ...digestOf(Buffer.from(`blob ${n}`)), sizeBytes: 100 });
const numbers = (index: BlobIndex, upTo: number): number[] =>
  Array.from({ length: upTo }, (_, n) => n).filter((n) => index.peek(blob(n)) !== undefined);

let nowMs = 0;

beforeEach(() => {
  nowMs = 0;
});

function filled(count: number): BlobIndex {
  const index = new BlobIndex(
    (sizeBytes) => sizeBytes,
    () => nowMs,
  );
  for (let n = 0; n < count; n += 1) index.add(blob(n), 'verified');
  return index;
}

describe('the index of a store', () => {
  test('gives up what was not used since a moment, but nothing that is pinned or protected', () => {
    const index = filled(6);
    index.pin([blob(1)]);
    index.peek(blob(2))!.protectedUntilMs = 1000;
    nowMs = 50;
    index.use(blob(3));
    nowMs = 100;
    index.add(blob(4), 'verified');
    expect(index.takeUnused(50, 100).map(({ digest }) => digest)).toEqual([blob(0), blob(5)]);
    expect(numbers(index, 6)).toEqual([1, 2, 3, 4]);
    expect([index.count, index.bytes]).toEqual([4, 400]);
  });

  test('counts bytes, and a blob that is added again once', () => {
    const index = filled(3);
    index.add(blob(0), 'verified');
    expect([index.count, index.bytes]).toEqual([3, 300]);
    index.remove(blob(0));
    index.remove(blob(0));
    expect([index.count, index.bytes]).toEqual([2, 200]);
  });

  test('counts the second, executable file', () => {
    const index = filled(1);
    const entry = index.peek(blob(0));
    if (entry === undefined) throw new Error('lost');
    index.setExecutable(entry, 'verified');
    expect(index.bytes).toBe(200);
    index.add(blob(0), 'verified');
    expect(index.bytes).toBe(200);
    index.remove(blob(0));
    expect(index.bytes).toBe(0);
    index.setExecutable(entry, 'none');
    expect(index.bytes).toBe(0);
  });

  test('gives up the least recently used first', () => {
    const index = filled(5);
    index.use(blob(0));
    index.takeVictims(200, 0, false);
    expect(numbers(index, 5)).toEqual([0, 4]);
  });

  test('never gives up a pinned blob, until every pin of it is released', () => {
    const index = filled(3);
    const first = index.pin([blob(0), blob(1)]);
    const second = index.pin([blob(0)]);
    index.takeVictims(0, 0, true);
    expect(numbers(index, 3)).toEqual([0, 1]);
    first.release();
    first.release();
    index.takeVictims(0, 0, true);
    expect(numbers(index, 3)).toEqual([0]);
    second.release();
    index.takeVictims(0, 0, true);
    expect(index.count).toBe(0);
  });

  test('pins a blob that arrives later', () => {
    const index = filled(0);
    index.pin([blob(7)]);
    index.add(blob(7), 'verified');
    expect(index.takeVictims(0, 0, true)).toEqual([]);
  });

  test('keeps a protected blob until its time is over or there is no other way', () => {
    const index = filled(3);
    const entry = index.peek(blob(0));
    if (entry === undefined) throw new Error('lost');
    entry.protectedUntilMs = 1000;
    index.takeVictims(100, 999, false);
    expect(numbers(index, 3)).toEqual([0]);
    expect(index.takeVictims(0, 999, false)).toEqual([]);
    expect(index.takeVictims(0, 999, true).length).toBe(1);
  });
});
