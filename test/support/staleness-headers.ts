// Edits of the files that a compile reads, for the staleness table: their content, their times, what stands under their names.

import type { StalenessCase } from './staleness.ts';

export const unit = '#include "h.h"\nint a[V];\n';
export const value = (n: number) => `#define V ${n}\n`;

export const headerCases: readonly StalenessCase[] = [
  {
    title: 'a header changes, and changes without effect',
    files: { 'a.c': unit, 'h.h': value(1) },
    edits: [
      { edit: `echo '#define V 2' > h.h`, gives: 'new' },
      { edit: `echo '// remark' >> h.h`, gives: 1 },
    ],
  },
  {
    title: 'a header of a header changes',
    files: { 'a.c': unit, 'h.h': '#include "i.h"\n', 'i.h': '#include "j.h"\n', 'j.h': value(1) },
    edits: [
      { edit: `echo '#define V 2' > j.h`, gives: 'new' },
      { edit: `echo '#define V 3' > i.h`, gives: 'new' },
      { edit: `echo '#include "j.h"' > i.h`, gives: 1, place: 'cache' },
    ],
  },
  {
    title: 'a header is touched without a change',
    files: { 'a.c': unit, 'h.h': value(1) },
    edits: [
      { edit: 'touch h.h', gives: 0, place: 'cache' },
      { edit: 'touch -d 2001-01-01 h.h a.c', gives: 0, place: 'cache' },
      { edit: 'touch -d 2044-01-01 h.h; touch a.c', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a header is replaced by another with the same size and time',
    files: { 'a.c': unit, 'h.h': value(1) },
    prepare: 'touch -d 2020-01-01T01:02:03.456789012 h.h',
    edits: [
      { edit: `echo '#define V 2' > n; touch -r h.h n; mv n h.h`, gives: 'new' },
      { edit: `touch -r h.h r; rm h.h; echo '#define V 3' > h.h; touch -r r h.h`, gives: 'new' },
    ],
  },
  {
    title: 'a header is written in place with the same size, and its time set back',
    files: { 'a.c': unit, 'h.h': value(1), r: '' },
    prepare: 'touch -d 2020-01-01T01:02:03.456789012 h.h; touch -r h.h r',
    edits: [
      { edit: `echo '#define V 2' > h.h; touch -r r h.h`, gives: 'new' },
      { edit: `printf 3 | dd of=h.h bs=1 seek=10 conv=notrunc status=none; touch -r r h.h`, gives: 'new' },
    ],
  },
  {
    title: 'the source is written in place with the same size, and its time set back',
    files: { 'a.c': 'int a[1];\n', r: '' },
    prepare: 'touch -d 2020-01-01T01:02:03 a.c; touch -r a.c r',
    edits: [
      { edit: `echo 'int a[2];' > a.c; touch -r r a.c`, gives: 'new' },
      { edit: `echo 'int a[3];' > n; touch -r r n; mv n a.c`, gives: 'new' },
    ],
  },
  {
    title: 'a header is edited twice within a second, with equal size',
    files: { 'a.c': unit, 'h.h': value(1) },
    edits: [
      { edit: `echo '#define V 2' > h.h; echo '#define V 3' > h.h`, gives: 'new' },
      { edit: `echo '#define V 4' > h.h`, gives: 'new' },
      { edit: `echo '#define V 5' > h.h`, gives: 'new' },
    ],
  },
  {
    title: 'two headers of equal size and time change names',
    files: {
      'a.c': '#include "h.h"\nint a[V];\n#undef V\n#include "i.h"\nint b[V];\n',
      'h.h': value(1),
      'i.h': value(2),
    },
    prepare: 'touch -d 2020-01-01 h.h i.h',
    edits: [
      { edit: 'mv h.h t; mv i.h h.h; mv t i.h', gives: 'new' },
      { edit: 'mv h.h t; mv i.h h.h; mv t i.h', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'an old header is copied over a new one with its time, so that only the change time is new',
    files: { 'a.c': unit, 'h.h': value(1), 'old.h': value(2), 'older.h': value(3) },
    prepare: 'touch -d 2001-01-01 old.h; touch -d 1971-01-01 older.h',
    edits: [
      { edit: 'cp -p old.h h.h', gives: 'new' },
      { edit: 'cp -p --remove-destination older.h h.h', gives: 'new' },
      { edit: 'mv old.h h.h', gives: 1, place: 'cache' },
    ],
  },
  {
    title: 'the clock was set back: headers from the future and from before 1970',
    files: { 'a.c': unit, 'h.h': value(1) },
    prepare: 'touch -d 2044-01-01 h.h a.c',
    edits: [
      { edit: `echo '#define V 2' > h.h; touch -d 2044-01-01 h.h`, gives: 'new' },
      { edit: `echo '#define V 3' > h.h`, gives: 'new' },
      { edit: `echo '#define V 4' > h.h; touch -d 1960-01-01T00:00:00.5 h.h`, gives: 'new' },
      { edit: `echo '#define V 5' > h.h; touch -d 1960-01-01T00:00:00.5 h.h`, gives: 'new' },
      { edit: `echo '#define V 1' > h.h; touch -d 1970-01-01T00:00:00Z h.h`, gives: 0 },
    ],
  },
  {
    title: 'a header is edited through another hard link',
    files: { 'a.c': unit, 'h.h': value(1) },
    prepare: 'mkdir far; ln h.h far/x',
    edits: [
      { edit: `echo '#define V 2' > far/x`, gives: 'new' },
      { edit: `echo '#define V 3' > n; ln -f n h.h`, gives: 'new' },
    ],
  },
  {
    title: 'a header is deleted and restored',
    files: { 'a.c': unit, 'h.h': '#include "i.h"\n', 'i.h': value(1) },
    edits: [
      { edit: 'mv i.h away', gives: 'error' },
      { edit: 'mv away i.h', gives: 0, place: 'cache' },
      { edit: 'rm h.h i.h', gives: 'error' },
      { edit: `echo '#define V 2' > h.h`, gives: 'new' },
    ],
  },
  {
    title: 'a header becomes wrong, and right again',
    files: { 'a.c': unit, 'h.h': value(1) },
    edits: [
      { edit: `echo '#error not yet' > h.h`, gives: 'error' },
      { edit: `echo '#warning soon' > h.h; echo '#define V 1' >> h.h`, gives: 'new' },
      { edit: `echo '#define V 1' > h.h`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a linked header leads elsewhere, by one link and by two',
    files: { 'a.c': unit, 'x.h': value(1), 'y.h': value(2), 'far/z.h': value(3) },
    prepare: 'touch -d 2020-01-01 x.h y.h; ln -s x.h l.h; ln -s l.h h.h',
    edits: [
      { edit: 'ln -sfn y.h l.h', gives: 'new' },
      { edit: 'ln -sfn far/z.h h.h', gives: 'new' },
      { edit: 'rm h.h; cp -p x.h h.h', gives: 0 },
      { edit: 'ln -sfn nowhere h.h', gives: 'error' },
      { edit: `echo '#define V 4' > nowhere`, gives: 'new' },
    ],
  },
  {
    title: 'a linked directory leads elsewhere, and becomes a directory',
    files: { 'a.c': unit, 'k/h.h': value(1), 'l/h.h': value(2), 'm/h.h': value(3) },
    prepare: 'touch -d 2020-01-01 */h.h; ln -s k s',
    flags: '-Is',
    edits: [
      { edit: 'ln -sfn l s', gives: 'new' },
      { edit: 'rm s; mv m s', gives: 'new' },
      { edit: 'mv s m; ln -s k s', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a directory is renamed away and another renamed in',
    files: { 'a.c': unit, 'i/in/h.h': value(1), 'other/in/h.h': value(2) },
    prepare: 'touch -d 2020-01-01 */in/h.h */in i other',
    flags: '-Ii/in',
    edits: [
      { edit: 'mv i away; mv other i', gives: 'new' },
      { edit: 'mv i other', gives: 'error' },
      { edit: 'mv away i', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'the working directory is renamed away and another renamed in',
    files: { 'w/a.c': unit, 'w/h.h': value(1), 'other/a.c': unit, 'other/h.h': value(2) },
    prepare: 'touch -d 2020-01-01 */* w other',
    within: 'w',
    edits: [
      { edit: 'mv w away; mv other w', gives: 'new' },
      { edit: 'mv w other; mv away w', gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a checkout is switched back and forth',
    files: { 'a.c': unit, 'h.h': '#include "i.h"\n', 'i.h': value(1) },
    edits: [
      { edit: `echo '#define V 2' > h.h; rm i.h; touch a.c`, gives: 'new' },
      { edit: `echo '#include "i.h"' > h.h; echo '#define V 1' > i.h; touch a.c`, gives: 0, place: 'cache' },
      { edit: `echo '#define V 2' > h.h; rm i.h; touch a.c`, gives: 1, place: 'cache' },
    ],
  },
  {
    title: 'a header becomes a directory, alone and before another',
    files: { 'a.c': unit, 'i/h.h': value(1), 'j/h.h': value(2) },
    flags: '-Ii -Ij',
    edits: [
      { edit: 'rm i/h.h; mkdir i/h.h', gives: 'new' },
      { edit: 'rm j/h.h; mkdir j/h.h', gives: 'error' },
      { edit: `rmdir i/h.h; echo '#define V 1' > i/h.h`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'files that options include change and are shadowed',
    files: { 'a.c': 'int a[V + W];\n', 'i/p.h': value(1), 'm.h': '#define W 1\n' },
    flags: '-Ii -include p.h -imacros m.h',
    edits: [
      { edit: `echo '#define V 2' > i/p.h`, gives: 'new' },
      { edit: `echo '#define W 5' > m.h`, gives: 'new' },
      { edit: `echo '#define V 3' > p.h`, gives: 'new' },
      { edit: `rm p.h; echo '#define W 1' > m.h; echo '#define V 1' > i/p.h`, gives: 0, place: 'cache' },
    ],
  },
  {
    title: 'a file behind a computed include changes, and the macro names another',
    files: {
      'a.c': '#include "c.h"\n#include H\nint a[V];\n',
      'c.h': '#define S(x) #x\n#define H S(x.h)\n',
      'x.h': value(1),
      'y.h': value(2),
    },
    edits: [
      { edit: `echo '#define V 3' > x.h`, gives: 'new' },
      { edit: `sed -i s/x.h/y.h/ c.h`, gives: 'new' },
      { edit: `echo '#define V 4' > y.h`, gives: 'new' },
      { edit: `echo '#define H "x.h"' > c.h`, gives: 1 },
    ],
  },
  {
    title: 'a file that only the assembler reads changes, and is shadowed',
    files: { 'a.c': '__asm__(".incbin \\"d.bin\\"");\n', 'i/d.bin': 'hello' },
    flags: '-Ii',
    edits: [
      { edit: 'printf hellp > i/d.bin', gives: 'new' },
      { edit: 'printf shade > d.bin', gives: 'new' },
    ],
  },
  ...(process.getuid?.() === 0
    ? []
    : [
        {
          title: 'a header cannot be read any more, and can again',
          files: { 'a.c': unit, 'h.h': value(1) },
          edits: [
            { edit: 'chmod 0 h.h', gives: 'error' },
            { edit: 'chmod 644 h.h', gives: 0, place: 'cache' },
          ],
        } as const,
      ]),
];
