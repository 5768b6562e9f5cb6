// Random lines of source text around includes: directives, conditionals, macros, and text that only looks like directives.
// Unaware of directories and files.

import fc from 'fast-check';
import { expression, form, headerMacros, pick, switchMacros, valueMacros, type Piece } from './include-expressions.ts';

const marks = ['#', '# ', ' #', '#\t', '#/**/', '/* x */ # /* y\n z */', '%:', '??=', '#\\\n', '#\\ \n'];
const mark = fc.oneof({ weight: 12, arbitrary: fc.constant('#') }, { weight: 4, arbitrary: fc.constantFrom(...marks) });
const tails = ['', '', '', ' ', ' // tail', ' /* tail */', ' /* more\n lines */', ' // a \\\n still'];
const tail = fc.constantFrom(...tails);

/** `#if` and its kin must be directives for sure: a mark that is one in every mode. */
const sureMark = fc.oneof(
  { weight: 12, arbitrary: fc.constant('#') },
  { weight: 3, arbitrary: fc.constantFrom('# ', ' #', '#/**/', '#\\\n', '/* x */ #') },
);

const verbs = fc.oneof(
  { weight: 12, arbitrary: fc.constant('include') },
  { weight: 2, arbitrary: fc.constant('import') },
);

const include: fc.Arbitrary<Piece> = fc
  .tuple(mark, verbs, fc.constantFrom('', ' ', ' ', '  ', '/**/', '\t'), form, pick, tail)
  .map(([hash, verb, gap, quote, index, end]): Piece => {
    return (place) => {
      const name = place.spell(quote, index);
      return name === undefined ? '/* nothing to include */\n' : `${hash}${verb}${gap}${name}${end}\n`;
    };
  });

const includeNext: fc.Arbitrary<Piece> = fc.tuple(form, fc.boolean()).map(([quote, guarded]): Piece => {
  return (place) => {
    const name = place.next(quote);
    if (!place.header || name === undefined) return '';
    const line = `#include_next ${name}\n`;
    return guarded ? `#if __has_include_next(${name})\n${line}#endif\n` : line;
  };
});

/** A directive line cut by backslash and newline at some place. */
const spliced: fc.Arbitrary<Piece> = fc
  .tuple(include, fc.nat({ max: 30 }), fc.constantFrom('\\\n', '\\\n', '\\  \n', '\\\n\\\n'))
  .map(([piece, at, splice]): Piece => {
    return (place) => {
      const line = piece(place);
      const where = Math.min(at, Math.max(0, line.indexOf('\n')));
      return line.slice(0, where) + splice + line.slice(where);
    };
  });

const unquoted = (name: string) => name.slice(1, -1);

const computedShapes: readonly ((name: string, macro: string) => string)[] = [
  (name, macro) => `#undef ${macro}\n#define ${macro} ${name}\n#include ${macro}\n`,
  (name, macro) =>
    `#undef ${macro}\n#define ${macro} ${name}\n#if __has_include(${macro})\n#include ${macro}\n#endif\n`,
  (name, macro) =>
    `#undef ${macro}\n#define ${macro} ${name}\n#define WRAP_${macro}() ${macro}\n#include WRAP_${macro}( )\n`,
  (name) => (name.startsWith('"') ? `#include XSTR(${unquoted(name)})\n` : `#include ANGLE(${unquoted(name)})\n`),
  (name) => `#include EMPTY ${name}\n`,
  (name) => `#include ID(${name})\n`,
  (name) => `#include V0(${name})\n`,
  (name) => `#include PICK(${name}, 1)\n`,
  (name) => `#include IF(1, ${name}, "none.h")\n`,
  (name) => `#include IF(0, "none.h", ${name})\n`,
  (name) => `#ifdef OPTNAME\n#include OPTNAME(${name})\n#endif\n`,
  (name) => `#define LT_ <\n#include LT_ ${unquoted(name)}>\n#undef LT_\n`,
  (name) => {
    const [, start = '', rest = ''] = /^([a-z])([a-z]+)/.exec(unquoted(name)) ?? [];
    const joined = rest === '' ? unquoted(name) : `CATX(${start}, ${rest})${unquoted(name).slice(1 + rest.length)}`;
    return name.startsWith('"') ? `#include XSTR(${joined})\n` : `#include ANGLE(${joined})\n`;
  },
  (name) => `#if 1 && __has_include(ID(${name}))\n#include ${name}\n#endif\n`,
  (name) => `#include DELAY ( ${name} )\n`,
];

const computed: fc.Arbitrary<Piece> = fc
  .tuple(fc.constantFrom(...computedShapes), form, pick, fc.constantFrom(...headerMacros))
  .map(([shape, quote, index, macro]): Piece => {
    return (place) => {
      const name = place.spell(quote, index);
      return name === undefined ? '' : shape(name, macro);
    };
  });

/** a header macro that some other file or the command line defined */
const remembered: fc.Arbitrary<Piece> = fc.constantFrom(...headerMacros).map((macro): Piece => {
  return () => `#if defined ${macro}\n# if __has_include(${macro})\n#  include ${macro}\n# endif\n#endif\n`;
});

const rememberHeader: fc.Arbitrary<Piece> = fc
  .tuple(fc.constantFrom(...headerMacros), form, pick)
  .map(([macro, quote, index]): Piece => {
    return (place) => `#undef ${macro}\n#define ${macro} ${place.spell(quote, index) ?? place.missing(quote, index)}\n`;
  });

const defineValue: fc.Arbitrary<Piece> = fc
  .tuple(fc.constantFrom(...valueMacros), expression, fc.boolean(), tail)
  .map(([name, value, undef, end]): Piece => {
    // an operand of defined or __has_include may come out of a macro; a macro that means itself stays a name
    return (place) => `${undef ? `#undef ${name}\n` : ''}#define ${name} (${value(place)})${end}\n`;
  });

/** gcc's -M does not heed them, its compile does: nothing to compare with */
const pragmaOperators: readonly string[] = [
  '_Pragma("push_macro(\\"M1\\")")\n#define M1 3\n',
  '_Pragma("pop_macro(\\"M1\\")")\n',
  'DOPRAGMA(push_macro("M2"))\n',
  'DOPRAGMA(pop_macro("M2"))\n',
  '_Pragma("once")\n',
];

const smallDefines: readonly string[] = [
  ...switchMacros.flatMap((name) => [`#define ${name}\n`, `#define ${name} 1\n`, `#undef ${name}\n`]),
  ...valueMacros.flatMap((name) => [`#undef ${name}\n`, `#define ${name} 1\n`, `#define ${name} 0\n`]),
  '#define M0 M1\n#define M1 M0\n',
  '#define M2 M2 + 1\n',
  '#define M3 defined A\n',
  '#define M3 defined(B) || defined C\n',
  '#undef ID\n#define ID(x) (x)\n#undef ID\n#define ID(x) x\n',
  '#pragma push_macro("A")\n#undef A\n',
  '#pragma push_macro("M0")\n#define M0 2\n',
  '#pragma pop_macro("A")\n',
  '#pragma pop_macro("M0")\n',
  ...pragmaOperators.map((text) => `#ifdef __clang__\n${text}#endif\n`),
  '#line 7\n',
  '#line 90 "elsewhere/x.h"\n',
  '# 33 "marker.h"\n',
  '#\n',
  '# /* nothing */\n',
  '#ident "x"\n',
  '#pragma once\n',
  '#pragma GCC system_header\n',
  '#pragma unknown "thing /* "\n',
  '#define CHANGED(a, b) a ## b\n#undef CHANGED\n',
  '#define SPAN(a, b) \\\n  a \\\n  b\n#undef SPAN\n',
  '#de\\\nfine JOI\\\nNED 1\n#ifndef JOINED\n#error joined\n#endif\n#undef JOINED\n',
];

const texts: readonly string[] = [
  'int declared;\n',
  'const char *s = "/* no comment";\n',
  "int c = '\"', d = '\\'', e = '/*';\n",
  'const char *t = "\\"\\\\"; /* " */ // "\n',
  '// comment \\\n#include "missing-in-comment.h"\n',
  '/* begin\n#include "missing-in-comment.h"\n#define A 9\n end */\n',
  '/* begin\n#endif\n*/ int q; /**/ /*/ #else /*/\n',
  '/* a */ /* b\n*/ #define AFTER_COMMENT 1\n#ifndef AFTER_COMMENT\n#include "missing.h"\n#endif\n#undef AFTER_COMMENT\n',
  'int x = __COUNTER__;\n',
  'int y = __COUNTER__ + F0(__COUNTER__);\n',
  'ID(1 +\n 2)\n',
  'F1(1 /* one */,\n\n   2)\n',
  'F0\n(3)\n',
  'V0(a, (b, c), \n d)\n',
  '"text with #include \\"x.h\\" inside"\n',
  '??/\nint tri;\n',
  'int u = 1; ??/\n#define TRI 1\n',
  '// trigraph ??/\n#define B 5\n',
  'int w; /\\\n* hidden\n#include "missing-in-comment.h"\n*\\\n/\n',
  'int v; /\\\n/ hidden \\\n#include "missing-in-comment.h"\n',
  '"cut \\\n#include \\"none.h\\" \\\n string"\n',
  '\n\n\n',
  '\f\v int formfeed;\n',
];

const rawTexts: readonly string[] = [
  'const char *r = R"(\n#include "missing-in-raw.h"\n)";\n',
  'const char *r = R"x(\n)" /* \n#define A 7\n)x";\n',
  'const char *r = u8R"--(\\\n#if 0\n)--";\n',
  'auto r = LR"(//)"; /* R"( */\n',
  'auto r = UR"(/*)", q = uR"(")";\n',
  '#define RAW R"(line)"\n#undef RAW\n',
];

const deadTexts: readonly string[] = [
  '#error never\n',
  '#warning never\n',
  '#include "never.h"\n',
  '#include <never.h>\n',
  '#include NEVER\n',
  '#embed "never.bin"\n',
  '#unknown directive\n',
  '#if 1 +\n#elif ) (\n#endif\n',
  '#if\n#else\n#include "never.h"\n#endif\n',
  '#ifdef\n#endif\n',
  '#define\n',
  '#undef\n',
  "it's not closed\n",
  'a "string that is not closed\n',
  '#line nonsense\n',
  '#pragma once\n',
  '/* #endif\n#else */\n',
  '// #endif \\\n#endif\n',
  '"\\\n#endif"\n',
  '#define A 1\n#define M0 4\n',
  '#include_next <never.h>\n',
];
const dead = fc.array(fc.constantFrom(...deadTexts), { minLength: 1, maxLength: 3 }).map((lines) => lines.join(''));
const deadShapes: readonly ((text: string) => string)[] = [
  (text) => `#if 0\n${text}#endif\n`,
  (text) => `#ifdef NOWHERE\n${text}#endif\n`,
  (text) => `#if 1\n#else\n${text}#endif\n`,
  (text) => `#ifndef NOWHERE\n#elif )(\n${text}#endif\n`,
  (text) => `#if 0 // 1\n${text}#endif // x\n`,
  (text) => `#if defined(NOWHERE)\n${text}#endif\n`,
  (text) => `#if 1\n#elif 1\n${text}#else\n${text}#endif\n`,
];

const leafPiece: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 10, arbitrary: include },
  { weight: 4, arbitrary: spliced },
  { weight: 3, arbitrary: includeNext },
  { weight: 6, arbitrary: computed },
  { weight: 3, arbitrary: remembered },
  { weight: 2, arbitrary: rememberHeader },
  { weight: 6, arbitrary: defineValue },
  {
    weight: 8,
    arbitrary: fc.constantFrom(...smallDefines).map(
      (text): Piece =>
        () =>
          text,
    ),
  },
  {
    weight: 5,
    arbitrary: fc.constantFrom(...texts).map(
      (text): Piece =>
        () =>
          text,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...rawTexts).map(
      (text): Piece =>
        (at) =>
          at.cplusplus ? text : '',
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...deadShapes), dead).map(
      ([shape, text]): Piece =>
        () =>
          shape(text),
    ),
  },
);

const condition: fc.Arbitrary<Piece> = fc.oneof(
  {
    weight: 8,
    arbitrary: expression.map(
      (piece): Piece =>
        (at) =>
          `if ${piece(at)}`,
    ),
  },
  {
    weight: 1,
    arbitrary: expression.map(
      (piece): Piece =>
        (at) =>
          `if(${piece(at)})`,
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...switchMacros, ...valueMacros).map(
      (name): Piece =>
        () =>
          `ifdef ${name}`,
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...switchMacros, ...headerMacros).map(
      (name): Piece =>
        () =>
          `ifndef ${name}`,
    ),
  },
);
const otherwise: fc.Arbitrary<Piece> = fc.oneof(
  {
    weight: 6,
    arbitrary: expression.map(
      (piece): Piece =>
        (at) =>
          `elif ${piece(at)}`,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...switchMacros).map(
      (name): Piece =>
        () =>
          `elifdef ${name}`,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...valueMacros).map(
      (name): Piece =>
        () =>
          `elifndef ${name}`,
    ),
  },
);

const together =
  (pieces: readonly Piece[]): Piece =>
  (at) =>
    pieces.map((piece) => piece(at)).join('');

/** A few lines that belong together, conditionals with what is in them. */
export const piece: fc.Arbitrary<Piece> = fc.letrec<{ one: Piece; some: Piece }>((tie) => ({
  some: fc.array(tie('one'), { maxLength: 3, depthIdentifier: 'pieces' }).map(together),
  one: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'pieces', withCrossShrink: true },
    { weight: 5, arbitrary: leafPiece },
    {
      weight: 3,
      arbitrary: fc
        .tuple(
          fc.array(sureMark, { minLength: 4, maxLength: 4 }),
          condition,
          tie('some'),
          fc.array(fc.tuple(otherwise, tie('some')), { maxLength: 2 }),
          fc.option(tie('some'), { nil: undefined }),
          tail,
        )
        .map(([hashes, first, body, more, last, end]): Piece => {
          const [h0 = '#', h1 = '#', h2 = '#', h3 = '#'] = hashes;
          return (at) =>
            [
              `${h0}${first(at)}${end}\n${body(at)}`,
              ...more.map(([test, inner]) => `${h1}${test(at)}\n${inner(at)}`),
              last === undefined ? '' : `${h2}else\n${last(at)}`,
              `${h3}endif${end}\n`,
            ].join('');
        }),
    },
  ),
})).one;

/** What the pieces' macros are from the start. */
export const prelude: readonly string[] = [
  '#define F0(x) ((x) + 1)',
  '#define F1(x, y) ((x) * 10 + (y))',
  '#define ID(x) x',
  '#define NOT(x) !(x)',
  '#define ISDEF(x) (defined A || (x))',
  '#define V0(...) __VA_ARGS__',
  '#define CAT0(x) CAT(x, 0)',
  '#define CAT(a, b) CAT_(a) + CAT_(b)',
  '#define CAT_(a) (a)',
  '#define CATX(a, b) CATY(a, b)',
  '#define CATY(a, b) a ## b',
  '#define GLUE(a, b) a ## b',
  '#define REC(x) (0 + REC1(x))',
  '#define REC1(x) (x)',
  '#define PICK(a, b) a',
  '#define IF(c, t, e) CATY(IF_, c)(t, e)',
  '#define IF_0(t, e) e',
  '#define IF_1(t, e) t',
  '#define STR(x) #x',
  '#define XSTR(x) STR(x)',
  '#define ANGLE(x) <x>',
  '#define EMPTY',
  '#define DELAY ID EMPTY',
  '#define DOPRAGMA(x) _Pragma(#x)',
  '#define M0 1',
  '#define M1 0',
  '#define M3 (M0 + M1)',
];

/** Two more for the languages that have `__VA_OPT__`. */
export const vaOptPrelude: readonly string[] = [
  '#define OPT(...) (0 __VA_OPT__(+ 1) + (__VA_ARGS__))',
  '#define OPTNAME(x, ...) __VA_OPT__(none) x',
];
