import { expect, test } from '@jest/globals';
import { dialectKey, type Dialect } from '../../../src/scan/directives.ts';
import { plainDialect } from '../../support/unit-evaluation.ts';

test('every feature of a dialect has a letter of its own in the key, which fits where records keep it', () => {
  const names = Object.keys(plainDialect) as (keyof Dialect)[];
  const none = Object.fromEntries(names.map((name) => [name, false])) as unknown as Dialect;
  const all = Object.fromEntries(names.map((name) => [name, true])) as unknown as Dialect;
  const keys = names.map((name) => dialectKey({ ...none, [name]: true }));
  expect(dialectKey(none)).toBe('');
  expect(keys.every((key) => key.length === 1)).toBe(true);
  expect(new Set(keys).size).toBe(names.length);
  expect(dialectKey(all)).toBe(keys.join(''));
  expect(dialectKey(all).length).toBeLessThanOrEqual(8);
});
