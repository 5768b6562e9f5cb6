import { describe, expect, test } from '@jest/globals';
import { expandResponseFiles, splitLikeClang, splitLikeGcc } from '../../../src/compiler/response-file.ts';

const reader = (files: Readonly<Record<string, string>>) => (path: string) =>
  path in files ? Buffer.from(files[path] ?? '') : undefined;

describe('quoting', () => {
  test.each([
    ['a b\tc\nd', ['a', 'b', 'c', 'd']],
    ['"a b" \'c d\' e\\ f', ['a b', 'c d', 'e f']],
    ['a"b c"d', ['ab cd']],
    ['"a\\"b" \'c\\\'d\'', ['a"b', "c'd"]],
    ['\\\\', ['\\']],
    ['  \n ', []],
    ['"unclosed word', ['unclosed word']],
  ])('both compilers read %j alike', (text, expected) => {
    expect(splitLikeGcc(text)).toEqual(expected);
    expect(splitLikeClang(text)).toEqual(expected);
  });

  test('only gcc keeps empty words, and only clang a backslash at the very end', () => {
    expect(splitLikeGcc('a "" b')).toEqual(['a', '', 'b']);
    expect(splitLikeClang('a "" b')).toEqual(['a', 'b']);
    expect(splitLikeGcc('a\\')).toEqual(['a']);
    expect(splitLikeClang('a\\')).toEqual(['a\\']);
  });
});

describe('expandResponseFiles', () => {
  test('replaces files in place, nested ones too, and names each once', () => {
    const files = reader({ one: '-a @two -b', two: "'-c d'" });
    expect(expandResponseFiles(['x', '@one', 'y', '@two'], 'gcc', files)).toEqual({
      ok: true,
      value: { argv: ['x', '-a', '-c d', '-b', 'y', '-c d'], files: ['one', 'two'] },
    });
  });

  test('leaves an unreadable file and a lone @ as they are', () => {
    expect(expandResponseFiles(['@none', '@'], 'clang', reader({}))).toEqual({
      ok: true,
      value: { argv: ['@none', '@'], files: [] },
    });
  });

  test('refuses a file that contains itself, even through another', () => {
    expect(expandResponseFiles(['@a'], 'gcc', reader({ a: '@b', b: '@a' })).ok).toBe(false);
    expect(expandResponseFiles(['@a'], 'clang', reader({ a: '@a' })).ok).toBe(false);
  });

  test('refuses bytes that are no plain UTF-8 text', () => {
    for (const bytes of [
      [0xff, 0xfe, 0x41, 0],
      [0xef, 0xbb, 0xbf, 0x41],
      [0x41, 0],
      [0xc3, 0x28],
    ]) {
      expect(expandResponseFiles(['@a'], 'gcc', () => Uint8Array.from(bytes)).ok).toBe(false);
    }
  });
});
