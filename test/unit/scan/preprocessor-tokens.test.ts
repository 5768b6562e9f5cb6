import { describe, expect, test } from '@jest/globals';
import { isPunctuator, nameNumber, tokenize } from '../../../src/scan/preprocessor-tokens.ts';

const cut = (text: string) => tokenize(text).map((token) => `${token.kind} ${token.text}`);
const texts = (text: string) => tokenize(text).map((token) => token.text);

describe('tokens', () => {
  test('are cut by the longest match', () => {
    expect(texts('a+++b>>=c->*d...e..')).toEqual(['a', '++', '+', 'b', '>>=', 'c', '->*', 'd', '...', 'e', '.', '.']);
    expect(texts('x##y#z<=>')).toEqual(['x', '##', 'y', '#', 'z', '<=>']);
  });

  test('of numbers take everything that a preprocessing number may hold', () => {
    expect(cut("0x1p-3 .5e+1f 1'000 1..2 08z_t 1+2 0x1e+1")).toEqual([
      'number 0x1p-3',
      'number .5e+1f',
      "number 1'000",
      'number 1..2',
      'number 08z_t',
      'number 1',
      'punctuator +',
      'number 2',
      'number 0x1e+1',
    ]);
  });

  test('of strings and characters keep prefixes and escapes', () => {
    expect(cut(`u8"a\\"b" L'\\'' U"" R x""`)).toEqual([
      'string u8"a\\"b"',
      "character L'\\''",
      'string U""',
      'name R',
      'name x',
      'string ""',
    ]);
  });

  test('that are not closed are single characters', () => {
    expect(cut('"a b')).toEqual(['other "', 'name a', 'name b']);
    expect(cut("'")).toEqual(["other '"]);
    expect(cut('a @ \\')).toEqual(['name a', 'other @', 'other \\']);
  });

  test('of names may hold dollars and bytes beyond ASCII', () => {
    expect(cut('$a _b1 \xc3\xa4')).toEqual(['name $a', 'name _b1', 'name \xc3\xa4']);
  });

  test('by digraphs are what they stand for', () => {
    expect(texts('%: %:%: <: :> <% %>')).toEqual(['#', '##', '[', ']', '{', '}']);
  });

  test('know whether white space stands before them', () => {
    expect(tokenize(' a b(\t c)').map(({ spaced }) => spaced)).toEqual([true, true, false, true, false]);
  });

  test('know whether that is more than one space, and how a digraph is spelled', () => {
    expect(tokenize('a b  c\td\ne').map(({ unevenly }) => unevenly)).toEqual([undefined, undefined, true, true, true]);
    expect(tokenize('[ <:').map(({ digraph }) => digraph)).toEqual([undefined, '<:']);
  });

  test('of one name share a number, those of others have none', () => {
    const [a, b, again, number] = tokenize('alpha beta alpha 1');
    expect(a?.name).toBe(nameNumber('alpha'));
    expect(again?.name).toBe(a?.name);
    expect(b?.name).not.toBe(a?.name);
    expect(number?.name).toBe(-1);
  });
});

test('a punctuator is told from a string with the same text and from nothing', () => {
  expect(isPunctuator(tokenize('(')[0], '(')).toBe(true);
  expect(isPunctuator({ kind: 'string', text: '(', spaced: false, name: -1 }, '(')).toBe(false);
  expect(isPunctuator(undefined, '(')).toBe(false);
});
