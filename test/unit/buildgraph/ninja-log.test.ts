import { expect, test } from '@jest/globals';
import { stepDurations } from '../../../src/buildgraph/ninja-log.ts';

test('the last entry of an output says how long it took', () => {
  const text = '# ninja log v5\n10\t30\t1\ta.a\tff\n100\t150\t2\ta.a\tff\n0\t5\t2\tb c.a\t0\n';
  expect([...stepDurations(text)]).toEqual([
    ['a.a', 50],
    ['b c.a', 5],
  ]);
});

test('a step counts a minute at most, and a torn or strange line not at all', () => {
  const text = '# ninja log v6\n0\t900000\t1\ta\tff\n5\t1\t1\tb\tff\nx\ty\tz\tc\n7\t9';
  expect([...stepDurations(text)]).toEqual([['a', 60_000]]);
});

test('a log of an unknown version says nothing', () => {
  expect(stepDurations('# ninja log v4\n0\t5\t1\ta\tff\n').size).toBe(0);
});
