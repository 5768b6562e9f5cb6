import { afterEach, describe, expect, test } from '@jest/globals';
import { Macro, macroOf } from '../../../src/scan/macro.ts';

afterEach(() => Macro.forget());

const body = (operand: string) => {
  const found = macroOf(operand)?.body;
  return (
    found && {
      parameters: found.parameters,
      variadic: found.variadic,
      tokens: found.tokens.map(({ text }) => text).join(' '),
    }
  );
};

describe('definitions', () => {
  test('of equal name and text are one object, others are not', () => {
    expect(macroOf('A 1')).toBe(macroOf('A \t 1  '));
    expect(macroOf('A 1')).not.toBe(macroOf('A 2'));
    expect(macroOf('A 1')).not.toBe(macroOf('B 1'));
    expect(macroOf('F(x) x')).toBe(macroOf('F(x) x  '));
  });

  test('are function-like only when the parenthesis follows at once', () => {
    expect(macroOf('F(x) x')?.functionLike).toBe(true);
    expect(macroOf('F (x) x')?.functionLike).toBe(false);
    expect(body('F (x) x')).toEqual({ parameters: undefined, variadic: undefined, tokens: '( x ) x' });
  });

  test('without a text are empty', () => {
    expect(body('A')).toEqual({ parameters: undefined, variadic: undefined, tokens: '' });
    expect(body('F()')).toEqual({ parameters: [], variadic: undefined, tokens: '' });
  });

  test('may take any number of arguments, by the standard or under a GNU name', () => {
    expect(body('F(a, ...) a')).toEqual({ parameters: ['a', '__VA_ARGS__'], variadic: '__VA_ARGS__', tokens: 'a' });
    expect(body('F(...) 1')).toEqual({ parameters: ['__VA_ARGS__'], variadic: '__VA_ARGS__', tokens: '1' });
    expect(body('F(a, rest...) a')).toEqual({ parameters: ['a', 'rest'], variadic: 'rest', tokens: 'a' });
  });

  test.each(['F(', 'F(a', 'F(a b)', 'F(1)', 'F(a,)', 'F(..., a)', 'F(a..., b)', 'F(,)'])(
    'that are malformed have no body: %s',
    (operand) => {
      expect(macroOf(operand)).toBeDefined();
      expect(body(operand)).toBeUndefined();
    },
  );

  test('without a name are none', () => {
    expect(macroOf('')).toBeUndefined();
    expect(macroOf('1 a')).toBeUndefined();
    expect(macroOf('"x"')).toBeUndefined();
  });

  test('do not begin with a space of their own', () => {
    expect(macroOf('A   1 2')?.body?.tokens.map(({ spaced }) => spaced)).toEqual([false, true]);
  });

  test('are counted until they are forgotten; new ones are then other objects', () => {
    const before = Macro.count;
    const old = macroOf('COUNTED 1');
    expect(Macro.count).toBe(before + 1);
    macroOf('COUNTED 1');
    expect(Macro.count).toBe(before + 1);
    Macro.forget();
    expect(Macro.count).toBe(0);
    expect(macroOf('COUNTED 1')).not.toBe(old);
  });
});
