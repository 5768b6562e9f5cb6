// Edits of the compiler and of its own search directories, for the staleness table: in a copy of gcc's folders, which has
// `t/x86_64-linux-gnu/include` before the machine's own directories, and below /usr/local/include where that may be written.

import { execFileSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import type { StalenessCase } from './staleness.ts';
import { value } from './staleness-headers.ts';

/** Below /usr/local/include; whoever runs the cases removes it. */
export const installed = `/usr/local/include/icets-staleness-${process.pid}`;

const copied = 'gcc';
const asked = (...argv: string[]) => execFileSync(copied, argv, { encoding: 'utf8' }).trim();
const programs = dirname(asked('-print-prog-name=cc1'));
/** The compiler's target, as its folders are named. */
export const target = asked('-dumpmachine');
const own = `t/lib/gcc/${target}/${basename(programs)}`;
const include = `t/${target}/include`;

/** Makes `t/bin/gcc`, a gcc with folders of its own; `cc1` is a link to the machine's. */
export const makeCompiler =
  `mkdir -p t/bin ${own}; cp $(realpath $(command -v gcc)) t/bin/gcc; cp -rL ${programs}/include ${own}/; ` +
  `ln -s ${join(programs, 'cc1')} ${own}/cc1;`;
/** Another compiler for one that says so in the debug information. */
export const upgradedFrontEnd =
  `V=$(gcc -dumpfullversion); sed "s/$V/$(echo $V | tr 0-9 9)/g" ${join(programs, 'cc1')} > new; ` +
  `chmod +x new; mv -T new ${own}/cc1`;

const compilers = ['t/bin/gcc'];
const answer = (question: string) => `#if ${question}\nint yes;\n#else\nint no;\n#endif\n`;

export const systemCases: readonly StalenessCase[] = [
  {
    title: 'an unrelated package is installed: every result is kept',
    files: { 'a.c': '#include <stdio.h>\n#include <in/h.h>\nint a[V];\n', [`${include}/in/h.h`]: value(1) },
    prepare: makeCompiler,
    compilers,
    edits: [
      { edit: `mkdir ${include}/foo; echo 'int foo;' > ${include}/foo/foo.h`, gives: 0, place: 'cache' },
      { edit: `echo 'int bar;' > ${include}/bar.h; touch ${include}/in/other.h`, gives: 0, place: 'cache' },
      { edit: `echo 'int more;' >> ${include}/foo/foo.h; rm ${include}/bar.h`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'what __has_include asks for is created and removed below a system directory',
    files: { 'a.c': answer('__has_include(<o/h.h>)'), [`${include}/x.h`]: '' },
    prepare: makeCompiler,
    compilers,
    edits: [
      { edit: `mkdir ${include}/o`, gives: 0, place: 'cache' },
      { edit: `touch ${include}/o/h.h`, gives: 'new' },
      { edit: `rm ${include}/o/h.h`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a system directory appears that was not there, with a header before the one found so far',
    files: { 'a.c': '#include <paths.h>\n#ifndef V\n#define V 1\n#endif\nint a[V];\n' },
    prepare: makeCompiler,
    compilers,
    edits: [
      { edit: `mkdir -p ${include}`, gives: 0 },
      { edit: `echo '#define V 2' > ${include}/paths.h`, gives: 'new' },
      { edit: `rm -r ${dirname(include)}`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a system header is edited in place with its time set back, replaced, and a link there leads elsewhere',
    files: {
      'a.c': '#include <in/h.h>\n#include <l.h>\nint a[V + W];\n',
      [`${include}/in/h.h`]: value(1),
      'x.h': '#define W 1\n',
      'y.h': '#define W 5\n',
      r: '',
    },
    prepare: `${makeCompiler} touch -d 2020-01-01 ${include}/in/h.h r; ln -s $PWD/x.h ${include}/l.h`,
    compilers,
    flags: '-fno-canonical-system-headers',
    edits: [
      { edit: `echo '#define V 2' > ${include}/in/h.h; touch -r r ${include}/in/h.h`, gives: 'new' },
      { edit: `echo '#define V 3' > n; touch -r r n; mv n ${include}/in/h.h`, gives: 'new' },
      { edit: `ln -sfn $PWD/y.h ${include}/l.h`, gives: 'new' },
      { edit: `echo '#define W 7' > y.h`, gives: 'new' },
      { edit: `mv ${include}/in ${include}/away`, gives: 'error' },
      { edit: `mkdir ${include}/in; echo '#define V 4' > ${include}/in/h.h`, gives: 'new' },
    ],
  },
  {
    title: 'the compiler changes under its path: a header of its own, its front end, its driver',
    files: { 'a.c': '#include <stddef.h>\n#ifndef V\n#define V 1\n#endif\nint a[V];\n' },
    prepare: makeCompiler,
    compilers,
    edits: [
      { edit: `echo '#define V 2' >> ${own}/include/stddef.h`, gives: 'new' },
      { edit: upgradedFrontEnd, gives: 'new' },
      { edit: `ln -sfn ${join(programs, 'cc1')} ${own}/cc1`, gives: 1 },
      {
        edit: String.raw`printf '*cc1:\n+ -DV=3\n' > ${own}/specs; sed -i '/define V 2/d' ${own}/include/stddef.h`,
        gives: 'new',
      },
      { edit: `rm ${own}/specs; printf x >> t/bin/gcc`, gives: 0 },
    ],
  },
  {
    title: 'the link by which the compiler is called leads to another compiler',
    files: { 'a.c': '#include <in/h.h>\nint a[V];\n', [`${include}/in/h.h`]: value(1) },
    prepare: `${makeCompiler} cp -a t u; sed -i s/1/2/ ${include.replace(/^t/, 'u')}/in/h.h; ln -s t cur`,
    compilers: ['cur/bin/gcc'],
    flags: '-fno-canonical-system-headers',
    edits: [
      { edit: 'ln -sfn u cur', gives: 'new' },
      { edit: 'ln -sfn t cur', gives: 0, place: 'cache' },
    ],
  },
  ...(process.getuid?.() === 0
    ? [
        {
          title: 'below /usr/local/include what is asked for comes and goes, and what is not asked for costs no result',
          files: { 'a.c': answer(`__has_include(<${basename(installed)}/o/h.h>)`) },
          edits: [
            { edit: `mkdir ${installed}; touch ${installed}/other.h`, gives: 0, place: 'cache' },
            { edit: `mkdir ${installed}/o; touch ${installed}/o/h.h`, gives: 'new' },
            { edit: `rm -r ${installed}`, gives: 0, place: 'cache' },
          ],
        } as const,
      ]
    : []),
];
