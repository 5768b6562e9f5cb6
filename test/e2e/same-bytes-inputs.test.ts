// What a compile reads changes between two compiles: the second one must be what the plain compiler gives then, cache or not.

import { test } from '@jest/globals';
import { withCluster } from '../support/icets-cluster.ts';
import { expectSameBytes, type SameBytesCase } from '../support/same-bytes.ts';

const unit = String.raw`printf '#include "h.h"\nint a[V];\n' > a.c;`;
const value = (n: number, path = 'h.h') => `echo '#define V ${n}' > ${path};`;
const ask = (condition: string) => String.raw`printf '#if ${condition}\nint yes;\n#else\nint no;\n#endif\n' > a.c;`;

const cases: SameBytesCase[] = [
  {
    title: 'a header changes at once, with the same size and time',
    lines: [
      `${unit} ${value(1)} touch -d 2020-01-01 h.h; $X gcc -c a.c`,
      `${value(2)} touch -d 2020-01-01 h.h; $X gcc -c a.c`,
      `${value(3, 'n.h')} touch -d 2020-01-01 n.h; mv n.h h.h; $X gcc -c a.c`,
      `${value(1)} $X gcc -c a.c`,
    ],
    places: ['remote', 'remote', 'remote', 'cache'],
  },
  {
    title: 'a header appears in an earlier directory, and goes; a directory appears',
    lines: [
      `mkdir i j; ${unit} ${value(1, 'j/h.h')} $X gcc -MD -Inew -Ii -Ij -c a.c`,
      `${value(2, 'i/h.h')} $X gcc -MD -Inew -Ii -Ij -c a.c`,
      `rm i/h.h; $X gcc -MD -Inew -Ii -Ij -c a.c`,
      `mkdir new; $X gcc -MD -Inew -Ii -Ij -Wmissing-include-dirs -c a.c`,
      `${value(4, 'new/h.h')} $X gcc -MD -Inew -Ii -Ij -c a.c`,
      `rm new/h.h j/h.h a.o; $X gcc -MD -Inew -Ii -Ij -c a.c`,
    ],
    places: ['remote', 'remote', 'cache', 'remote', 'remote', undefined],
  },
  {
    title: 'a linked directory leads elsewhere',
    lines: [
      `mkdir k l; ${unit} ${value(4, 'k/h.h')} ${value(8, 'l/h.h')} ln -s k s; $X gcc -MD -Is -c a.c`,
      `ln -sfn l s; $X gcc -MD -Is -c a.c`,
      `mkdir -p d/e; ln -s d/e up; ${value(5, 'd/h.h')} $X gcc -MD -Iup/.. -c a.c`,
      `CPATH=k::l $X gcc -MD -c a.c`,
      `${value(6)} CPATH=nope::l $X gcc -MD -c a.c`,
    ],
    places: ['remote', 'remote', 'remote', 'remote', 'remote'],
  },
  {
    title: 'what __has_include asks for comes and goes',
    lines: [
      `mkdir i; ${ask('__has_include("o/h.h")')} $X gcc -Ii -c a.c`,
      `mkdir i/o; $X gcc -Ii -c a.c`,
      `touch i/o/h.h; $X gcc -Ii -c a.c`,
      `rm i/o/h.h; ln -s nowhere i/o/h.h; $X gcc -Ii -c a.c`,
      `mkfifo o; $X gcc -Ii -c a.c`,
    ],
    places: ['remote', 'cache', 'remote', 'cache', undefined],
  },
  {
    title: 'a macro of another file or of the command line asks for a file beside the source',
    lines: [
      String.raw`mkdir inc; printf '#define H __has_include("x.h")\n' > inc/c.h; printf '#include "inc/c.h"\n#if H\nint yes;\n#endif\n' > a.c; $X gcc -c a.c`,
      `touch x.h; $X gcc -c a.c`,
      `rm x.h; ${ask('H')} $X gcc '-DH=__has_include("x.h")' -c a.c`,
      `touch x.h; $X gcc '-DH=__has_include("x.h")' -c a.c`,
      `${ask('QT_HAS_INCLUDE("y.h")')} $X gcc '-DQT_HAS_INCLUDE(x)=__has_include(x)' -c a.c`,
    ],
    places: ['remote', 'remote', 'remote', 'remote', 'remote'],
  },
  {
    title: 'a precompiled header appears beside, or before, the header',
    lines: [
      `mkdir d1 d2; ${unit} ${value(2, 'd2/h.h')} $X gcc -Id1 -Id2 -c a.c`,
      `${value(1, 'd1/h.h')} gcc d1/h.h; rm d1/h.h; $X gcc -Id1 -Id2 -c a.c`,
      `rm d1/*; ${value(3, 'x.h')} gcc x.h -o d2/h.h.gch; $X gcc -Id1 -Id2 -c a.c`,
      `rm d2/*.gch; $X gcc -include d2/h.h -Id2 -c a.c`,
      `gcc x.h -o d2/h.h.gch; $X gcc -include d2/h.h -Id2 -c a.c`,
    ],
    places: ['remote', 'precompiled-header', 'precompiled-header', 'remote', 'precompiled-header'],
  },
  {
    title: 'files that only the assembler reads change',
    lines: [
      String.raw`printf hello > d.bin; printf '__asm__(".incbin \\"d.bin\\"");\n' > a.c; $X gcc -c a.c`,
      `printf hellp > d.bin; $X gcc -c a.c`,
      `mkdir i; mv d.bin i; $X clang -Ii -c a.c`,
      `echo > d.bin; $X clang -Ii -c a.c`,
      String.raw`printf 'nop\n' > x.inc; printf '#define foo\n' > i/x.inc; printf '#include "i/x.inc"\n__asm__(".include \\"x.inc\\"");\n' > a.c; $X gcc -Ii -c a.c`,
    ],
    places: ['remote', 'remote', 'remote', 'remote', 'computed-probe'],
  },
  {
    title: 'times of files that macros and pragmas ask for, wherever they are written',
    lines: [
      String.raw`printf '#define S __TIMESTAMP__\n' > h.h; printf '#include "h.h"\nconst char *p = S;\n' > a.c; touch -d '2019-02-03 04:05:06' a.c; $X gcc -c a.c`,
      `touch -d '2017-02-03 04:05:06' a.c; TZ=Asia/Tokyo $X clang -c a.c`,
      String.raw`printf 'const char *p = S;\n' > a.c; touch -d '2019-02-03 04:05:06' a.c; $X gcc -DS=__TIMESTAMP__ -c a.c`,
      `touch -d '2017-02-03 04:05:06' a.c; $X gcc -DS=__TIMESTAMP__ -c a.c`,
      String.raw`printf '#include "h.h"\n#pragma GCC dependency "h.h"\n' > a.c; touch -d 2019-01-01 a.c; touch -d 2020-01-01 h.h; $X gcc -c a.c`,
      `touch -d 2018-01-01 h.h; $X gcc -c a.c`,
      `echo 'const char *p = T;' > a.c; SOURCE_DATE_EPOCH=1000000 $X gcc -DT=__TIME__ -c a.c`,
      `$X gcc -DT=__TIME__ -c a.c; mv a.o b.o; sleep 1.1; $X gcc -DT=__TIME__ -c a.c; cmp -s a.o b.o && echo stale; rm a.o b.o`,
    ],
    places: ['remote', 'remote', 'remote', 'remote', 'remote', 'remote', 'remote', undefined],
  },
  {
    title: 'two headers are one file for clang by a hard link only, and gcc goes by content and time',
    lines: [
      String.raw`mkdir i j; printf '#pragma once\nint X;\n' > i/h.h; ln i/h.h j/h.h; printf '#include "i/h.h"\n#define X Y\n#include "j/h.h"\n' > a.c; $X clang -MD -c a.c`,
      `rm j/h.h; cp i/h.h j/h.h; $X clang -MD -c a.c`,
      `touch -d 2020-01-01 i/h.h; touch -d 2020-01-02 j/h.h; $X gcc -MD -c a.c`,
      `touch -d 2020-01-01 j/h.h; $X gcc -MD -c a.c`,
    ],
    places: ['unshippable-path', 'remote', 'remote', undefined],
  },
];

test('a compile follows every change of what it reads', async () => {
  await withCluster({ workers: 1, slots: 2 }, async (cluster) => {
    for (const one of cases) await expectSameBytes(cluster, one);
  });
}, 180_000);
