// Small projects at awkward places, with awkward names, compilers, locales and options: each a case for the case runner.

import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { cp, link, mkdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mustRun, runCommand } from './command.mjs';
import { writeWithMode } from './case-runner.mjs';

/** @typedef {import('./case-runner.mjs').IdentityCase} IdentityCase */
/** @typedef {import('./case-runner.mjs').CaseStep} CaseStep */

const families = [
  { name: 'gcc', cc: 'gcc', cxx: 'g++' },
  { name: 'clang', cc: 'clang', cxx: 'clang++' },
];

const unitFiles = {
  'include/shape.hh': `#pragma once
#include <memory>
#include <string>
struct Shape { virtual ~Shape() = default; virtual std::string name() const = 0; };
std::unique_ptr<Shape> make_square(double side);
`,
  'src/square.cc': `#include "shape.hh"
#include <cassert>
#include <vector>
namespace { struct Square final : Shape {
  explicit Square(double s) : side(s) { assert(s > 0 && __FILE__); }
  std::string name() const override { return "square of " + std::to_string(side); }
  double side;
}; }
std::unique_ptr<Shape> make_square(double side) { return std::make_unique<Square>(side); }
`,
  'src/count.h': 'int count(const char *text);\n',
  'src/count.c': `#include <stdio.h>
#include "count.h"
int count(const char *text) { int n = 0; while (*text) n += *text++ == 'x'; printf("%d in %s\\n", n, __FILE__); return n; }
`,
};

/**
 * The usual steps over `unitFiles`: relative and absolute paths, with and without debug information.
 * @param {{ cc: string, cxx: string }} family
 * @param {string} root
 * @returns {CaseStep[]}
 */
function unitSteps({ cc, cxx }, root) {
  const cxxFlags = ['-std=c++17', '-O2', '-g', '-Wall', '-Iinclude', '-MD', '-MF', 'square.o.d'];
  return [
    { argv: [cxx, ...cxxFlags, '-o', 'square.o', '-c', 'src/square.cc'] },
    {
      argv: [cxx, '-O0', '-g', `-I${root}/include`, '-MMD', '-o', `${root}/absolute.o`, '-c', `${root}/src/square.cc`],
    },
    { argv: [cc, '-O2', '-c', '-MMD', '-MP', '-MT', 'a target', '-o', 'count.o', 'src/count.c'] },
  ];
}

/** @param {string} folder */
function writable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * All cases that this machine can run, and why others are left out.
 * @param {{ quick: boolean }} options
 * @returns {{ cases: IdentityCase[], leftOut: string[] }}
 */
export function identityCases({ quick }) {
  const folder = join(tmpdir(), `icets-case-${process.pid}`);
  const chosen = quick ? families.slice(0, 1) : families;
  /** @type {string[]} */
  const leftOut = [];
  const cases = [
    ...locations(chosen, leftOut),
    ...chosen.flatMap((family) => [symlinkedCheckout(family, folder), spaces(family, folder), modes(family, folder)]),
    ...reachedCompilers(folder, leftOut),
    ...chosen.flatMap((family) => locales(family, folder)),
    ...chosen.flatMap((family) => [pragmaOnce(family, folder, true), pragmaOnce(family, folder, false)]),
    ...chosen.flatMap((family) => options(family, folder)),
  ];
  return { cases, leftOut };
}

/**
 * @param {typeof families} chosen
 * @param {string[]} leftOut
 * @returns {IdentityCase[]}
 */
function locations(chosen, leftOut) {
  return ['/usr/src', '/tmp', '/home'].flatMap((parent) => {
    if (!writable(parent)) {
      leftOut.push(`a project below ${parent}: not writable`);
      return [];
    }
    const root = join(parent, `icets-case-${process.pid}`);
    return chosen.map((family) => ({
      name: `below ${parent}, ${family.name}`,
      root,
      files: unitFiles,
      steps: unitSteps(family, root),
    }));
  });
}

/**
 * @param {typeof families[number]} family
 * @param {string} root
 * @returns {IdentityCase}
 */
function symlinkedCheckout(family, root) {
  const seen = join(root, 'checkout');
  return {
    name: `symlinked checkout, ${family.name}`,
    root,
    files: Object.fromEntries(Object.entries(unitFiles).map(([path, text]) => [`real/of/it/${path}`, text])),
    prepare: async () => {
      await symlink('real/of/it', seen);
      await symlink('square.cc', join(root, 'real/of/it/src/also.cc'));
    },
    steps: [
      ...unitSteps(family, seen).map((step) => ({ ...step, cwd: seen })),
      {
        argv: [family.cxx, '-g', '-isystem', `${seen}/include`, '-MD', '-c', 'src/also.cc', '-o', 'also.o'],
        cwd: seen,
      },
      { argv: [family.cxx, '-g', '-MD', `-I${seen}/include`, '-c', `${seen}/src/square.cc`, '-o', 'outside.o'] },
    ],
  };
}

/**
 * @param {typeof families[number]} family
 * @param {string} parent
 * @returns {IdentityCase}
 */
function spaces({ name, cxx }, parent) {
  const root = `${parent} with  spaces`;
  return {
    name: `names with spaces, ${name}`,
    root,
    files: {
      'in clude/my shape.hh': unitFiles['include/shape.hh'],
      'the square $1 #2.cc': unitFiles['src/square.cc'].replace('shape.hh', 'my shape.hh'),
    },
    steps: [
      { argv: [cxx, '-g', '-Iin clude', '-MD', '-MF', 'dep file.d', '-c', 'the square $1 #2.cc', '-o', 'the out.o'] },
      { argv: [cxx, '-g', `-I${root}/in clude`, '-MD', '-c', `${root}/the square $1 #2.cc`] },
    ],
  };
}

/**
 * @param {typeof families[number]} family
 * @param {string} root
 * @returns {IdentityCase}
 */
function modes({ name, cc }, root) {
  const compile = (/** @type {string} */ output) => [cc, '-MMD', '-c', 'src/count.c', '-o', output];
  return {
    name: `objects that exist, umask, ${name}`,
    root,
    files: unitFiles,
    prepare: async () => {
      await writeWithMode(join(root, 'private.o'), 'old', 0o600);
      await writeWithMode(join(root, 'private.d'), 'old', 0o600);
      await writeWithMode(join(root, 'program.o'), 'old', 0o755);
      await writeWithMode(join(root, 'one.o'), 'old', 0o644);
      await link(join(root, 'one.o'), join(root, 'other-name.o'));
      await writeWithMode(join(root, 'target.o'), 'old', 0o640);
      await symlink('target.o', join(root, 'through-link.o'));
    },
    steps: [
      ...['private.o', 'program.o', 'one.o', 'through-link.o'].map((output) => ({ argv: compile(output) })),
      { argv: compile('closed.o'), umask: '077' },
      { argv: compile('open.o'), umask: '0' },
    ],
  };
}

/**
 * @param {string} root
 * @param {string[]} leftOut
 * @returns {IdentityCase[]}
 */
function reachedCompilers(root, leftOut) {
  const prefix = join(writable('/opt') ? '/opt' : tmpdir(), `icets-prefix-${process.pid}`);
  const square = ['-std=c++17', '-g', '-Iinclude', '-MD', '-c', 'src/square.cc', '-o', 'square.o'];
  const count = ['-g', '-MD', '-c', 'src/count.c', '-o', 'count.o'];
  /** @type {IdentityCase[]} */
  const cases = [];
  for (const [cc, cxx] of /** @type {const} */ ([
    ['cc', 'c++'],
    ['/usr/bin/cc', '/usr/bin/c++'],
    ['/etc/alternatives/cc', '/etc/alternatives/c++'],
  ])) {
    if (cc.startsWith('/') && !existsSync(cc)) {
      leftOut.push(`compiler ${cc}: not there`);
      continue;
    }
    const steps = [{ argv: [cxx, ...square] }, { argv: [cc, ...count] }];
    cases.push({ name: `compiler reached as ${cxx}`, root, files: unitFiles, steps });
  }
  cases.push(
    {
      name: 'compilers in a farm of symlinks',
      root: prefix,
      files: unitFiles,
      prepare: async () => {
        await mkdir(join(prefix, 'bin'));
        for (const name of ['gcc', 'g++', 'clang', 'clang++']) {
          await symlink(join('/usr/bin', name), join(prefix, 'bin', name));
        }
      },
      steps: [
        { argv: [join(prefix, 'bin/g++'), ...square] },
        { argv: [join(prefix, 'bin/clang'), ...count] },
        { argv: ['bin/clang++', '-stdlib=libstdc++', ...square.slice(0, -1), 'square2.o'] },
        { argv: ['gcc', ...count.slice(0, -1), 'count2.o'], env: { PATH: `${prefix}/bin:${process.env.PATH ?? ''}` } },
      ],
    },
    {
      name: 'gcc copied to a private prefix',
      root: prefix,
      files: unitFiles,
      prepare: copyGcc,
      steps: [{ argv: [join(prefix, 'bin/g++'), ...square] }, { argv: [join(prefix, 'bin/gcc'), '-O2', ...count] }],
    },
  );
  return cases;
}

/**
 * Copies the drivers, cc1, cc1plus and their libraries, so that they find each other relative to the new place.
 * @param {string} prefix
 */
async function copyGcc(prefix) {
  await mkdir(join(prefix, 'bin'));
  for (const driver of ['gcc', 'g++']) await cp(realpathSync(`/usr/bin/${driver}`), join(prefix, 'bin', driver));
  const asked = await mustRun(['gcc', '-print-prog-name=cc1plus']);
  const folder = dirname(String(asked.stdout).trim());
  const there = join(prefix, folder.replace(/^\/usr\//, ''));
  // What only links (archives, lto1) is not needed; the driver wants its linker plugin for -M as well.
  const filter = (/** @type {string} */ path) => !/\.a$|\/lto1$|gcov|\/(f951|gnat1|go1|cc1obj(plus)?)$/.test(path);
  await cp(folder, there, { recursive: true, verbatimSymlinks: true, filter });
  // The headers of libstdc++ lie outside, and the moved compiler looks for them at its new place.
  const verbose = await mustRun(['g++', '-E', '-v', '-x', 'c++', '/dev/null']);
  for (const line of String(verbose.stderr).split('\n')) {
    const headers = /^ (\/usr\/include\/(.*\/)?c\+\+\/.*)$/.exec(line)?.[1];
    if (headers === undefined || existsSync(join(prefix, headers.slice('/usr/'.length)))) continue;
    await cp(headers, join(prefix, headers.slice('/usr/'.length)), { recursive: true, verbatimSymlinks: true });
  }
}

/**
 * @param {typeof families[number]} family
 * @param {string} root
 * @returns {IdentityCase[]}
 */
function locales({ name, cc }, root) {
  const files = {
    'warns.c':
      'static int answer(void) { int unused = "text"; return \'ab\'; }\nint größe(void) { return unknown(); }\n',
  };
  const argv = [cc, '-Wall', '-Wextra', '-MMD', '-c', 'warns.c', '-o', 'warns.o'];
  const languages = ['C', 'C.UTF-8', 'en_US.UTF-8'];
  return [
    {
      name: `locales C, C.UTF-8, en_US.UTF-8, ${name}`,
      root,
      files,
      steps: [
        ...languages.map((locale) => ({ argv, env: { LC_ALL: locale } })),
        ...languages.map((locale) => ({ argv, env: { LANG: locale } })),
        { argv, env: { LANG: 'C', LC_CTYPE: 'en_US.UTF-8' } },
        { argv, env: { LC_ALL: 'xx_YY.UTF-8' } },
        { argv, env: { LANG: 'C.UTF-8', LC_ALL: '' } },
      ],
    },
  ];
}

/**
 * Two headers of equal content in two folders. gcc takes them for one file when their times are equal too, clang never
 * does; each copy that is read declares a variable of its own, so the object shows what happened.
 * @param {typeof families[number]} family
 * @param {string} root
 * @param {boolean} sameTime
 * @returns {IdentityCase}
 */
function pragmaOnce({ name, cc }, root, sameTime) {
  const header = '#pragma once\nSEEN(__COUNTER__)\n';
  return {
    name: `two equal #pragma once headers, ${sameTime ? 'one time' : 'two times'}, ${name}`,
    root,
    files: {
      'first/once.h': header,
      'second/once.h': header,
      'main.c': `#define PASTE(n) int seen_##n = n;
#define SEEN(n) PASTE(n)
#include "first/once.h"
#include "second/once.h"
int after = __COUNTER__;
`,
    },
    mtimes: sameTime ? {} : { 'first/once.h': 1_500_000_000, 'second/once.h': 1_500_000_100 },
    steps: [{ argv: [cc, '-MMD', '-c', 'main.c', '-o', 'main.o'] }],
  };
}

/**
 * @param {typeof families[number]} family
 * @param {string} root
 * @returns {IdentityCase[]}
 */
function options({ name, cc, cxx }, root) {
  const split = [cxx, '-g', '-gsplit-dwarf', '-Iinclude', '-MD', '-c'];
  return [
    {
      name: `-gsplit-dwarf, ${name}`,
      root,
      files: { ...unitFiles, 'out/.keep': '' },
      steps: [
        { argv: [...split, 'src/square.cc', '-o', 'out/square.o'] },
        { argv: [...split, `${root}/src/square.cc`, '-o', `${root}/out/other.cc.o`] },
      ],
    },
    {
      name: `-march=native, ${name}`,
      root,
      files: unitFiles,
      steps: ['-g', '-g0'].map((debug) => ({
        argv: [cxx, '-O3', debug, '-march=native', '-Iinclude', '-c', 'src/square.cc', '-o', `square${debug}.o`],
      })),
    },
    {
      name: `built in the source folder, ${name}`,
      root,
      files: unitFiles,
      steps: [
        { argv: [cc, '-g', '-c', '-MMD', 'count.c'], cwd: join(root, 'src') },
        { argv: [cxx, '-g', '-c', '-MD', '-I../include', 'square.cc'], cwd: join(root, 'src') },
        { argv: [cc, '-S', '-O2', 'count.c'], cwd: join(root, 'src') },
      ],
    },
    {
      name: `response files, ${name}`,
      root,
      files: {
        ...unitFiles,
        'all.rsp': '-g -Iinclude\n"-DTEXT=\\"two words\\"" @more.rsp\n',
        'more.rsp': "-MD -MF 'the dep.d' -c src/square.cc -o square.o",
      },
      steps: [{ argv: [cxx, '@all.rsp'] }, { argv: [cxx, '-O2', '-DMORE', '@all.rsp', '-std=c++20'] }],
    },
    {
      name: `kinds of dependency files, ${name}`,
      root,
      files: { ...unitFiles, 'out/.keep': '' },
      steps: [
        ['-MD', '-o', 'out/a.o'],
        ['-MMD', '-MP', '-MQ', 'a $ b', '-o', 'out/b.o'],
        ['-Wp,-MMD,out/.c.d', '-o', 'out/c.o'],
        ['-Wp,-MD,out/.e.d', '-o', 'out/e.o'],
        ['-MD', '-MF', `${root}/out/f.dep`, '-MT', 'x', '-MT', 'y', '-o', 'out/f.obj'],
        ['-MD'],
      ].map((extra) => ({ argv: [cc, '-g', '-c', 'src/count.c', ...extra] })),
    },
    {
      name: `assembler with a preprocessor, defines on the command line, ${name}`,
      root,
      files: {
        'low.S': '#include "low.h"\n.globl low\nlow: .long VALUE\n',
        'low.h': '#define VALUE 7\n',
        'uses.c':
          '#include HEADER\nconst char *text = TEXT; int v = VALUE; const char *f = __FILE__, *b = __BASE_FILE__;\n',
      },
      steps: [
        { argv: [cc, '-g', '-MD', '-c', 'low.S', '-o', 'low.o'] },
        { argv: [cc, '-g3', '-MD', '-DHEADER="low.h"', '-DTEXT="a \\"b\\" c"', '-c', './uses.c', '-o', 'uses.o'] },
        {
          argv: [
            cc,
            '-include',
            'low.h',
            '-DHEADER=<stdio.h>',
            '-DTEXT=0',
            '-I.',
            '-c',
            `${root}//uses.c`,
            '-o',
            'u.o',
          ],
        },
      ],
    },
  ];
}

/**
 * Makes sure that the locale en_US.UTF-8 exists; the answer removes it again when it was made here.
 * @returns {Promise<{ available: boolean, undo: () => Promise<void> }>}
 */
export async function ensureLocale() {
  const undo = async () => {};
  const known = await runCommand(['locale', '-a']);
  if (/^en_US\.utf-?8$/im.test(String(known.stdout))) return { available: true, undo };
  const made = await runCommand(['localedef', '-i', 'en_US', '-f', 'UTF-8', 'en_US.UTF-8']).catch(() => undefined);
  if (made?.code !== 0) return { available: false, undo };
  return {
    available: true,
    undo: async () => {
      await runCommand(['localedef', '--delete-from-archive', 'en_US.utf8']);
      const archive = '/usr/lib/locale/locale-archive';
      const left = await runCommand(['localedef', '--list-archive']);
      if (String(left.stdout).trim() === '') await rm(archive, { force: true });
    },
  };
}
