import { describe, expect, test } from '@jest/globals';
import type { Directive } from '../../../src/scan/directives.ts';
import { clangConditionTokens, headerName } from '../../../src/scan/header-names.ts';
import { tokenize, tokenizeWithHeaders } from '../../../src/scan/preprocessor-tokens.ts';

const condition = (operand: string): Directive => ({ kind: 'if', operand, line: 1, next: 1, end: 1 });
const texts = (operand: string) => clangConditionTokens(condition(operand)).map(({ text }) => text);

describe('a header name', () => {
  test('is one string or what stands in angles', () => {
    expect(headerName(tokenize('"a/b.h"'), false)).toEqual({ form: 'quote', name: 'a/b.h' });
    expect(headerName(tokenize('<a/b-1.h>'), false)).toEqual({ form: 'angle', name: 'a/b-1.h' });
    expect(headerName(tokenizeWithHeaders('<a b.h>'), false)).toEqual({ form: 'angle', name: 'a b.h' });
  });

  test('keeps its spaces where it stands as written, and is unclear where it was made', () => {
    expect(headerName(tokenize('<a b.h>'), true)).toEqual({ form: 'angle', name: 'a b.h' });
    expect(() => headerName(tokenize('<a b.h>'), false)).toThrow('a computed name with spaces');
  });

  test.each(['', '""', 'L"a.h"', '"a.h" "b.h"', '<a.h', '<>', '<a.h> x', 'a.h'])('is not %j', (text) => {
    expect(headerName(tokenize(text), false)).toBeUndefined();
  });
});

describe('a condition as clang reads it', () => {
  test('has a name in angles in the arguments of a macro as one token', () => {
    expect(texts('1 < 2 && __has_include(ID(<d/x y.h>)) > 0')).toEqual([
      '1',
      '<',
      '2',
      '&&',
      '__has_include',
      '(',
      'ID',
      '(',
      '<d/x y.h>',
      ')',
      ')',
      '>',
      '0',
    ]);
  });

  test('ends the operand at its own parenthesis', () => {
    const tokens = texts('__has_include_next(A(<a(b.h>, ")")) || B < C > D');
    expect(tokens.slice(-6)).toEqual(['||', 'B', '<', 'C', '>', 'D']);
  });

  test('is cut up as usual without such arguments', () => {
    expect(texts('__has_include(<a.h>)')).toEqual(['__has_include', '(', '<', 'a', '.', 'h', '>', ')']);
  });
});
