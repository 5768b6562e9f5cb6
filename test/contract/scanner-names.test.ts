// Cases in which gcc and clang differ from what one expects: the exact rung has each compiler's own list, or says why it has none.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { childProcesses } from '../support/child-processes.ts';
import type { IncludeTree } from '../support/include-tree.ts';
import { sampledRehearsals } from '../support/rehearsals.ts';
import { scanParts } from '../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../support/scratch-folder.ts';
import { treeTrials, type TreeCompiler, type TreeTrials } from '../support/tree-trial.ts';

let scratch: ScratchFolder;
let trials: TreeTrials;
beforeAll(async () => {
  scratch = scratchFolder('scan-names');
  const parts = scanParts(scratch.path);
  trials = await treeTrials({ processes: childProcesses, toolchains: parts.toolchains, scanner: parts.exact });
});
afterAll(() => scratch.remove());

interface Case {
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** the source last */
  readonly argv: readonly string[];
  readonly cwd?: string;
  /** a compiler for which the command is none, since it does not know the options */
  readonly notFor?: TreeCompiler;
  /** compilers for which the exact rung has no answer, and what it says */
  readonly unanswered?: Partial<Record<TreeCompiler, RegExp>>;
}

const old = 1_600_000_000;

function treeOf({ files, links = {}, argv, cwd = '' }: Case): IncludeTree {
  const source = argv.at(-1) ?? '';
  const language = source.endsWith('.cc') ? 'c++' : source.endsWith('.S') ? 'assembler-with-cpp' : 'c';
  return {
    files: Object.entries(files).map(([path, content]) => ({ path, content, mtime: old })),
    links: Object.entries(links).map(([path, target]) => ({ path, target })),
    directories: [],
    language,
    cwd,
    argv,
  };
}

const cases: Readonly<Record<string, Case>> = {
  'a search directory that is the working directory by another name': {
    files: { 'm.c': '#include "h.h"\n', 'h.h': '' },
    argv: ['-I@ROOT@', 'm.c'],
  },
  'a search directory below the working directory that is not there': {
    files: { 'm.c': '#include "h.h"\n', 'h.h': '', 'pre.h': '' },
    argv: ['-I@ROOT@/none', '-include', 'pre.h', 'm.c'],
  },
  'a directory that was looked into in vain before, by another name': {
    files: {
      's/m.c': '#if __has_include("../q/gone.h")\n#endif\n#include <f.h>\n',
      'q/f.h': '#include "g.h"\n',
      'q/g.h': '',
    },
    argv: ['-Iempty/../q', '-Iq', 's/m.c'],
  },
  'a file that was found first through a link in another directory': {
    files: {
      'm.c': '#include "a/link.h"\n#include "b/real.h"\n',
      'b/real.h': '#include "x.h"\n',
      'a/x.h': '',
      'b/x.h': '',
    },
    links: { 'a/link.h': '../b/real.h' },
    argv: ['m.c'],
  },
  'a __has_include_next that comes out of a macro': {
    files: {
      'm.c': '#include <h.h>\n',
      'one/h.h': '#define NEXT __has_include_next("h.h")\n#if NEXT\n#endif\n',
      'two/h.h': '',
    },
    argv: ['-Ione', '-Itwo', 'm.c'],
  },
  'an #include_next in a file found beside its includer': {
    files: {
      'm.c': '#include <c.h>\n',
      'one/c.h': '#include "h.h"\n',
      'one/h.h': '#pragma once\n#include_next "h.h"\n',
      'two/h.h': '',
    },
    argv: ['-Ione', '-Itwo', 'm.c'],
    unanswered: { clang: /that no search directory led to/ },
  },
  'an #include_next in a file with an absolute name': {
    files: {
      'm.c': '#include <c.h>\n#include "@ROOT@/h.h"\n',
      'one/c.h': '',
      'h.h': '#if __has_include_next("h.h")\n#endif\n',
    },
    argv: ['-Ione', 'm.c'],
    unanswered: { clang: /that no search directory led to/ },
  },
  'digraphs in a language that has none': {
    files: { 'm.c': '%:include "gone.h"\n#include "h.h"\n', 'h.h': '' },
    argv: ['-std=c89', 'm.c'],
  },
  'digraphs in a language that has them': {
    files: { 'm.c': '%:include "h.h"\n', 'h.h': '' },
    argv: ['-std=c99', 'm.c'],
  },
  'a directory that -iquote and -I name, reached by a longer name than its real one': {
    files: { 's/m.c': '#include <../after/h.h>\n', 'after/h.h': '' },
    argv: ['-iquote@ROOT@/s', '-I@ROOT@/s', 's/m.c'],
  },
  'a header of the project that a system header includes': {
    files: { 'm.c': '#include <a.h>\n', 'sys/a.h': '#include <b.h>\n', 'u/b.h': '#include "../i/c.h"\n', 'i/c.h': '' },
    argv: ['-isystem', 'sys', '-I@ROOT@/u', 'm.c'],
  },
  'an import of the twin of a file that was read': {
    files: { 'm.c': '#include "a/h.h"\n#import "b/h.h"\n', 'a/h.h': 'int x;\n', 'b/h.h': 'int x;\n' },
    argv: ['m.c'],
  },
  'an import of the twin of a file that a condition has passed over': {
    files: {
      'm.c': '#if 0 && __has_include("a/h.h")\n#endif\n#import "b/h.h"\n',
      'a/h.h': 'int x;\n',
      'b/h.h': 'int x;\n',
    },
    argv: ['m.c'],
    unanswered: { gcc: /__has_include may have opened/ },
  },
  'an import of a file that a condition has found in another way': {
    files: {
      'm.c': '#include "b.h"\n',
      'inc/b.h': '#if __has_include(<../d.h>)\n#import "../d.h"\n#endif\n',
      'd.h': '',
    },
    argv: ['-Iinc', 'm.c'],
    unanswered: { gcc: /__has_include may have opened/ },
  },
  'an import of a file that was read by another name': {
    files: {
      'm.c': '#include "./h.h"\n#import <../sys/h.h>\n#import "link.h"\n',
      'sys/h.h':
        '#if __has_include_next(<h.h>)\n#include_next <h.h>\n#endif\n#ifdef AGAIN\n#include "x.h"\n#endif\n#define AGAIN\n',
      'after/h.h': '',
      'inc/x.h': '',
    },
    links: { 'link.h': 'sys/h.h' },
    argv: ['-Iinc', '-Isys', '-Iafter', '-I.', 'm.c'],
  },
  'a file to be read once that the command line includes again': {
    files: {
      'm.c': '',
      'p.h': '#pragma once\n#ifdef AGAIN\n#include "x.h"\n#endif\n#define AGAIN\n',
      'x.h': '',
    },
    argv: ['-include', 'p.h', '-include', 'p.h', '-include', './p.h', 'm.c'],
  },
  'an import of the source by what the command line includes': {
    files: {
      'm.c': '#ifdef AGAIN\n#include "x.h"\n#endif\n#define AGAIN\n',
      'p.h': '#import "m.c"\n#import "./m.c"\n',
      'x.h': '',
    },
    argv: ['-include', 'p.h', 'm.c'],
  },
  'an import of a file that a condition has found in the same way': {
    files: { 'm.c': '#if __has_include("d.h")\n#import "d.h"\n#endif\n', 'd.h': '' },
    argv: ['m.c'],
  },
  'defined in the arguments of a macro': {
    files: {
      'm.c':
        '#define REC(x) (0 + (x))\n#define X Y\n#define Y Z\n#if REC(defined X)\n#include "y.h"\n#else\n#include "n.h"\n#endif\n',
      'y.h': '',
      'n.h': '',
    },
    argv: ['m.c'],
  },
  'operators that are names only under -fno-operator-names': {
    files: {
      'm.cc': '#if !(compl - 1)\n#include "operator.h"\n#else\n#include "name.h"\n#endif\n',
      'operator.h': '',
      'name.h': '',
    },
    argv: ['-fno-operator-names', 'm.cc'],
  },
  'operators that are names': {
    files: { 'm.cc': '#if not 0 and true\n#include "operator.h"\n#endif\n', 'operator.h': '' },
    argv: ['m.cc'],
  },
  'an error that depends on what only the compiler can answer': {
    files: {
      'm.cc': '#if __has_attribute(noreturn)\n#define FINE\n#endif\n#ifndef FINE\n#error no\n#endif\n#include "h.h"\n',
      'h.h': '',
    },
    argv: ['m.cc'],
  },
  'lines that end with a carriage return alone': {
    files: { 'm.c': 'int x;\r#include "h.h"\r\n#include "h.h"\n', 'h.h': '' },
    argv: ['m.c'],
    unanswered: { gcc: /carriage return/, clang: /carriage return/ },
  },
  "clang as Microsoft's compiler": {
    files: { 'm.c': '#include "h.h"\n', 'h.h': '' },
    argv: ['--target=x86_64-pc-windows-msvc', 'm.c'],
    notFor: 'gcc',
    unanswered: { clang: /another compiler/ },
  },
  'a source that calls itself a header of the system': {
    files: {
      'm.c': '#pragma GCC system_header\n#include "@ROOT@/d.h"\n_Pragma("GCC system_header")\n#include "@ROOT@/e.h"\n',
      'd.h': '#include "./q/h.h"\n',
      'e.h': '#include "./q/k.h"\n',
      'q/h.h': '',
      'q/k.h': '',
    },
    argv: ['m.c'],
  },
  'a header that calls itself one of the system': {
    files: { 'm.c': '#include "@ROOT@/s.h"\n', 's.h': '#pragma GCC system_header\n#include "./d.h"\n', 'd.h': '' },
    argv: ['m.c'],
  },
  'a header of the system in whose directory one of the project has looked for a name before': {
    files: {
      'm.c': '#include "@ROOT@/p.h"\n#include "@ROOT@/s.h"\n',
      'p.h': '#if __has_include("gone.h")\n#endif\n',
      's.h': '#pragma GCC system_header\n#include "./d.h"\n',
      'd.h': '',
    },
    argv: ['m.c'],
  },
  'a header of the project in whose directory one of the system has looked for a name before': {
    files: {
      'm.c': '#include "@ROOT@/s.h"\n#include "@ROOT@/p.h"\n',
      's.h': '#pragma GCC system_header\n#if __has_include("gone.h")\n#endif\n',
      'p.h': '#include "./d.h"\n',
      'd.h': '#include "./e.h"\n',
      'e.h': '',
    },
    argv: ['m.c'],
  },
  'a name in angles that a macro gives, with a macro in it': {
    files: {
      'm.c':
        '#define M __has_include(<../i/one/h.h>)\n#if !M\n#include "replaced.h"\n#endif\n#define HAS __has_include\n#if HAS(<one/h.h>)\n#include "kept.h"\n#endif\n',
      'replaced.h': '',
      'kept.h': '',
      'i/one/h.h': '',
    },
    argv: ['-Done=1', '-Ii', 'm.c'],
  },
  'a name in angles behind a parenthesis that a macro gives': {
    files: {
      'm.c': '#define OPEN __has_include(\n#if OPEN<one/h.h>)\n#include "kept.h"\n#endif\n',
      'kept.h': '',
      'i/one/h.h': '',
    },
    argv: ['-Done=1', '-Ii', 'm.c'],
  },
  'a name in angles that has what looks like a comment': {
    files: { 'm.c': '#if __has_include(<f/**/g.h>)\n#include "y.h"\n#endif\n', 'i/f/**/g.h': '', 'y.h': '' },
    argv: ['-Ii', 'm.c'],
    unanswered: { gcc: /a name with a comment/, clang: /a name with a comment/ },
  },
  'a name in angles that has what looks like a comment, in the arguments of a macro': {
    files: { 'm.c': '#define ID(x) x\n#include ID(<f/**/g.h>)\n', 'i/f/**/g.h': '', 'i/f g.h': '' },
    argv: ['-Ii', 'm.c'],
    unanswered: { gcc: /a computed name with spaces/, clang: /a name with a comment/ },
  },
  'a comment between a less-than and a greater-than': {
    files: { 'm.c': '#if 1 < 2 /* one */ && 4 > 3 && __has_include(<y.h>)\n#include "y.h"\n#endif\n', 'y.h': '' },
    argv: ['-I.', 'm.c'],
  },
  'a name in angles with several spaces behind a parenthesis that a macro gives': {
    files: {
      'm.c': '#define OPEN __has_include(\n#if OPEN <f  g.h>)\n#include "y.h"\n#endif\n',
      'f g.h': '',
      'y.h': '',
    },
    argv: ['-I.', 'm.c'],
    unanswered: { gcc: /several spaces/, clang: /a computed name with spaces/ },
  },
  'a name in angles, with a macro in it, behind an empty macro': {
    files: {
      'm.c':
        '#define NONE\n#define ID(x) x\n#define HAS __has_include\n#if __has_include(NONE <d/h.h>)\n#include "a.h"\n#endif\n#if HAS(NONE<d/h.h>)\n#include "b.h"\n#endif\n#if HAS(ID(<d/h.h>))\n#include "c.h"\n#endif\n#if ID(__has_include(ID(<d/h.h>)))\n#include "d.h"\n#endif\n',
      'd/h.h': '',
      'a.h': '',
      'b.h': '',
      'c.h': '',
      'd.h': '',
    },
    argv: ['-Dd=e', '-I.', 'm.c'],
  },
  'a digraph in a name': {
    files: {
      'm.c':
        '#define ID(x) x\n#if __has_include(<a<:b.h>)\n#include ID(<a<:b.h>)\n#endif\n#define TEXT(x) #x\n#include TEXT(c<:d.h)\n',
      'a<:b.h': '',
      'c<:d.h': '',
    },
    argv: ['-I.', 'm.c'],
  },
  'a shift by a negative count': {
    files: { 'm.c': '#if 47 << 7 - __LINE__ * 8\n#include "h.h"\n#endif\n', 'h.h': '' },
    argv: ['m.c'],
    unanswered: { clang: /a shift by a negative count/ },
  },
  'a name in angles, with a macro in it, in the arguments of a macro': {
    files: {
      'm.c': '#define ID(x) x\n#include ID(<d/h.h>)\n#if __has_include(ID(<d/h.h>))\n#endif\n',
      'd/h.h': '',
      'e/h.h': '',
    },
    argv: ['-Dd=e', '-I.', 'm.c'],
  },
};

test.each(Object.entries(cases))('%s', async (_name, each) => {
  const results = await trials.run(treeOf(each), sampledRehearsals(1));
  expect(results.length).toBeGreaterThan(0);
  for (const { compiler, comparison, fault } of results) {
    expect([compiler, fault]).toEqual([compiler, undefined]);
    const reason = each.unanswered?.[compiler];
    if (comparison.kind === 'not-a-compile') expect(each.notFor).toBe(compiler);
    else if (reason === undefined) expect([compiler, comparison]).toMatchObject([compiler, { kind: 'both' }]);
    else
      expect([compiler, comparison]).toMatchObject([
        compiler,
        { kind: 'not-understood', why: expect.stringMatching(reason) },
      ]);
  }
});
