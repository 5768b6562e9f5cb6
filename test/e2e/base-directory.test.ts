// The base directory: two checkouts in different places share results, and each gets the bytes that the plain compiler leaves there.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { flushAgent } from '../../src/cli/control-client.ts';
import { StepReader } from '../../src/steps/step-reader.ts';
import { icets, withCluster, type IcetsCluster } from '../support/icets-cluster.ts';

/** Each test compiles some dozens of times, plainly and through icets. */
const patienceMs = 240_000;

const source = [
  '#include <assert.h>',
  '#include <stddef.h>',
  '#include "shape.h"',
  '#include "with space.h"',
  '#include <third.h>',
  '#if __has_include("optional.h")',
  'int optional;',
  '#endif',
  'static int unused(void) { return 1; }',
  'size_t area(struct shape s) { assert(s.wide > 0); return s.wide * s.high + where()[0] + third(sizeof(__FILE__)); }',
  'const char *mine(void) { return __FILE__; }',
  '',
].join('\n');

/** A checkout with sources, headers, a system directory of its own and an empty build folder. */
function checkOut(folder: string, a = source): string {
  for (const below of ['src', 'include', 'third party', 'build']) mkdirSync(join(folder, below), { recursive: true });
  writeFileSync(join(folder, 'src/a.c'), a);
  writeFileSync(
    join(folder, 'include/shape.h'),
    '#pragma once\nstruct shape { int wide, high; };\nstatic inline const char *where(void) { return __FILE__; }\n',
  );
  writeFileSync(join(folder, 'include/with space.h'), 'enum colour { red };\n');
  writeFileSync(join(folder, 'include/optional.h'), '');
  writeFileSync(join(folder, 'third party/third.h'), 'static inline int third(int x) { return x; }\n');
  return folder;
}

interface Compiled {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly files: Readonly<Record<string, string>>;
}

/** Runs a shell line in a checkout's build folder; `$R` is the checkout, `$X` icets or nothing. */
async function runIn(cluster: IcetsCluster, root: string, line: string, prefix: string): Promise<Compiled> {
  const build = join(root, 'build');
  rmSync(build, { recursive: true, force: true });
  mkdirSync(build);
  const env = { R: root, X: prefix, ICETS_BASEDIR: cluster.folder };
  const { exitCode, stdout, stderr } = await cluster.run(['sh', '-c', line], { cwd: build, env });
  const files: Record<string, string> = {};
  for (const name of readdirSync(build)) files[name] = readFileSync(join(build, name), 'latin1');
  return { exitCode, stdout, stderr, files };
}

/** Where the compile of a checkout's object ran, and what became of the base directory. */
async function placeOf(cluster: IcetsCluster, root: string, object = 'a.o'): Promise<string> {
  await flushAgent(cluster.env['ICETS_SOCKET_DIR']!);
  const steps = new StepReader(join(cluster.env['ICETS_STATE_DIR']!, 'steps'));
  const record = await steps.lastRecordFor(join(root, 'build', object));
  if (!record.ok || record.value === undefined) throw new Error(`no record of ${object} in ${root}`);
  const { place, base } = record.value;
  return `${place.kind === 'local' ? place.reason : place.kind} ${(base ?? 'none').split(':')[0]}`;
}

/** Runs the line in each checkout, plainly and through icets; answers where the compiles ran. */
async function expectPlainBytes(
  cluster: IcetsCluster,
  roots: readonly string[],
  line: string,
  object = 'a.o',
): Promise<string[]> {
  const places: string[] = [];
  for (const root of roots) {
    const plain = await runIn(cluster, root, line, '');
    expect({ line, root, made: plain.files[object] !== undefined }).toEqual({ line, root, made: true });
    const through = await runIn(cluster, root, line, icets);
    expect({ line, root, ...through }).toEqual({ line, root, ...plain });
    places.push(await placeOf(cluster, root, object));
  }
  return places;
}

const shared = ['remote moved', 'cache moved'];

describe.each(['gcc', 'clang'])('two checkouts share results of %s', (c) => {
  const includes = '-I$R/include -isystem "$R/third party"';

  test(
    'under prefix maps, with debug information, messages and every kind of dependency list',
    async () => {
      await withCluster({ workers: 1, coldCache: true }, async (cluster) => {
        const roots = [checkOut(join(cluster.folder, 'one')), checkOut(join(cluster.folder, 'two', 'much', 'deeper'))];
        const file = '-ffile-prefix-map=$R=.';
        const tail = `${includes} -c $R/src/a.c -o a.o`;
        for (const line of [
          `$X ${c} -O1 -g ${file} -MD -MF a.d ${tail}`,
          `$X ${c} -O1 -DNDEBUG ${file} -MMD -MP -MT $R/build/a.o -MF $R/build/a.d ${includes} -c $R/src/a.c -o $R/build/a.o`,
          `$X ${c} -g -fdebug-prefix-map=$R=/src -fmacro-prefix-map=$R/= -Wall -Wextra ${tail}`,
          `$X ${c} -g3 ${file} -include $R/include/shape.h -Wp,-MMD,$R/build/list.d ${tail}`,
          `$X ${c} -fmacro-prefix-map=$R/=src/ ${tail}`,
          `cd $R/src && $X ${c} -I../include -I"../third party" -MD -c a.c -o ../build/a.o`,
        ]) {
          expect({ line, places: await expectPlainBytes(cluster, roots, line) }).toEqual({ line, places: shared });
        }
        const assembly = `$X ${c} -S -g ${file} ${includes} $R/src/a.c -o a.s`;
        expect(await expectPlainBytes(cluster, roots, assembly, 'a.s')).toEqual(shared);
        const stats = await cluster.run([icets, 'cache', 'stats', '--json']);
        expect((JSON.parse(stats.stdout) as { agent: { base: unknown } }).agent.base).toEqual({
          moved: 14,
          notMoved: {},
        });

        // what one checkout changes is its own
        writeFileSync(
          join(roots[1]!, 'include/shape.h'),
          '#pragma once\nstruct shape { int high, wide; };\nchar *where(void);\n',
        );
        const line = `$X ${c} -O1 -g ${file} -MD -MF a.d ${tail}`;
        expect(await expectPlainBytes(cluster, roots, line)).toEqual(['cache moved', 'remote moved']);
        rmSync(join(roots[0]!, 'include/optional.h'));
        expect(await expectPlainBytes(cluster, [roots[0]!], line)).toEqual(['remote moved']);
      });
    },
    patienceMs,
  );

  test(
    'unless the result could depend on the place; then each is made for its own',
    async () => {
      await withCluster({ workers: 1, coldCache: true }, async (cluster) => {
        const roots = [checkOut(join(cluster.folder, 'one')), checkOut(join(cluster.folder, 'two', 'deeper'))];
        const file = '-ffile-prefix-map=$R=.';
        const tail = `${includes} -c $R/src/a.c -o a.o`;
        const apart = (reason: string, first = 'remote') => [`${first} ${reason}`, `remote ${reason}`];
        for (const [line, reason] of [
          [`$X ${c} ${tail}`, 'unmapped-name'],
          [`$X ${c} -g -fmacro-prefix-map=$R=. ${tail}`, 'unmapped-name'],
          [`cd $R/src && $X ${c} -g -I../include -I"../third party" -c a.c -o ../build/a.o`, 'unmapped-name'],
          [`$X ${c} -g -gz ${file} ${tail}`, 'option'],
          [`$X ${c} ${file} -DROOT=\\"$R\\" ${tail}`, 'argument'],
          [`$X ${c} -ffile-prefix-map=$R=$R/x ${tail}`, 'argument'],
          [`$X ${c} ${file} -ffile-prefix-map=/=root/ ${tail}`, 'prefix-map'],
          [`C_INCLUDE_PATH=$R/include $X ${c} ${file} ${tail}`, 'environment'],
        ] as const) {
          expect({ line, places: await expectPlainBytes(cluster, roots, line) }).toEqual({
            line,
            places: apart(reason),
          });
        }
        const line = `$X ${c} -g ${file} ${tail}`;

        // generated sources that name the directory they were generated in
        for (const root of roots)
          writeFileSync(join(root, 'src/a.c'), `#line 7 "${root}/src/a.y"\nint f(void) { return 1; }\n`);
        expect(await expectPlainBytes(cluster, roots, line)).toEqual(apart('directory-in-output'));
        expect(await expectPlainBytes(cluster, roots, line)).toEqual(['cache stuck-before', 'cache stuck-before']);
        for (const root of roots) writeFileSync(join(root, 'src/a.c'), `#include "${root}/include/shape.h"\n`);
        expect(await expectPlainBytes(cluster, roots, line.replace('-g', '-O1'))).toEqual(apart('named-in-source'));
        for (const root of roots) {
          writeFileSync(
            join(root, 'src/a.c'),
            `#define NAME "${root}/include/optional.h"\n#if __has_include(NAME)\nint found;\n#endif\n`,
          );
        }
        expect(await expectPlainBytes(cluster, roots, line.replace('-g', '-O2'))).toEqual(apart('probe'));

        // a link out of the checkout, and a file beside it
        for (const root of roots) {
          checkOut(root, '#include "there.h"\nint f(void) { return there; }\n');
          writeFileSync(join(cluster.folder, 'there.h'), 'enum { there = 1 };\n');
          symlinkSync(join(cluster.folder, 'there.h'), join(root, 'include/there.h'));
        }
        expect(await expectPlainBytes(cluster, roots, line.replace('-g', '-O3'))).toEqual(apart('link'));
        for (const root of roots) rmSync(join(root, 'include/there.h'));
        const sibling = join(cluster.folder, 'one-more');
        mkdirSync(sibling);
        writeFileSync(
          join(sibling, 'there.h'),
          'enum { there = 2 };\nstatic inline const char *file(void) { return __FILE__; }\n',
        );
        const beside = `$X ${c} -g ${file} -I${sibling} -c $R/src/a.c -o a.o`.replace('-I', `-iquote `);
        expect((await expectPlainBytes(cluster, [roots[0]!], beside))[0]).toMatch(/^remote (?:moved|prefix-map)$/);
      });
    },
    patienceMs,
  );
});

describe('a build with CMake', () => {
  test(
    'of a second checkout comes from the cache; its objects, dependencies, modes and times are its own',
    async () => {
      await withCluster({ workers: 1, coldCache: true }, async (cluster) => {
        const roots = [join(cluster.folder, 'one'), join(cluster.folder, 'other', 'place')];
        for (const root of roots) {
          writeCMakeProject(root);
          await configure(cluster, root, '');
          const plain = await build(cluster, root);
          expect(Object.keys(plain.objects)).toHaveLength(4);
          rmSync(join(root, 'build'), { recursive: true });
          await configure(cluster, root, icets);
          const startMs = Date.now();
          const mine = await build(cluster, root);
          expect({ root, ...mine }).toEqual({ root, ...plain });
          expect(mine.dependencies).toContain(`${root}/include/shape.h`);
          for (const object of Object.keys(mine.objects)) {
            const { mode, mtimeMs } = statSync(join(root, 'build', object));
            expect((mode & 0o777).toString(8)).toBe('640');
            expect(mtimeMs).toBeGreaterThanOrEqual(startMs - 10);
          }
          expect((await cluster.run(['ninja', '-C', 'build'], { cwd: root })).stdout).toContain('no work to do');
        }
        const stats = await cluster.run([icets, 'cache', 'stats', '--json']);
        expect(JSON.parse(stats.stdout)).toMatchObject({
          agent: { hits: 4, misses: 4, unproven: 0, base: { moved: 8, notMoved: {} } },
        });
      });
    },
    patienceMs,
  );
});

function writeCMakeProject(root: string): void {
  for (const below of ['src', 'include']) mkdirSync(join(root, below), { recursive: true });
  writeFileSync(
    join(root, 'CMakeLists.txt'),
    [
      'cmake_minimum_required(VERSION 3.20)',
      'project(shapes C CXX)',
      'add_compile_options(-g -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)',
      'add_library(shapes src/a.cc src/b.cc src/c.c)',
      'target_include_directories(shapes PUBLIC include)',
      'add_library(quiet src/a.cc)',
      'target_compile_definitions(quiet PRIVATE NDEBUG)',
      'target_include_directories(quiet PUBLIC include)',
      '',
    ].join('\n'),
  );
  writeFileSync(join(root, 'include/shape.h'), '#pragma once\nstruct Shape { int wide, high; };\n');
  const unit = (name: string) =>
    `#include "shape.h"\n#include <cassert>\n#include <vector>\nnamespace { std::vector<Shape> all; }\n` +
    `int ${name}(Shape s) { assert(s.wide > 0); all.push_back(s); return static_cast<int>(all.size()); }\n`;
  writeFileSync(join(root, 'src/a.cc'), unit('first'));
  writeFileSync(join(root, 'src/b.cc'), unit('second'));
  writeFileSync(join(root, 'src/c.c'), '#include "shape.h"\nint area(struct Shape s) { return s.wide * s.high; }\n');
}

async function configure(cluster: IcetsCluster, root: string, launcher: string): Promise<void> {
  const launchers = ['C', 'CXX'].map((language) => `-DCMAKE_${language}_COMPILER_LAUNCHER=${launcher}`);
  const args = ['-S', root, '-B', join(root, 'build'), '-G', 'Ninja', ...launchers];
  const ran = await cluster.run(['cmake', ...args], { env: { ICETS_DISABLE: '1' } });
  expect({ exitCode: ran.exitCode, stderr: ran.stderr }).toEqual({ exitCode: 0, stderr: '' });
}

interface Built {
  readonly objects: Readonly<Record<string, string>>;
  /** as ninja has learned them, without times */
  readonly dependencies: string;
}

async function build(cluster: IcetsCluster, root: string): Promise<Built> {
  const script = 'umask 027; exec ninja -j2 -C build';
  const ran = await cluster.run(['sh', '-c', script], { cwd: root, env: { ICETS_BASEDIR: cluster.folder } });
  expect({ root, exitCode: ran.exitCode }).toEqual({ root, exitCode: 0 });
  const names = readdirSync(join(root, 'build'), { recursive: true }).map(String);
  const objects = names.filter((name) => name.endsWith('.o')).sort();
  const deps = await cluster.run(['ninja', '-C', 'build', '-t', 'deps'], { cwd: root });
  return {
    objects: Object.fromEntries(objects.map((name) => [name, sha256(readFileSync(join(root, 'build', name)))])),
    dependencies: deps.stdout
      .replaceAll(/deps mtime \d+/g, '')
      .split('\n\n')
      .sort()
      .join('\n\n'),
  };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
