import { describe, expect, test } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import { age, byteSize } from '../../../src/cli/arguments.ts';

describe('a size on the command line', () => {
  test.each([
    ['0', 0],
    ['1000', 1000],
    ['4k', 4096],
    ['500M', 500 * 1024 ** 2],
    ['5G', 5 * 1024 ** 3],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['2 TB', 2 * 1024 ** 4],
  ])('%s is understood', (text, bytes) => {
    expect(byteSize(text)).toBe(bytes);
  });

  test.each(['', 'G', '-1G', '5X', '5GG', '1e9', '5 000', 'lots'])('"%s" is refused', (text) => {
    expect(() => byteSize(text)).toThrow(InvalidArgumentError);
  });
});

describe('an age on the command line', () => {
  test.each([
    ['30d', 30 * 86_400_000],
    ['12h', 12 * 3_600_000],
    ['90m', 90 * 60_000],
    ['1.5s', 1500],
    ['2w', 14 * 86_400_000],
  ])('%s is understood', (text, ms) => {
    expect(age(text)).toBe(ms);
  });

  test.each(['', '30', 'd', '-1d', '30 days', '1y'])('"%s" is refused', (text) => {
    expect(() => age(text)).toThrow(InvalidArgumentError);
  });
});
