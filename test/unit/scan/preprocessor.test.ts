import { utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';
import { evaluated, type EvaluatedUnit } from '../../support/unit-evaluation.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('unit');
});
afterEach(() => scratch.remove());

type Files = Readonly<Record<string, string>>;

/** Evaluates `a.c` beside these files. */
function evaluation(files: Files, unit: Partial<EvaluatedUnit> = {}) {
  for (const [name, text] of Object.entries(files)) scratch.write(name, text);
  return evaluated({ cwd: scratch.path, ...unit });
}

/** Names that are listed behind the source, without `./` before them, or the reason why there is no list. */
function includes(files: Files, unit: Partial<EvaluatedUnit> = {}): readonly string[] | string {
  const made = evaluation(files, unit);
  if (typeof made === 'string') return made;
  return made.dependencies.filter((name) => name !== (unit.source ?? 'a.c')).map((name) => name.replace(/^\.\//, ''));
}

/** Which of `yes.h` and `no.h` is included where the condition decides. */
function answers(condition: string, before = '', unit: Partial<EvaluatedUnit> = {}): string {
  const text = `${before}\n#if ${condition}\n#include "yes.h"\n#else\n#include "no.h"\n#endif\n`;
  const made = includes({ 'a.c': text, 'yes.h': '', 'no.h': '' }, unit);
  return typeof made === 'string' ? made : made.join(' ');
}

describe('conditionals', () => {
  test('take the first branch that holds and none after it', () => {
    const text =
      '#if V == 1\n#include "1.h"\n#elif V == 2\n#include "2.h"\n#elif 1\n#include "3.h"\n#else\n#include "4.h"\n#endif\n#include "end.h"\n';
    const files = { 'a.c': text, '1.h': '', '2.h': '', '3.h': '', '4.h': '', 'end.h': '' };
    expect(includes(files, { macros: ['-DV=1'] })).toEqual(['1.h', 'end.h']);
    expect(includes(files, { macros: ['-DV=2'] })).toEqual(['2.h', 'end.h']);
    expect(includes(files)).toEqual(['3.h', 'end.h']);
  });

  test('nest, and what is in a branch not taken is not looked at', () => {
    const text =
      '#if 0\n#if 1/0\n#include "none.h"\n#else\n#error\n#endif\n#define A\n#else\n#ifndef A\n#include "b.h"\n#endif\n#endif\n';
    expect(includes({ 'a.c': text, 'b.h': '' })).toEqual(['b.h']);
  });

  test('know #elifdef and #elifndef', () => {
    const text = '#ifdef A\n#include "a.h"\n#elifdef B\n#include "b.h"\n#elifndef C\n#include "c.h"\n#endif\n';
    const files = { 'a.c': text, 'a.h': '', 'b.h': '', 'c.h': '' };
    expect(includes(files, { macros: ['-DB'] })).toEqual(['b.h']);
    expect(includes(files)).toEqual(['c.h']);
    expect(includes(files, { macros: ['-DC'] })).toEqual([]);
  });

  test('in files that are read twice are answered anew for other macros', () => {
    const text = '#define N 1\n#include "x.h"\n#undef N\n#define N 2\n#include "x.h"\n';
    const files = {
      'a.c': text,
      'x.h': '#if N == 1\n#include "1.h"\n#else\n#include "2.h"\n#endif\n',
      '1.h': '',
      '2.h': '',
    };
    expect(includes(files)).toEqual(['x.h', '1.h', '2.h']);
  });

  test('see `defined` also where a macro makes it, but not in the argument of one', () => {
    expect(answers('defined A && !defined(B)', '#define A')).toBe('yes.h');
    expect(answers('HAS_A', '#define A\n#define HAS_A defined(A)')).toBe('yes.h');
    expect(answers('HAS(A)', '#define HAS(x) defined(x)')).toBe('no.h');
  });

  test('use arithmetic of 64 bits', () => {
    expect(answers('(BIG << 1) / 2 == BIG', '#define BIG 0x3fffffffffffffff')).toBe('yes.h');
    expect(answers('-1 > 0u && 18446744073709551615u == -1')).toBe('yes.h');
  });

  test('shift by negative counts as the compiler does', () => {
    expect(answers('47 << 7 - 8')).toBe('yes.h');
    expect(answers('47 << 7 - 8', '', { family: 'clang' })).toBe('unclear-expression');
  });

  test('ask for names that the compiler computes', () => {
    expect(answers('__LINE__ == 2')).toBe('yes.h');
    expect(answers('defined __FILE__ && defined(__has_include)')).toBe('yes.h');
    expect(answers('__INCLUDE_LEVEL__ == 0')).toBe('yes.h');
    expect(answers('__LINE__ == 2', '#line 9')).toBe('unclear-expression');
    expect(answers('__COUNTER__')).toBe('unclear-expression');
  });

  test('are given up where a name is pushed or popped by _Pragma in a macro', () => {
    const save = '#define SAVE _Pragma("push_macro(\\"A\\")")\n#define A 1\n';
    expect(answers('A', save)).toBe('uncertain-macro');
    expect(answers('B', save)).toBe('no.h');
  });

  test('ask questions that only the compiler can answer', () => {
    const known = evaluation(
      { 'a.c': '#if __has_builtin(__builtin_x)\n#include "x.h"\n#endif\n', 'x.h': '' },
      {
        defined: { __has_builtin: true },
        values: { '__has_builtin(__builtin_x)': 1n },
      },
    );
    expect(known).toMatchObject({ dependencies: ['a.c', 'x.h'], questions: [] });
    const asked = evaluation(
      { 'a.c': '#if __has_builtin(__builtin_y)\n#endif\n' },
      { defined: { __has_builtin: true } },
    );
    expect(asked).toMatchObject({ questions: [{ kind: 'value', text: '__has_builtin(__builtin_y)' }] });
    const unknown = evaluation({ 'a.c': '#ifdef __has_whatever\n#endif\n' });
    expect(unknown).toMatchObject({ questions: [{ kind: 'defined', text: '__has_whatever' }] });
  });
});

describe('macros', () => {
  test('come from the compiler, then from the command line, in order', () => {
    expect(answers('V == 3', '', { predefined: ['V 1'], macros: ['-DV=2', '-UV', '-DV=3'] })).toBe('yes.h');
    expect(answers('defined V', '', { predefined: ['V 1'], macros: ['-UV'] })).toBe('no.h');
    expect(answers('F(2) == 4', '', { macros: ['-DF(x)=x*2'] })).toBe('yes.h');
    expect(answers('V', '', { macros: ['-DV'] })).toBe('yes.h');
  });

  test('are saved and brought back', () => {
    const text =
      '#define A 1\n#pragma push_macro("A")\n#undef A\n#pragma push_macro("A")\n#define A 2\n#pragma pop_macro("A")\n';
    expect(answers('defined A', text)).toBe('no.h');
    expect(answers('A == 1', `${text}#pragma pop_macro("A")\n#pragma pop_macro("A")`)).toBe('yes.h');
  });

  test('of several lines on the command line are not understood', () => {
    expect(answers('1', '', { macros: ['-DA=1\n2'] })).toBe('unsupported-option');
  });
});

describe('includes', () => {
  test('are computed from object-like and function-like macros', () => {
    const text = [
      '#define Q "q.h"',
      '#include Q',
      '#define H(x) <sys/x.h>',
      '#include H(one)',
      '#define S(x) #x',
      '#define X(x) S(x)',
      '#define NAME two',
      '#include X(sys/NAME.h)',
      '#define LESS <sys',
      '#include LESS/three.h>',
    ].join('\n');
    const files = { 'a.c': text, 'q.h': '', 'i/sys/one.h': '', 'i/sys/two.h': '', 'i/sys/three.h': '' };
    expect(includes(files, { angle: ['i'] })).toEqual(['q.h', 'i/sys/one.h', 'i/sys/two.h', 'i/sys/three.h']);
  });

  test('that compute no name, or one with spaces in angle brackets, are given up', () => {
    expect(includes({ 'a.c': '#define A 1\n#include A\n' })).toBe('unclear-expression');
    expect(includes({ 'a.c': '#define A x y\n#include <A>\n', 'x y': '' }, { angle: ['.'] })).toBe('include-not-found');
    expect(includes({ 'a.c': '#define A <x y>\n#include A\n', 'x y': '' }, { angle: ['.'] })).toBe(
      'unclear-expression',
    );
  });

  test('that are not found, empty or cannot be read are given up', () => {
    expect(includes({ 'a.c': '#include "none.h"\n' })).toBe('include-not-found');
    expect(includes({ 'a.c': '#include ""\n' })).toBe('malformed-directives');
    expect(includes({}, { source: 'none.c' })).toBe('file-unreadable');
  });

  test('in quotes are looked for beside the including file first, those in angle brackets are not', () => {
    const files = {
      'a.c': '#include "d/x.h"\n#include <y.h>\n',
      'd/x.h': '#include "y.h"\n#include <y.h>\n',
      'd/y.h': '',
      'y.h': '',
      'i/y.h': '',
    };
    expect(includes(files, { angle: ['i'] })).toEqual(['d/x.h', 'd/y.h', 'i/y.h']);
  });

  test('of the next header go on behind the directory of this one', () => {
    const files = {
      'a.c': '#include <h.h>\n',
      'i/h.h': '#include_next <h.h>\n',
      'j/h.h': '#include "k.h"\n#include_next <h.h>\n',
      'j/k.h': '#if __has_include_next(<h.h>)\n#include "yes.h"\n#endif\n',
      'k/h.h': '#if __has_include_next(<h.h>)\n#error\n#endif\n',
      'k/yes.h': '',
    };
    expect(includes(files, { angle: ['i', 'j', 'k'] })).toEqual(['i/h.h', 'j/h.h', 'j/k.h', 'k/yes.h', 'k/h.h']);
  });

  test('of the next header in the source itself are ordinary ones', () => {
    expect(includes({ 'a.c': '#include_next <h.h>\n', 'i/h.h': '' }, { angle: ['i'] })).toEqual(['i/h.h']);
  });

  test('that the command line asks for come before the source, after the compiler own ones', () => {
    const files = {
      'a.c': '#include "b.h"\n',
      'b.h': '',
      'p.h': '#define P\n',
      'i/m.h': '#ifdef P\n#error\n#endif\n',
      's.h': '',
    };
    const unit = { angle: ['i'], forcedIncludes: ['m.h', 'p.h'], preincluded: ['s.h'] };
    expect(includes(files, unit)).toEqual(['s.h', 'i/m.h', 'p.h', 'b.h']);
    expect(includes(files, { forcedIncludes: ['none.h'] })).toBe('include-not-found');
  });

  test('that never end are given up', () => {
    expect(includes({ 'a.c': '#include "a.c"\n' })).toBe('too-deep');
  });
});

describe('a file that is to be read once', () => {
  test('is not entered again under the same name', () => {
    const files = {
      'a.c': '#include "o.h"\n#include "o.h"\n',
      'o.h': '#pragma once\n#ifdef O\n#error\n#endif\n#define O\n',
    };
    expect(includes(files)).toEqual(['o.h']);
  });

  test('is for gcc every file of equal content and time, for clang only the same file', () => {
    const text = '#pragma once\n#ifdef O\n#include "second.h"\n#endif\n#define O\n';
    const copies = ['x/o.h', 'y/o.h'].map((name) => scratch.write(name, text));
    for (const copy of copies) utimesSync(copy, 1_000_000, 1_000_000);
    const files = { 'a.c': '#include "x/o.h"\n#include "y/o.h"\n', 'y/second.h': '' };
    expect(includes(files)).toEqual(['x/o.h']);
    expect(includes(files, { family: 'clang' })).toEqual(['x/o.h', 'y/o.h', 'y/second.h']);
    utimesSync(copies[0]!, 2_000_000, 2_000_000);
    expect(includes(files)).toEqual(['x/o.h', 'y/o.h', 'y/second.h']);
  });

  test('by #import is entered once, whatever it says itself', () => {
    const files = {
      'a.c': '#import "o.h"\n#import "o.h"\n#include "p.h"\n#import "p.h"\n',
      'o.h': '#ifdef O\n#error\n#endif\n#define O\n',
      'p.h': '',
    };
    expect(includes(files)).toEqual(['o.h', 'p.h']);
  });
});

describe('__has_include', () => {
  test('is answered by the same search and leaves a probe either way', () => {
    const made = evaluation(
      {
        'a.c':
          '#if __has_include("h.h") && __has_include(<h.h>) && !__has_include(<none.h>)\n#include "yes.h"\n#endif\n',
        'h.h': '',
        'i/h.h': '',
        'yes.h': '',
      },
      { angle: ['i'] },
    );
    expect(made).toMatchObject({ dependencies: ['a.c', 'yes.h'] });
    const probes = typeof made === 'string' ? [] : made.probes;
    expect(probes).toEqual([
      { path: `${scratch.path}/h.h`, exists: true },
      { path: `${scratch.path}/i/h.h`, exists: true },
      { path: '<none.h', exists: false },
    ]);
  });

  test('takes a computed operand, and one from a macro around it', () => {
    expect(answers('__has_include(H)', '#define H "yes.h"')).toBe('yes.h');
    expect(answers('HAS("yes.h") && !HAS(<none/x(1).h>)', '#define HAS(x) __has_include(x)')).toBe('yes.h');
  });

  test('takes names in angles for macros where a macro gives them', () => {
    const files = { 'i/u/u.h': '', 'i/1/h.h': '' };
    for (const [name, text] of Object.entries(files)) scratch.write(name, text);
    for (const family of ['gcc', 'clang'] as const) {
      const unit: Partial<EvaluatedUnit> = { angle: ['i'], predefined: ['u 1'], family };
      const holds = (condition: string, before = '') => answers(condition, before, unit).endsWith('yes.h');
      expect(holds('__has_include(<u/u.h>) && !__has_include(<u/h.h>)')).toBe(true);
      expect(holds('HAS(<u/u.h>)', '#define HAS __has_include')).toBe(true);
      expect(holds('M', '#define M __has_include(<u/h.h>) && !__has_include(<u/u.h>)')).toBe(true);
      expect(holds('ID(__has_include(<u/h.h>))', '#define ID(x) x')).toBe(true);
    }
    const opened = '#define OPEN __has_include(';
    expect(answers('OPEN <u/u.h>)', opened, { angle: ['i'], predefined: ['u 1'] })).toBe('yes.h');
    expect(answers('OPEN <u/u.h>)', opened, { angle: ['i'], predefined: ['u 1'], family: 'clang' })).toBe('no.h');
  });

  test('takes one space in angles as it is, and is given up for more, and for any that a macro gives', () => {
    for (const name of ['i/f g.h', 'i/t.h ']) scratch.write(name, '');
    const unit = { angle: ['i'] };
    expect(answers('__has_include(<f g.h>) && __has_include(<t.h >)', '', unit)).toBe('yes.h');
    expect(answers('__has_include(<f  g.h>)', '', unit)).toBe('unclear-expression');
    expect(answers('HAS', '#define HAS __has_include(<f g.h>)', unit)).toBe('unclear-expression');
    expect(answers('HAS', '#define HAS __has_include(<t.h >)', unit)).toBe('unclear-expression');
  });

  test('without a name is given up', () => {
    expect(answers('__has_include(1)')).toBe('unclear-expression');
    expect(answers('__has_include "yes.h"')).toBe('unclear-expression');
  });
});

describe('what is not followed is given up with its reason', () => {
  test.each([
    ['#error stop', 'error-directive'],
    ['#embed "x"', 'unsupported-directive'],
    ['#assert machine(x)', 'unsupported-directive'],
    ['#if 1', 'malformed-directives'],
    ['#define 1', 'malformed-directives'],
    ['#ifdef 1\n#endif', 'malformed-directives'],
    ['#if 1 +\n#endif', 'unclear-expression'],
  ])('%j: %s', (text, reason) => {
    expect(includes({ 'a.c': `${text}\n` })).toBe(reason);
  });
});

test('an evaluation whose time is up pauses at each file and goes on as if nothing had been', () => {
  let pauses = 0;
  const made = includes(
    { 'a.c': '#include "b.h"\n#include "c.h"\n', 'b.h': '', 'c.h': '' },
    { onPause: () => (pauses += 1) },
  );
  expect(made).toEqual(['b.h', 'c.h']);
  expect(pauses).toBe(3);
});
