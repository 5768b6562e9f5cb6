// Where a compile is started and where it writes: directories, links, modes, descriptors, environment, terminal.

import { test } from '@jest/globals';
import { withCluster } from '../support/icets-cluster.ts';
import { expectSameBytes, type SameBytesCase } from '../support/same-bytes.ts';

const unit = String.raw`printf 'int f(void){int unused; return 1;}\n' > a.c;`;
const existing = (command: string, output: string): string[] => [
  `${unit} echo old > ${output}; chmod 600 ${output}; ${command}`,
  `rm ${output}; : > ${output}; chmod 640 ${output}; ${command}`,
  `rm ${output}; echo old > ${output}; ln ${output} other; ${command}`,
  `rm -f ${output} other; echo old > t; ln -s t ${output}; ${command}`,
  `rm -f ${output} t; ln -s t ${output}; ${command}`,
  `rm -f ${output} t; echo old > ${output}; chmod 444 ${output}; ${command}`,
  `rm -f ${output}; mkdir ${output}; ${command}`,
];
const inTerminal = (setting: string, command: string) =>
  `${unit} script -qec "stty cols 60; ${setting} $X ${command} -Wall -c a.c" /dev/null`;

const cases: SameBytesCase[] = [
  { title: 'an object of gcc exists', lines: existing('$X gcc -c a.c', 'a.o') },
  { title: 'an object of clang exists', lines: existing('$X clang -c a.c', 'a.o') },
  { title: 'assembly and a depfile exist', lines: existing('$X gcc -S -MD -MF a.s.d a.c; cp a.s.d a.d', 'a.s') },
  { title: 'a depfile exists', lines: existing('rm -f a.o; $X gcc -MD -c a.c', 'a.d') },
  {
    title: 'true, odd, false and missing PWD',
    lines: [
      `mkdir p; ln -s p l; cd l; ${unit} $X gcc -g -c a.c -o ../a.o`,
      `cd p; PWD=/nowhere $X gcc -g -c a.c -o ../a.o`,
      `cd p; env -u PWD $X clang -g -c a.c -o ../a.o`,
      `cd p; PWD=$W/p/ $X gcc -g -c a.c -o ../a.o`,
      `cd p; PWD=$W/./l/../l $X clang -g -c a.c -o ../a.o`,
      `cd l; $X gcc -g -MD -MF ../l/../d.d -c ../p/a.c -o ../l/../a.o`,
    ],
    places: ['remote', 'remote', 'remote', 'remote', 'remote', undefined],
  },
  {
    title: 'umask, a setgid folder, a missing folder, a linked folder',
    lines: [
      `${unit} umask 077; $X gcc -MD -c a.c`,
      `mkdir d; chmod 2775 d; umask 002; $X gcc -MD -c a.c -o d/a.o`,
      `$X gcc -c a.c -o none/a.o`,
      `$X gcc -MD -MF none/a.d -c a.c`,
      `ln -s d e; $X gcc -g -gsplit-dwarf -c a.c -o e/x.y.o`,
    ],
  },
  {
    title: 'standard descriptors are closed',
    lines: [
      `${unit} $X gcc -Wall -c a.c <&-`,
      `$X gcc -Wall -c a.c >&-`,
      `rm a.o; $X gcc -Wall -c a.c 2>&-`,
      `$X gcc -Wall -c a.c <&- >&- 2>&-`,
    ],
  },
  {
    title: 'warnings in a terminal',
    lines: ['gcc', 'clang'].flatMap((compiler) =>
      ['TERM=dumb', 'TERM=xterm', 'TERM=linux NO_COLOR=1', 'TERM=xterm COLUMNS=40 CLICOLOR_FORCE=1'].map((setting) =>
        inTerminal(setting, compiler),
      ),
    ),
  },
  {
    title: 'variables that reach the compiler',
    lines: [
      `${unit} FORCE_COLOR=1 CLICOLOR_FORCE=1 COLUMNS=30 $X gcc -Wall -c a.c -o a.o`,
      `CC_PRINT_OPTIONS=1 CC_PRINT_OPTIONS_FILE=$W/list $X clang -c a.c -o a.o; rm list`,
      `CCC_ADD_ARGS=-DX GNUTARGET=elf64-x86-64 $X clang -c a.c -o a.o`,
      `LD_PRELOAD=/nowhere.so $X gcc -c a.c -o a.o 2> /dev/null`,
      `DEPENDENCIES_OUTPUT=$W/x.d $X gcc -c a.c -o a.o`,
      `LC_ALL=C.UTF-8 $X gcc -Wall -c a.c -o a.o`,
    ],
    places: ['remote', 'environment', 'environment', 'environment', 'environment', 'remote'],
  },
  {
    title: 'names that make and shells find odd',
    lines: ['a b', 'a$b', 'a#b', 'a:b', "a'b", 'a"b', 'a\\b', 'é', '+ab', 'a=b'].map((name) => {
      const quoted = `'./${name.replaceAll("'", String.raw`'\''`)}'`;
      return `mkdir -p ${quoted}; ${unit} mv a.c ${quoted}; $X gcc -g -MD -MP -I${quoted} -c ${quoted}/a.c -o ${quoted}.o`;
    }),
  },
];

test('a compile writes what and where the plain compiler writes', async () => {
  await withCluster({ workers: 1, slots: 2 }, async (cluster) => {
    for (const one of cases) await expectSameBytes(cluster, one);
  });
}, 180_000);
