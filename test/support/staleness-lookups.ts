// Edits of what a compile looks for and does not find, for the staleness table: headers that appear in earlier
// directories, directories that appear, answers of `__has_include` that change.

import type { StalenessCase } from './staleness.ts';
import { unit, value } from './staleness-headers.ts';

const asking = (question: string) => `#if ${question}\nint yes;\n#else\nint no;\n#endif\n`;

export const lookupCases: readonly StalenessCase[] = [
  {
    title: 'a header appears in an earlier directory, and in one that did not exist',
    files: { 'a.c': unit, 'i/o.h': '', 'j/h.h': value(1) },
    flags: '-Inew -Ii -Ij',
    edits: [
      { edit: `echo '#define V 2' > i/h.h`, gives: 'new' },
      { edit: 'rm i/h.h', gives: 0, place: 'cache' },
      { edit: `mkdir new; echo '#define V 3' > new/h.h`, gives: 'new' },
      { edit: 'rm -r new', gives: 0, place: 'cache' },
      { edit: `cp -p j/h.h i/h.h`, gives: 'new' },
    ],
  },
  {
    title: 'a header appears below a new folder of an earlier directory',
    files: { 'a.c': '#include <sys/deep/h.h>\nint a[V];\n', 'i/o.h': '', 'j/sys/deep/h.h': value(1) },
    flags: '-Ii -Ij',
    edits: [
      { edit: 'mkdir i/sys', gives: 0, place: 'cache' },
      { edit: `mkdir i/sys/deep; echo '#define V 2' > i/sys/deep/h.h`, gives: 'new' },
    ],
  },
  {
    title: 'a header appears in the directory of the file that includes it',
    files: { 'a.c': '#include "sub/x.h"\nint a[V];\n', 'sub/x.h': '#include "h.h"\n', 'j/h.h': value(1) },
    flags: '-Ij',
    edits: [
      { edit: `echo '#define V 2' > h.h`, gives: 0, place: 'cache' },
      { edit: `echo '#define V 3' > sub/h.h`, gives: 'new' },
      { edit: 'rm sub/h.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a header appears before one of the system',
    files: { 'a.c': '#include <limits.h>\n#ifndef V\n#define V 1\n#endif\nint a[V];\n', 'i/o.h': '' },
    flags: '-Ii',
    edits: [
      { edit: `echo '#define V 2' > i/limits.h`, gives: 'new' },
      { edit: `printf '#include_next <limits.h>\n#define V 3\n' > i/limits.h`, gives: 'new' },
      { edit: 'rm i/limits.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a header appears in the middle of a chain of include_next',
    files: {
      'a.c': '#include <h.h>\nint a[V];\n',
      'i/h.h': '#include_next <h.h>\n',
      'j/o.h': '',
      'k/h.h': value(1),
    },
    flags: '-Ii -Ij -Ik',
    edits: [
      { edit: `echo '#define V 2' > j/h.h`, gives: 'new' },
      { edit: `echo '#include_next <h.h>' > j/h.h`, gives: 'new' },
      { edit: 'rm j/h.h', gives: 0, place: 'cache' },
      { edit: 'rm k/h.h', gives: 'error' },
    ],
  },
  {
    title: 'headers appear in directories of every kind',
    files: { 'a.c': unit, 'q/o.h': '', 'i/o.h': '', 's/o.h': '', 'd/h.h': value(1) },
    flags: '-iquote q -Ii -isystem s -idirafter d',
    edits: [
      { edit: `echo '#define V 2' > s/h.h`, gives: 'new' },
      { edit: `echo '#define V 3' > i/h.h`, gives: 'new' },
      { edit: `echo '#define V 4' > q/h.h`, gives: 'new' },
      { edit: `rm q/h.h i/h.h s/h.h`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a dangling link in an earlier directory comes to lead somewhere',
    files: { 'a.c': unit, 'i/o.h': '', 'j/h.h': value(1) },
    prepare: 'ln -s ../later/h.h i/h.h',
    flags: '-Ii -Ij',
    edits: [
      { edit: 'mkdir later', gives: 0, place: 'cache' },
      { edit: `echo '#define V 2' > later/h.h`, gives: 'new' },
      { edit: 'rm later/h.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'an earlier directory that is a dangling link becomes a directory',
    files: { 'a.c': unit, 'j/h.h': value(1) },
    prepare: 'ln -s later i',
    flags: '-Ii -Ij',
    edits: [
      { edit: 'mkdir later', gives: 0 },
      { edit: `echo '#define V 3' > later/h.h`, gives: 'new' },
      { edit: 'rm later/h.h', gives: 0, place: 'cache' },
      { edit: `rm -r i later; mkdir i; echo '#define V 4' > i/h.h`, gives: 'new' },
    ],
  },
  {
    title: 'an earlier directory reached by .. through a link leads elsewhere',
    files: { 'a.c': unit, 'x/in/o.h': '', 'y/in/o.h': '', 'y/h.h': value(2), 'j/h.h': value(1) },
    prepare: 'ln -s x/in up',
    flags: '-Iup/.. -Ij',
    edits: [
      { edit: 'ln -sfn y/in up', gives: 'new' },
      { edit: 'rm y/h.h', gives: 0 },
      { edit: 'ln -sfn x/in up', gives: 0, place: 'cache' },
    ],
  },
  {
    title:
      'what __has_include asks for is created and removed: beside the source, in a search directory, below a new folder',
    files: { 'a.c': asking('__has_include("o/h.h") || __has_include(<k.h>)'), 'i/x.h': '' },
    flags: '-Ii',
    edits: [
      { edit: 'mkdir o', gives: 0, place: 'cache' },
      { edit: 'touch o/h.h', gives: 'new' },
      { edit: 'rm o/h.h', gives: 0, place: 'cache' },
      { edit: `echo '#pragma once' > i/k.h; echo 'int found;' >> a.c`, gives: 'new' },
      { edit: 'rm i/k.h; rmdir o; sed -i /found/d a.c', gives: 0, place: 'cache' },
      { edit: `mkdir i/o; touch i/o/h.h; echo 'int below;' >> a.c`, gives: 'new' },
    ],
  },
  {
    title: 'what __has_include asks for in a header is created beside the header',
    files: { 'a.c': '#include "sub/h.h"\n', 'sub/h.h': asking('__has_include("cfg.h")') },
    edits: [
      { edit: 'touch cfg.h', gives: 0 },
      { edit: 'touch sub/cfg.h', gives: 'new' },
      { edit: 'rm sub/cfg.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'what __has_include_next asks for is created and removed',
    files: { 'a.c': '#include <h.h>\n', 'i/h.h': asking('__has_include_next(<h.h>)'), 'j/o.h': '' },
    flags: '-Ii -Ij',
    edits: [
      { edit: 'touch j/h.h', gives: 'new' },
      { edit: 'rm j/h.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'what __has_include asks for is included, moves to an earlier directory, and becomes a link',
    files: {
      'a.c': `#if __has_include(<h.h>)\n#include <h.h>\n#else\n#define V 9\n#endif\nint a[V];\n`,
      'i/o.h': '',
      'j/h.h': value(1),
    },
    flags: '-Ii -Ij',
    edits: [
      { edit: `echo '#define V 2' > i/h.h`, gives: 'new' },
      { edit: 'rm i/h.h j/h.h', gives: 'new' },
      { edit: 'ln -s nowhere j/h.h', gives: 2, place: 'cache' },
      { edit: `echo '#define V 1' > j/nowhere`, gives: 0 },
    ],
  },
  {
    title: 'a branch that was never taken comes to be taken, with a header that is new',
    files: {
      'a.c': '#include "c.h"\n#ifdef USE\n#include "late.h"\n#else\n#define V 1\n#endif\nint a[V];\n',
      'c.h': '',
    },
    edits: [
      { edit: `echo '#define V 2' > late.h`, gives: 0, place: 'cache' },
      { edit: `echo '#define USE' > c.h`, gives: 'new' },
      { edit: `echo '#define V 3' > late.h`, gives: 'new' },
      { edit: '> c.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: "a search directory becomes a link to another of another kind, so that it counts once and as the system's",
    files: {
      'a.c': '#include "h.h"\nint a[V];\n',
      'i/h.h': `static int f(void) { return 1; }\n${value(1)}`,
      'j/h.h': value(2),
    },
    prepare: 'ln -s j s',
    flags: '-Wall -Ii -isystem s',
    edits: [
      { edit: 'ln -sfn i s', gives: 'new' },
      { edit: 'ln -sfn j s', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a folder on the way of an include through .. leads elsewhere',
    files: {
      'a.c': '#include "sub/../h.h"\nint a[V];\n',
      'x/in/o.h': '',
      'x/h.h': value(1),
      'y/in/o.h': '',
      'y/h.h': value(2),
    },
    prepare: 'ln -s x/in sub',
    edits: [
      { edit: 'ln -sfn y/in sub', gives: 'new' },
      { edit: 'ln -sfn nowhere sub', gives: 'error' },
      { edit: 'ln -sfn x/in sub', gives: 0, place: 'cache' },
    ],
  },
];
