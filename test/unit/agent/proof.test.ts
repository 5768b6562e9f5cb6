import { describe, expect, test } from '@jest/globals';
import { proveDependencies } from '../../../src/agent/proof.ts';

const predicted = new Set(['a.c', 'a.h', '/usr/include/stdio.h']);

describe('proveDependencies', () => {
  test('accepts the same list in another order and with repetitions', () => {
    expect(proveDependencies(predicted, ['/usr/include/stdio.h', 'a.h', 'a.c', 'a.h'], true).ok).toBe(true);
  });

  test('refuses a list that lacks a predicted file', () => {
    expect(proveDependencies(predicted, ['a.c', 'a.h'], true).ok).toBe(false);
  });

  test('refuses a list with a file that was not predicted', () => {
    expect(proveDependencies(predicted, [...predicted, 'b.h'], true).ok).toBe(false);
    expect(proveDependencies(predicted, ['b.h'], false).ok).toBe(false);
  });

  test('accepts a list without system headers when the compile was asked for one', () => {
    expect(proveDependencies(predicted, ['a.c', 'a.h'], false).ok).toBe(true);
  });
});
