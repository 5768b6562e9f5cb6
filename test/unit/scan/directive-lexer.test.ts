import { describe, expect, test } from '@jest/globals';
import { lexDirectives } from '../../../src/scan/directive-lexer.ts';
import type { Dialect } from '../../../src/scan/directives.ts';

const cxx: Dialect = {
  trigraphs: false,
  digraphs: true,
  lineComments: true,
  rawStrings: true,
  digitSeparators: true,
  elifdef: true,
};

/** `kind operand` of each directive. */
function said(text: string, dialect: Partial<Dialect> = {}): string[] {
  return lexDirectives(text, { ...cxx, ...dialect }).list.map(({ kind, operand }) => `${kind} ${operand}`.trim());
}
const lines = (text: string) => lexDirectives(text, cxx).list.map(({ line }) => line);

describe('directives', () => {
  test('are found with white space on either side of the sign, and only at the start of a line', () => {
    expect(said('#include<a.h>\n \t# \tinclude "b.h"  \n\f\v#include <c.h>\r\n')).toEqual([
      'include <a.h>',
      'include "b.h"',
      'include <c.h>',
    ]);
    expect(said('int a; #include "no.h"\n\\#include "no.h"\n( #define X\n')).toEqual([]);
  });

  test('are found in the last line without a newline and behind a byte order mark', () => {
    expect(said('#define A 1')).toEqual(['define A 1']);
    expect(said('\xef\xbb\xbf#include "a.h"\n')).toEqual(['include "a.h"']);
  });

  test('without a name or with an unknown one are passed over', () => {
    expect(said('#\n# 12 "file.c" 2\n#ident "x"\n#warning soon\n#whatever\n#1\n')).toEqual([]);
  });

  test('start with a digraph too, also one that a splice cuts', () => {
    expect(said('%:include "a.h"\n%\\\n: include "b.h"\n%: define X 1\n')).toEqual([
      'include "a.h"',
      'include "b.h"',
      'define X 1',
    ]);
  });

  test('start with a trigraph where the dialect has them', () => {
    const text = '??=include "a.h"\n#define X ??/\n1\n';
    expect(said(text, { trigraphs: true })).toEqual(['include "a.h"', 'define X 1']);
    expect(said(text)).toEqual(['define X ??/']);
  });

  test('tell the line of their sign, whatever comments and splices came before', () => {
    expect(lines('/*\n\n*/ #include "a.h"\n#define X \\\n 1\n\n#undef X\n')).toEqual([3, 4, 7]);
  });

  test('of kinds that only matter when they are met are kept with their text', () => {
    expect(said('#error stop it\n#line 7 "x"\n#import "a.h"\n#include_next <b.h>\n#embed "c.bin" limit(2)\n')).toEqual([
      'error stop it',
      'line 7 "x"',
      'import "a.h"',
      'include_next <b.h>',
      'embed "c.bin" limit(2)',
    ]);
    expect(said('#assert machine(x)\n#unassert machine\n')).toEqual(['unclear #assert', 'unclear #unassert']);
  });
});

describe('splices', () => {
  test('join lines everywhere: in the name, in the operand, behind white space', () => {
    expect(said('#inc\\\nlude "a\\\n.h"\n')).toEqual(['include "a.h"']);
    expect(said('#define A 1 \\  \n + 2\n')).toEqual(['define A 1  + 2']);
    expect(said('\\\n\\\n#include "a.h"\n')).toEqual(['include "a.h"']);
  });

  test('keep what follows on a line of text from being a directive', () => {
    expect(said('int a; \\\n#include "no.h"\n#include "a.h"\n')).toEqual(['include "a.h"']);
  });

  test('make and end comments', () => {
    expect(said('/\\\n* #include "no.h"\n#include "no.h" *\\\n/ #include "a.h"\n')).toEqual(['include "a.h"']);
    expect(said('/\\\n/ comment\n#include "a.h"\n')).toEqual(['include "a.h"']);
    expect(said('// comment \\\n#include "no.h"\n#include "a.h"\n')).toEqual(['include "a.h"']);
  });
});

describe('comments', () => {
  test('between angles are not told from a space alone where a header may be named', () => {
    expect(said('#if A(<a/**/b>) /**/\n#elif 1 < /**/ 2\n#endif\n')).toEqual([
      'if A(<a\nb>)',
      'elif 1 < \n 2',
      'endif',
    ]);
    expect(said('#include ID(<a/**/b>)/**/\n#define X 1 </**/2\n')).toEqual(['include ID(<a\nb>)', 'define X 1 < 2']);
  });

  test('count as one space, in front of a directive and within it', () => {
    expect(said('/* x */ # /* y */ include /**/ "a.h" /* z\n z */\n')).toEqual(['include "a.h"']);
    expect(said('#define A 1/**/2 // three\n')).toEqual(['define A 1 2']);
    expect(said('#define F/**/(x) x\n')).toEqual(['define F (x) x']);
  });

  test('hide directives, also those that look like the end of one', () => {
    expect(said('/* #include "no.h"\n// */ #include "a.h"\n//*\n#include "b.h"\n/*/\n#include "no.h"\n/**/\n')).toEqual(
      ['include "a.h"', 'include "b.h"'],
    );
  });

  test('that do not end hide all the rest', () => {
    expect(said('#include "a.h"\n/* for ever\n#include "no.h"\n')).toEqual(['include "a.h"']);
  });

  test('of one line are text where the dialect has none', () => {
    expect(said('#if 1 //**/ 2\n#endif\n', { lineComments: false })).toEqual(['if 1 /  2', 'endif']);
    expect(said('#if 1 //**/ 2\n#endif\n')).toEqual(['if 1', 'endif']);
  });

  test('do not start in a name of a header in angle brackets', () => {
    expect(said('#include <sys//a.h>\n#include <x/*y.h>\n#include "q//r.h"\n')).toEqual([
      'include <sys//a.h>',
      'include <x/*y.h>',
      'include "q//r.h"',
    ]);
    expect(said('#if A </* x */ B\n#endif\n')[0]).toBe('if A <\n B');
  });
});

describe('strings and characters', () => {
  test('hide what looks like a comment', () => {
    expect(said('char *a = "/*";\n#include "a.h"\nchar *b = "*/";\nchar c = \'"\'; /*\n#include "no.h"\n*/\n')).toEqual(
      ['include "a.h"'],
    );
    expect(said('char *a = "\\"/*";\n#include "a.h"\nchar c = \'\\\'\', *d = "/*";\n#include "b.h"\n')).toEqual([
      'include "a.h"',
      'include "b.h"',
    ]);
  });

  test('go on behind a splice, and end with the line when they are not closed', () => {
    expect(said('char *a = "x\\\n#include \\"no.h\\"";\n#include "a.h"\n')).toEqual(['include "a.h"']);
    expect(said('don\'t\n#include "a.h"\nsay "so\n#include "b.h"\n')).toEqual(['include "a.h"', 'include "b.h"']);
  });

  test('are kept as they are in operands', () => {
    expect(said('#define A "/* no */" \'//\' /* yes */ 1\n')).toEqual([`define A "/* no */" '//'   1`]);
  });

  test('that are raw hide lines until their own delimiter', () => {
    const text = 'auto a = R"x(\n#include "no.h"\n)" )y"\n)x"; /*\n*/\n#include "a.h"\n';
    expect(said(text)).toEqual(['include "a.h"']);
    expect(said('auto a = u8R"(\n#include "no.h"\n)";\n#include "a.h"\n')).toEqual(['include "a.h"']);
    expect(said('R"(\n#include "a.h"\n)"\n', { rawStrings: false })).toEqual(['include "a.h"']);
  });

  test('behind a longer name that ends in R are ordinary', () => {
    expect(said('auto a = BAR"(";\n#include "a.h"\n')).toEqual(['include "a.h"']);
  });

  test('that are raw may stand in a directive and go over lines', () => {
    const [first, second] = said('#define A R"(x\n// y)"\n#include "a.h"\n');
    expect(first).toBe('define A R"(x\n// y)"');
    expect(second).toBe('include "a.h"');
  });

  test('are not begun by the apostrophes of a number where the dialect separates digits', () => {
    const text = 'int a = 1\'000\'000; /*\'\n#include "no.h"\n*/\n#include "a.h"\n';
    expect(said(text)).toEqual(['include "a.h"']);
    expect(said('int a = 0\'0; /*\'\n#include "a.h"\n/**/\n', { digitSeparators: false })).toEqual(['include "a.h"']);
    expect(said("auto c = u8'/*'; int d = x0'/*';\n#include \"a.h\"\n")).toEqual(['include "a.h"']);
  });
});

describe('conditionals', () => {
  test('know the next branch of their group and its end', () => {
    const { list, malformed } = lexDirectives('#if A\n#ifdef B\n#endif\n#elif C\n#elifndef D\n#else\n#endif\n', cxx);
    expect(malformed).toBeUndefined();
    expect(list.map(({ kind, next, end }) => [kind, next, end])).toEqual([
      ['if', 3, 6],
      ['ifdef', 2, 2],
      ['endif', -1, -1],
      ['elif', 4, 6],
      ['elifndef', 5, 6],
      ['else', 6, 6],
      ['endif', -1, -1],
    ]);
  });

  test('take #elifdef for nothing where the dialect does not know it', () => {
    expect(said('#if 0\n#elifdef X\n#else\n#endif\n', { elifdef: false })).toEqual(['if 0', 'else', 'endif']);
  });

  test.each([
    ['#if 1\n', 'a conditional is not ended'],
    ['#endif\n', '#endif without #if'],
    ['#else\n', '#else without #if'],
    ['#if 1\n#else\n#elif 2\n#endif\n', 'a branch follows #else'],
  ])('that do not fit together make the text malformed: %j', (text, why) => {
    expect(lexDirectives(text, cxx).malformed).toBe(why);
  });

  test('in comments and strings do not count', () => {
    expect(lexDirectives('/*\n#if 1\n*/\nR"(\n#endif\n)"\n#if 1\n#endif\n', cxx).malformed).toBeUndefined();
  });
});

describe('pragmas', () => {
  test('that matter are directives of their own, the rest is passed over', () => {
    const text =
      '#pragma once\n#pragma push_macro("A")\n#pragma pop_macro ( "A" )\n#pragma GCC system_header\n#pragma GCC poison x\n#pragma omp parallel\n';
    expect(said(text)).toEqual(['once', 'push-macro A', 'pop-macro A', 'system-header']);
    expect(lexDirectives(text, cxx).once).toBe(true);
    expect(lexDirectives('#pragma omp once\n', cxx).once).toBe(false);
  });

  test('whose effect is not followed are unclear', () => {
    expect(said('#pragma include_alias("a.h", "b.h")\n#pragma GCC dependency "x"\n')).toEqual([
      'unclear #pragma include_alias',
      'unclear #pragma dependency',
    ]);
  });

  test('by _Pragma in a macro make the names uncertain that they push or pop', () => {
    expect(said('#define SAVE _Pragma("push_macro(\\"A\\")")\n')).toEqual([
      'uncertain A',
      'define SAVE _Pragma("push_macro(\\"A\\")")',
    ]);
    expect(said('#define ONCE _Pragma("once")\n')[0]).toBe('unclear _Pragma("once") in a macro');
    expect(said('#define DIAG _Pragma("GCC diagnostic push")\n')).toHaveLength(1);
  });
});
