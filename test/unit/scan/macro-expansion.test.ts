import { describe, expect, test } from '@jest/globals';
import { expandTokens, ExpansionUnclear, type MacroEnvironment } from '../../../src/scan/macro-expansion.ts';
import { macroOf, type Macro } from '../../../src/scan/macro.ts';
import { tokenize } from '../../../src/scan/preprocessor-tokens.ts';

/** The text after replacement, tokens apart by one space where white space stands before them. */
function expanded(text: string, ...definitions: string[]): string {
  const macros = new Map<string, Macro | undefined>();
  for (const definition of definitions) {
    const macro = macroOf(definition);
    macros.set(macro?.name ?? '', macro);
  }
  const environment: MacroEnvironment = {
    macro: ({ text: name }) => macros.get(name),
    dynamic: ({ text: name, spaced }) =>
      name === '__LINE__' ? [{ kind: 'number', text: '42', spaced, name: -1 }] : undefined,
  };
  return expandTokens(tokenize(text), environment)
    .map(({ text: token, spaced }) => `${spaced ? ' ' : ''}${token}`)
    .join('')
    .trim();
}

describe('replacement', () => {
  test('goes on until nothing is left to replace', () => {
    expect(expanded('A B', 'A B 1', 'B C', 'C 2')).toBe('2 1 2');
  });

  test('of a function-like macro needs its parenthesis, at whatever distance', () => {
    expect(expanded('F F (1) F', 'F(x) <x>')).toBe('F <1> F');
    expect(expanded('A(2)', 'A F', 'F(x) <x>')).toBe('<2>');
    expect(expanded('F()', 'F() e')).toBe('e');
  });

  test('never comes back to a macro that is being replaced', () => {
    expect(expanded('A', 'A B + A', 'B A')).toBe('A + A');
    expect(expanded('f(2)(9)', 'f(a) a*g', 'g(a) f(a)')).toBe('2*9*g');
  });

  test('gives the results of the example in the standard', () => {
    const definitions = [
      'x 3',
      'f(a) f(x * (a))',
      'z z[0]',
      'g f',
      'h g(~',
      'm(a) a(w)',
      'w 0,1',
      't(a) a',
      'p() int',
      'q(x) x',
      'r(x,y) x ## y',
      'str(x) # x',
    ];
    expect(expanded('f(y+1) + f(f(z)) % t(t(g)(0) + t)(1);', ...definitions)).toBe(
      'f(3 * (y+1)) + f(3 * (f(3 * (z[0])))) % f(3 * (0)) + t(1);',
    );
    expect(expanded('g(x+(3,4)-w) | h 5) & m(f)^m(m);', ...definitions)).toBe(
      'f(3 * (3+(3,4)-0,1)) | f(3 * (~ 5)) & f(3 * (0,1))^m(0,1);',
    );
    expect(expanded('p() i[q()] = { q(1), r(2,3), r(4,), r(,5), r(,) };', ...definitions)).toBe(
      'int i[] = { 1, 23, 4, 5, };',
    );
    expect(expanded('char c[2][6] = { str(hello), str() };', ...definitions)).toBe('char c[2][6] = { "hello", "" };');
  });

  test('leaves commas in parentheses to their argument', () => {
    expect(expanded('F((a,b),(c))', 'F(x,y) [y][x]')).toBe('[(c)][(a,b)]');
  });

  test('asks for names that are computed, also within arguments', () => {
    expect(expanded('F(__LINE__)', 'F(x) <x>')).toBe('<42>');
  });
});

describe('the operators of a replacement', () => {
  test('make strings of arguments as they were written', () => {
    expect(expanded('S( a  "b\\n" \'"\' A )', 'S(x) #x', 'A 1')).toBe(String.raw`"a \"b\\n\" '\"' A"`);
  });

  test('make strings with digraphs as they are spelled', () => {
    expect(expanded('S(a<:b)', 'S(x) #x')).toBe('"a<:b"');
  });

  test('make strings of replaced arguments by way of a second macro', () => {
    expect(expanded('X(V.h)', 'X(x) S(x)', 'S(x) #x', 'V 3')).toBe('"3.h"');
  });

  test('paste tokens without replacing them first, and look at what comes out', () => {
    expect(expanded('C(A, B)', 'C(x, y) x ## y', 'A 1', 'B 2', 'AB both')).toBe('both');
    expect(expanded('C(, B) C(A, )', 'C(x, y) x ## y', 'A 1', 'B 2')).toBe('2 1');
    expect(expanded('J(<, <=)', 'J(x, y) x ## y')).toBe('<<=');
  });

  test('paste in object-like macros too', () => {
    expect(expanded('O P', 'O A ## B', 'AB both', 'P <## =')).toBe('both <=');
  });

  test('make no operator of a sign that comes out of a replacement', () => {
    expect(expanded('J(J(a, b), c)', 'J(x, y) x hash_hash y', 'hash_hash # ## #')).toBe('a ## b ## c');
  });

  test('take a comma away before an empty variable argument, as GNU does', () => {
    expect(expanded('P(f) P(f, 1, 2)', 'P(f, ...) f(0, ## __VA_ARGS__)')).toBe('f(0) f(0, 1, 2)');
    expect(expanded('P(f) P(f, a)', 'P(f, r...) f(0, ## r)')).toBe('f(0) f(0, a)');
  });

  test('pass variable arguments on with their commas', () => {
    expect(expanded('V(1, (2, 3), 4)', 'V(...) <__VA_ARGS__>')).toBe('<1, (2, 3), 4>');
    expect(expanded('V()', 'V(...) <__VA_ARGS__>')).toBe('<>');
  });

  test('keep __VA_OPT__ where there are variable arguments, after their replacement', () => {
    const definitions = ['F(a, ...) f(a __VA_OPT__(, __VA_ARGS__))', 'EMPTY', 'G(...) g(__VA_OPT__(x) __VA_ARGS__)'];
    expect(expanded('F(0)', ...definitions)).toBe('f(0 )');
    expect(expanded('F(0, 1, 2)', ...definitions)).toBe('f(0 , 1, 2)');
    expect(expanded('G() G(1) G(EMPTY)', ...definitions).replaceAll(' ', '')).toBe('g()g(x1)g()');
  });
});

// What `#define S(...) #__VA_ARGS__` and `X(...) S(__VA_ARGS__)` make of it, as gcc and clang agree.
describe('white space', () => {
  const definitions = [
    'S(...) #__VA_ARGS__',
    'X(...) S(__VA_ARGS__)',
    'B 1',
    'E',
    'N() n',
    'AA a B E b E',
    'C(x, y) x ## y',
    'C1(x, y) <x ## y>',
    'C2(x, y) < x ## y >',
    'A2(x) < x>',
    'P(f, ...) f(0 , ## __VA_ARGS__)',
    'O1 a ## b',
    'OPT(a, ...) f(a __VA_OPT__(, __VA_ARGS__))',
    'L __LINE__',
  ];

  test.each([
    ['a B', 'a 1'],
    ['a B E b', 'a 1 b'],
    ['<E b>', '< b>'],
    ['< E>', '< >'],
    ['a E', 'a'],
    ['a N()b', 'a nb'],
    ['AA', 'a 1 b'],
    ['C(, B) C(B, )', '1 1'],
    ['a C(,)b', 'a b'],
    ['C1( a,b )', '<ab>'],
    ['C1(, b)', '<b>'],
    ['C2(,b)', '< b >'],
    ['A2()', '< >'],
    ['A2( a )', '< a>'],
    ['P(f,1) P(f, 1) P(f)', 'f(0 ,1) f(0 , 1) f(0)'],
    ['x O1', 'x ab'],
    ['OPT(0, 1, 2) OPT(0)', 'f(0 , 1, 2) f(0 )'],
    ['<L > a L', '<42 > a 42'],
  ])('in front of what is replaced is in front of the replacement: %s', (text, wanted) => {
    expect(expanded(`X(${text})`, ...definitions)).toBe(`"${wanted}"`);
  });
});

describe('what cannot be replaced with certainty is unclear', () => {
  test.each([
    ['arguments that do not end', 'F(1', ['F(x) x']],
    ['too few arguments', 'F(1)', ['F(x, y) x']],
    ['too many arguments', 'F(1, 2)', ['F(x) x']],
    ['an argument for a macro without parameters', 'F(1)', ['F() x']],
    ['a malformed definition', 'F(1)', ['F(x x) x']],
    ['a paste that makes no token', 'F(+, -)', ['F(x, y) x ## y']],
    ['__VA_OPT__ beside ##', 'F(1)', ['F(...) a ## __VA_OPT__(b)']],
  ])('%s', (_, text, definitions) => {
    expect(() => expanded(text, ...definitions)).toThrow(ExpansionUnclear);
  });

  test('a text that grows without end', () => {
    const definitions = Array.from({ length: 24 }, (_, i) => `M${i}(x) M${i + 1}(x x)`);
    expect(() => expanded('M0(a)', ...definitions, 'M24(x) x')).toThrow('the expansion is too long');
  });
});
