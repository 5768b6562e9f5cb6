// Random operands of `#if` as text, most of them without an error. Unaware of files: header names come from the place.

import fc from 'fast-check';

/** What a piece of a generated file may ask about the place it stands in. */
export interface Place {
  readonly header: boolean;
  readonly cplusplus: boolean;
  /** the language has `__VA_OPT__` */
  readonly vaOpt: boolean;
  /** a header name with its delimiters (`"x"` or `<x>`) that is likely to be found from here; undefined when there is none */
  spell(form: '"' | '<', pick: number): string | undefined;
  /** one that is not likely to be found */
  missing(form: '"' | '<', pick: number): string;
  /** the same name further along the search path, for `#include_next` */
  next(form: '"' | '<'): string | undefined;
}

export type Piece = (place: Place) => string;

/** object-like macros whose values are expressions */
export const valueMacros = ['M0', 'M1', 'M2', 'M3', 'FLAG', 'long_name'] as const;
/** object-like macros that are defined or not, never a value of interest */
export const switchMacros = ['A', 'B', 'C'] as const;
/** object-like macros that stand for header names */
export const headerMacros = ['H0', 'H1'] as const;

export const form = fc.constantFrom<'"' | '<'>('"', '"', '<');
export const pick = fc.nat({ max: 40 });

const number = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 5 }).map(String) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...['0x1F', '0X0', '017', '0b101', '1u', '2UL', '3ll', '4LLU', '0xFFFFFFFFFFFFFFFFu', '2147483648', '-1', '-1u'],
      ...['9223372036854775807', '18446744073709551615u', '1L', '0u', '~0', '~0u'],
    ),
  },
);

const character = fc.constantFrom(
  ...["'a'", "'\\0'", "'\\n'", "'\\''", "'\"'", "'\\x41'", "'\\377'", "'\\\\'", "L'a'", "'ab'", "'/'", "'\\101'"],
);

const anyMacro = fc.constantFrom(...valueMacros, ...switchMacros, ...headerMacros, 'NOWHERE', '__GNUC__', '__clang__');
const known = fc.constantFrom(
  ...['__LINE__', '__INCLUDE_LEVEL__', '__COUNTER__', '__GNUC__', '__clang_major__', '__STDC_VERSION__', '__cplusplus'],
  ...[
    '__x86_64__',
    '__i386__',
    '__ASSEMBLER__',
    '__OPTIMIZE__',
    '__STDC__',
    '__CHAR_BIT__',
    '__SIZEOF_LONG__',
    'NOWHERE',
  ],
  ...['__INT_MAX__', '__LONG_MAX__', '__CHAR_UNSIGNED__', 'unix', 'linux', '__PIC__', 'true', 'false'],
);

const hasInclude = fc
  .tuple(
    form,
    pick,
    fc.constantFrom('found', 'found', 'missing', 'macro', 'next', 'spaced', 'call'),
    fc.constantFrom(...headerMacros),
  )
  .map(([quote, index, how, macro]): Piece => {
    return (place) => {
      const missing = place.missing(quote, index);
      const found = place.spell(quote, index) ?? missing;
      if (how === 'missing') return `__has_include(${missing})`;
      if (how === 'macro') return `(defined ${macro} && defined __has_include)`;
      if (how === 'next' && place.header) return `__has_include_next(${place.next(quote) ?? missing})`;
      if (how === 'spaced') return `__has_include ( ${found} )`;
      return `__has_include(${found})`;
    };
  });

const leaf: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 6, arbitrary: number.map((text) => () => text) },
  { weight: 1, arbitrary: character.map((text) => () => text) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("1'000", "0x1'0", "0b1'1").map(
      (text): Piece =>
        (at) =>
          at.cplusplus ? text : '7',
    ),
  },
  { weight: 6, arbitrary: fc.constantFrom(...valueMacros).map((text) => () => text) },
  { weight: 3, arbitrary: known.map((text) => () => text) },
  { weight: 5, arbitrary: anyMacro.map((name) => () => `defined ${name}`) },
  { weight: 4, arbitrary: anyMacro.map((name) => () => `defined(${name})`) },
  { weight: 1, arbitrary: anyMacro.map((name) => () => `defined/**/( ${name} )`) },
  { weight: 5, arbitrary: hasInclude },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('__has_attribute(noreturn)', '__has_attribute(nonsense)', '__has_builtin(__builtin_expect)')
      .map((text) => () => text),
  },
);

const binary = fc.constantFrom(
  ...['+', '-', '*', '<', '>', '<=', '>=', '==', '!=', '&&', '||', '&', '|', '^', '&&', '||', '=='],
);

export const expression: fc.Arbitrary<Piece> = fc.letrec<{ any: Piece }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'expression', withCrossShrink: true },
    { weight: 6, arbitrary: leaf },
    {
      weight: 6,
      arbitrary: fc.tuple(tie('any'), binary, tie('any'), fc.boolean()).map(([left, operator, right, tight]): Piece => {
        const space = tight ? '' : ' ';
        return (at) => `${left(at)} ${operator}${space}${right(at)}`;
      }),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(fc.constantFrom('!', '-', '~', '+', '!!'), tie('any')).map(([operator, inner]): Piece => {
        return (at) => `${operator}(${inner(at)})`;
      }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(tie('any'), fc.constantFrom('/', '%'), tie('any')).map(([left, operator, right]): Piece => {
        return (at) => `(${left(at)}) ${operator} ((${right(at)}) | 1)`;
      }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(tie('any'), fc.constantFrom('<<', '>>'), fc.nat({ max: 66 })).map(
        ([left, operator, by]): Piece =>
          (at) =>
            `(${left(at)}) ${operator} ${by}`,
      ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(tie('any'), tie('any'), tie('any')).map(
        ([test, yes, no]): Piece =>
          (at) =>
            `((${test(at)}) ? ${yes(at)} : ${no(at)})`,
      ),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.constantFrom('F0', 'ID', 'NOT', 'ISDEF', 'V0', 'CAT0', 'REC', 'OPT'), tie('any'))
        .map(
          ([name, inner]): Piece =>
            (at) =>
              `${name === 'OPT' && !at.vaOpt ? 'ID' : name}(${inner(at).replaceAll(/__has_include(_next)?/g, '1 || defined')})`,
        )
        .map(
          (piece): Piece =>
            (at) =>
              piece(at).replaceAll(/1 \|\| defined *\(.*?[">] ?\)/g, '1'),
        ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.constantFrom('F1', 'PICK', 'GLUE'), leaf, leaf).map(([name, left, right]): Piece => {
        const plain = (text: string) => (/[^\w ]/.test(text) || name === 'GLUE' ? '1' : text);
        return (at) => `${name}(${plain(left(at))}, ${plain(right(at))})`;
      }),
    },
  ),
})).any;
