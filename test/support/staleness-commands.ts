// Edits of the command and of its environment, for the staleness table.

import type { StalenessCase } from './staleness.ts';
import { unit, value } from './staleness-headers.ts';

const two = { 'a.c': unit, 'i/h.h': value(1), 'j/h.h': value(2) };

export const commandCases: readonly StalenessCase[] = [
  {
    title: 'a macro of the command line changes',
    files: { 'a.c': '#ifdef V\nint a[V];\n#else\nint b;\n#endif\n' },
    flags: '-DV=1',
    edits: [
      { edit: '', flags: '-DV=2', gives: 'new' },
      { edit: '', flags: '-DV=2 -UV', gives: 'new' },
      { edit: '', flags: '-DV=1', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'the order and the kind of search directories change',
    files: two,
    flags: '-Ii -Ij',
    edits: [
      { edit: '', flags: '-Ij -Ii', gives: 'new' },
      { edit: '', flags: '-Ii -isystem j', gives: 0 },
      { edit: '', flags: '-isystem i -Ij', gives: 1 },
      { edit: '', flags: '-Ii -isystem i -Ij', gives: 1 },
    ],
  },
  {
    title: 'the language standard and the optimisation change',
    files: {
      'a.c': '#ifndef __OPTIMIZE__\n#include "h.h"\n#else\n#define V 7\n#endif\nlong v = __STDC_VERSION__; int a[V];\n',
      'h.h': value(1),
    },
    flags: '-std=c99',
    edits: [
      { edit: '', flags: '-std=c17', gives: 'new' },
      { edit: '', flags: '-std=c17 -O1', gives: 'new' },
      { edit: '', flags: '-std=c99', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a C++ source: its language standard changes, and a header that it asks for',
    files: {
      'a.cc': '#if __has_include("h.h")\n#include "h.h"\n#else\n#define V 3\n#endif\nlong v = __cplusplus; int a[V];\n',
    },
    source: 'a.cc',
    flags: '-std=c++14',
    edits: [
      { edit: '', flags: '-std=c++17', gives: 'new' },
      { edit: `echo '#define V 1' > h.h`, gives: 'new' },
      { edit: 'rm h.h', gives: 1, place: 'cache' },
    ],
  },
  {
    title: 'the content of a response file changes, and of one that it names',
    files: { 'a.c': 'int a[V + W];\n', 'o.rsp': '-DV=1 @p.rsp\n', 'p.rsp': '-DW=1\n' },
    prepare: 'touch -d 2020-01-01 *.rsp',
    flags: '@o.rsp',
    edits: [
      { edit: `echo '-DV=2 @p.rsp' > o.rsp; touch -d 2020-01-01 o.rsp`, gives: 'new' },
      { edit: `echo '-DW=5' > p.rsp; touch -d 2020-01-01 p.rsp`, gives: 'new' },
      { edit: 'rm p.rsp', gives: 'error' },
      { edit: `echo '-DV=1 @p.rsp' > o.rsp; echo '-DW=1' > p.rsp`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'search directories of the environment change',
    files: { ...two, 'k/h.h': value(3) },
    env: { CPATH: 'i' },
    edits: [
      { edit: '', env: { CPATH: 'j' }, gives: 'new' },
      { edit: '', env: { CPATH: 'none:i' }, gives: 0 },
      { edit: `mkdir none; echo '#define V 4' > none/h.h`, gives: 'new' },
      { edit: '', env: { C_INCLUDE_PATH: 'k' }, gives: 'new' },
      { edit: '', env: { C_INCLUDE_PATH: 'k', CPATH: 'i' }, gives: 0 },
      { edit: '', env: {}, gives: 'error' },
      { edit: '', env: { CPATH: 'i' }, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'an empty entry of CPATH is the working directory',
    files: { 'a.c': '#include <h.h>\nint a[V];\n', 'j/h.h': value(2) },
    env: { CPATH: ':j' },
    edits: [
      { edit: `echo '#define V 1' > h.h`, gives: 'new' },
      { edit: 'rm h.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'the language of diagnostics changes',
    files: { 'a.c': 'int f(int x) { return y(x); }\n' },
    compilers: ['gcc'],
    env: { LC_ALL: 'C' },
    edits: [
      { edit: '', env: { LC_ALL: 'C.UTF-8' }, gives: 'new' },
      { edit: '', env: { LANG: 'C' }, gives: 0 },
      { edit: '', env: { LANG: 'C.UTF-8' }, gives: 1 },
      { edit: '', env: { LC_ALL: 'C' }, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'the date of the source comes from the environment',
    files: { 'a.c': 'const char *d = __DATE__ __TIME__;\n' },
    compilers: ['gcc'],
    env: { SOURCE_DATE_EPOCH: '1000000' },
    known: 'remote',
    edits: [
      { edit: '', env: { SOURCE_DATE_EPOCH: '2000000' }, gives: 'new' },
      { edit: '', env: { SOURCE_DATE_EPOCH: '1000000' }, gives: 0 },
    ],
  },
  {
    title: 'the time of a file that __TIMESTAMP__ shows changes',
    files: {
      'a.c': '#include "h.h"\n',
      'h.h': 'static const char *const t = __TIMESTAMP__; const char *f(void) { return t; }\n',
    },
    prepare: 'touch -d 2020-01-01 h.h',
    known: 'remote',
    edits: [
      { edit: 'touch -d 2021-01-01 h.h', gives: 'new' },
      { edit: 'touch a.c', gives: 1 },
      { edit: 'touch -d 2020-01-01 h.h', gives: 0 },
    ],
  },
];
