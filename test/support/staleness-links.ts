// Links and renamed folders among the search directories, and headers that no command names, for the staleness table.

import { dirname } from 'node:path';
import type { StalenessCase } from './staleness.ts';
import { unit, value } from './staleness-headers.ts';
import { makeCompiler, target } from './staleness-systems.ts';

const compilers = ['t/bin/gcc'];
const include = `t/${target}/include`;

export const linkCases: readonly StalenessCase[] = [
  {
    title: 'an earlier directory that is a file becomes a directory',
    files: { 'a.c': unit, f: '', 'j/h.h': value(1) },
    flags: '-If -Ij',
    edits: [
      { edit: `rm f; mkdir f; echo '#define V 2' > f/h.h`, gives: 'new' },
      { edit: 'rm -r f; touch f', gives: 0 },
    ],
  },
  {
    title: 'a linked header of a system directory with a long name leads elsewhere',
    files: {
      'a.c': '#include <h.h>\nint a[V];\n',
      'x/h.h': value(1),
      'y/h.h': value(2),
      'a-directory-with-a-long-name/o.h': '',
    },
    prepare: 'ln -s ../x/h.h a-directory-with-a-long-name/h.h',
    flags: '-isystem $W/a-directory-with-a-long-name',
    edits: [
      { edit: 'ln -sfn ../y/h.h a-directory-with-a-long-name/h.h', gives: 'new' },
      { edit: 'ln -sfn ../x/h.h a-directory-with-a-long-name/h.h', gives: 0 },
    ],
  },
  {
    title: 'a linked system directory with a long name leads elsewhere',
    files: { 'a.c': '#include <h.h>\nint a[V];\n', 'x/h.h': value(1), 'y/h.h': value(2) },
    prepare: 'ln -s x a-directory-with-a-long-name',
    flags: '-isystem $W/a-directory-with-a-long-name',
    edits: [
      { edit: 'ln -sfn y a-directory-with-a-long-name', gives: 'new' },
      { edit: 'ln -sfn x a-directory-with-a-long-name', gives: 0 },
    ],
  },
  {
    title: 'the header that gcc includes by itself is shadowed',
    files: { 'a.c': '#ifndef V\n#define V 1\n#endif\nint a[V];\n', 'i/o.h': '' },
    flags: '-Ii',
    edits: [
      { edit: `echo '#define V 2' > i/stdc-predef.h`, gives: 'new' },
      {
        edit: `touch -r i/stdc-predef.h r; echo '#define V 3' > i/stdc-predef.h; touch -r r i/stdc-predef.h`,
        gives: 'new',
      },
      { edit: 'rm i/stdc-predef.h', gives: 0 },
    ],
    compilers: ['gcc'],
  },
  {
    title: 'a system header is edited through a hard link elsewhere',
    files: { 'a.c': '#include <in/h.h>\nint a[V];\n', [`${include}/in/h.h`]: value(1) },
    prepare: `${makeCompiler} ln ${include}/in/h.h far`,
    compilers: ['t/bin/gcc'],
    edits: [{ edit: `echo '#define V 2' > far`, gives: 'new' }],
  },
  {
    title: 'the folder above a system directory is renamed away and another renamed in',
    files: {
      'a.c': '#include <in/h.h>\nint a[V];\n',
      [`${include}/in/h.h`]: value(1),
      'other/include/in/h.h': value(2),
    },
    prepare: `${makeCompiler} touch -d 2020-01-01 ${include}/in/h.h other/include/in/h.h`,
    compilers,
    edits: [
      { edit: `mv ${dirname(include)} away; mv other ${dirname(include)}`, gives: 'new' },
      { edit: `mv ${dirname(include)} other; mv away ${dirname(include)}`, gives: 0, place: 'cache' },
    ],
  },
];
