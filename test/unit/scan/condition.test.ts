import { describe, expect, test } from '@jest/globals';
import { conditionHolds, type ConditionRules } from '../../../src/scan/condition.ts';
import { ExpansionUnclear } from '../../../src/scan/macro-expansion.ts';
import { tokenize } from '../../../src/scan/preprocessor-tokens.ts';

const c: ConditionRules = {
  operatorNames: false,
  trueIsOne: false,
  digitSeparators: false,
  unsignedChar: false,
  unsignedWideChar: false,
  negativeShiftsTurn: true,
};
const cxx: ConditionRules = { ...c, operatorNames: true, trueIsOne: true, digitSeparators: true };
const holds = (text: string, rules: ConditionRules = c) => conditionHolds(tokenize(text), rules);

describe('a condition', () => {
  test.each([
    '1',
    '2 - 1',
    '-1 < 0',
    '1 + 2 * 3 == 7 && (1 + 2) * 3 == 9',
    '10 - 4 - 3 == 3',
    '16 / 4 / 2 == 2',
    '-7 / 2 == -3 && -7 % 2 == -1',
    '!0 && !!2 == 1',
    '~0 == -1',
    '- - 1 == 1',
    '1 | 2 ^ 3 & 2',
    '(1 | 2 ^ 3 & 2) == 1',
    '0 ? 0 : 0 ? 0 : 3',
    '(0, 1)',
    '010 == 8 && 0x1F == 31 && 0b101 == 5',
    '100ull == 100 && 5LU == 5',
  ])('holds: %s', (text) => {
    expect(holds(text)).toBe(true);
  });

  test('has digits set apart where the language does that', () => {
    expect(holds("1'000 == 1000", cxx)).toBe(true);
    expect(() => holds("1'000 == 1000")).toThrow("the number 1'000");
  });

  test('does not hold when its value is zero', () => {
    const zeros = ['0', '0x0', '1 - 1', '1 == 2', '1 && 0', '2 > 2', '!5', '1 ? 0 : 1', '1, 0'];
    const grouped = ['1 << 3 + 1 == 16 ? 0 : 1 << 4', '1 ? 2 ? 0 : 1 : 1 ? 0 : 1 ? 0 : 1 ? 1 : 0'];
    for (const text of [...zeros, ...grouped]) expect([text, holds(text)]).toEqual([text, false]);
  });

  test('takes names for zero', () => {
    expect(holds('undefined_name')).toBe(false);
    expect(holds('undefined_name == 0')).toBe(true);
  });

  test('takes true and operators by name as the language does', () => {
    expect(holds('true')).toBe(false);
    expect(holds('true and not false', cxx)).toBe(true);
    expect(holds('1 bitor 2 xor 3 bitand 2', cxx)).toBe(true);
    expect(holds('compl 0 == -1 and 1 not_eq 2', cxx)).toBe(true);
    expect(() => holds('1 and 1')).toThrow(ExpansionUnclear);
  });
});

describe('arithmetic', () => {
  test('is that of 64 bits with a sign, and wraps', () => {
    expect(holds('9223372036854775807 > 0')).toBe(true);
    expect(holds('9223372036854775807 + 1 < 0')).toBe(true);
    expect(holds('-9223372036854775807 - 1 < 0')).toBe(true);
    expect(holds('9223372036854775807 * 2 == -2')).toBe(true);
    expect(holds('0x7fffffff + 1 > 0')).toBe(true);
  });

  test('is unsigned as soon as one side is', () => {
    expect(holds('-1 > 0u')).toBe(true);
    expect(holds('-1 > 0')).toBe(false);
    expect(holds('0u - 1 == 18446744073709551615u')).toBe(true);
    expect(holds('-1 / 2u == 9223372036854775807')).toBe(true);
    expect(holds('(0 ? 0u : -1) > 0')).toBe(true);
    expect(holds('(-1 < 0u) == 0 && (1 == 1u) - 2 < 0')).toBe(true);
  });

  test('takes constants that need the 64th bit for unsigned', () => {
    expect(holds('0xffffffffffffffff == -1')).toBe(true);
    expect(holds('0x8000000000000000 > 0')).toBe(true);
    expect(() => holds('0x10000000000000000')).toThrow('too large');
  });

  test('shifts keep the sign of the left side, and what lies beyond the width is not answered', () => {
    expect(holds('-8 >> 1 == -4')).toBe(true);
    expect(holds('-1 >> 63 == -1 && (-1u) >> 63 == 1')).toBe(true);
    expect(holds('1 << 63 < 0')).toBe(true);
    expect(() => holds('1 << 64')).toThrow('beyond the width');
    expect(() => holds('1 >> 18446744073709551615u')).toThrow('beyond the width');
    expect(holds('1 || 1 << 64')).toBe(true);
  });

  test('shifts go the other way for a negative count with gcc, and are not answered for clang', () => {
    expect(holds('8 << -1 == 4 && 1 >> -3 == 8')).toBe(true);
    expect(() => holds('8 << -1', { ...c, negativeShiftsTurn: false })).toThrow('negative count');
    expect(holds('0 && 8 << -1 || -1 >> 1 == -1', { ...c, negativeShiftsTurn: false })).toBe(true);
  });

  test('is not done in what is not evaluated', () => {
    expect(holds('1 || 1 / 0')).toBe(true);
    expect(holds('0 && 1 % 0')).toBe(false);
    expect(holds('1 ? 1 : 1 / 0')).toBe(true);
    expect(holds('0 ? 1 / 0 : 2')).toBe(true);
    expect(() => holds('1 / 0')).toThrow('division by zero');
    expect(() => holds('0 || 1 % 0')).toThrow('division by zero');
  });
});

describe('characters', () => {
  test('have their code, by escapes too', () => {
    expect(holds(`'A' == 65 && '\\n' == 10 && '\\x41' == 'A' && '\\101' == 'A' && '\\'' == 39 && '\\0' == 0`)).toBe(
      true,
    );
  });

  test('beyond ASCII have the sign of char', () => {
    expect(holds(`'\\xff' < 0`)).toBe(true);
    expect(holds(`'\\xff' == 255`, { ...c, unsignedChar: true })).toBe(true);
  });

  test('of several letters fill a number from the left', () => {
    expect(holds(`'ab' == 0x6162 && 'abcd' == 0x61626364`)).toBe(true);
  });

  test('of a wide type are unsigned where the type is', () => {
    expect(holds(`L'a' - 98 < 0`)).toBe(true);
    expect(holds(`L'a' - 98 < 0`, { ...c, unsignedWideChar: true })).toBe(false);
    expect(holds(`u'a' - 98 < 0`)).toBe(false);
  });
});

test.each([
  '',
  '1 2',
  '(1',
  '1)',
  '1 +',
  '? 1 : 2',
  '1 ? 2',
  '"text"',
  '1.0',
  '1e3',
  '08',
  '0x',
  '1uu1',
  '1 = 1',
  'a ## b',
  `'\\q'`,
  `'abcde'`,
  `u8'a'`,
  '\xc3\xa4',
])('what is no condition for certain is unclear: %j', (text) => {
  expect(() => holds(text)).toThrow(ExpansionUnclear);
});
