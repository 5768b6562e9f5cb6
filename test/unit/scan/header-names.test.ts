import { describe, expect, test } from '@jest/globals';
import { headerName, withAnglesJoined } from '../../../src/scan/header-names.ts';
import { ExpansionUnclear } from '../../../src/scan/macro-expansion.ts';
import { tokenize } from '../../../src/scan/preprocessor-tokens.ts';

describe('a header name', () => {
  test('is one string or what stands in angles', () => {
    expect(headerName(tokenize('"a/b.h"'), false)).toEqual({ form: 'quote', name: 'a/b.h' });
    expect(headerName(tokenize('<a/b-1.h>'), false)).toEqual({ form: 'angle', name: 'a/b-1.h' });
    expect(headerName(withAnglesJoined(tokenize('<a b.h>')), false)).toEqual({ form: 'angle', name: 'a b.h' });
  });

  test('keeps its spaces where it stands as written, and is unclear where it was made', () => {
    expect(headerName(tokenize('<a b.h>'), true)).toEqual({ form: 'angle', name: 'a b.h' });
    expect(() => headerName(tokenize('<a b.h>'), false)).toThrow('a computed name with spaces');
    expect(() => headerName(tokenize('<a  b.h>'), true)).toThrow('a name with a comment or several spaces');
  });

  test('has its digraphs as they are spelled', () => {
    expect(headerName(tokenize('<a<:b.h>'), false)).toEqual({ form: 'angle', name: 'a<:b.h' });
  });

  test.each(['', '""', 'L"a.h"', '"a.h" "b.h"', '<a.h', '<>', '<a.h> x', 'a.h', '<a->', '<:a.h>'])(
    'is not %j',
    (text) => {
      expect(headerName(tokenize(text), false)).toBeUndefined();
    },
  );
});

describe('names in angles, joined', () => {
  const texts = (text: string) => withAnglesJoined(tokenize(text)).map((token) => token.text);

  test('are one token each, with names, parentheses and single spaces as they are spelled', () => {
    expect(texts('ID(<d/x y.h>) > 0')).toEqual(['ID', '(', '<d/x y.h>', ')', '>', '0']);
    expect(texts('A(<a(b.h>, ")")')).toEqual(['A', '(', '<a(b.h>', ',', '")"', ')']);
    expect(texts('<a<:b.h>')).toEqual(['<a<:b.h>']);
  });

  test('have white space before them as they had', () => {
    expect(withAnglesJoined(tokenize('A <b>')).map(({ spaced }) => spaced)).toEqual([false, true]);
  });

  test('are none without an end', () => {
    expect(texts('1 < 2 << 3')).toEqual(['1', '<', '2', '<<', '3']);
  });

  test.each(['ID(<a\nb.h>)', 'ID(<a  b.h>)', 'ID(<a\tb.h>)', 'ID(<a->)', 'ID(<<a.h>)', 'ID(<a">".h>)'])(
    'are unclear in %j',
    (text) => {
      expect(() => texts(text)).toThrow(ExpansionUnclear);
    },
  );
});
