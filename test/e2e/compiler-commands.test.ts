// Asks the real compilers whether the commands made from a compile do what src/compiler says they do.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../src/compiler/classify.ts';
import { dependencyCommand } from '../../src/compiler/dependency-command.ts';
import { depfilePrerequisites } from '../../src/compiler/depfile.ts';
import { nativeCandidates, parseCommands, sameCommands, showCommands } from '../../src/compiler/native-flags.ts';
import { environmentDirectories } from '../../src/compiler/environment.ts';
import { findOption } from '../../src/compiler/options.ts';
import type { ParsedCompile } from '../../src/compiler/parsed-compile.ts';
import { remoteCommand } from '../../src/compiler/remote-command.ts';
import { expandResponseFiles } from '../../src/compiler/response-file.ts';
import { parseSearchList, searchQueryCommand } from '../../src/compiler/search-query.ts';
import { installedCompilers, runCompiler, type InstalledCompiler } from '../support/compilers.ts';

const compilers = installedCompilers();
const gcc = compilers.find(({ program }) => program === 'gcc');
const clang = compilers.find(({ program }) => program === 'clang');
let folder = '';
let failed = false;

const files: Readonly<Record<string, string>> = {
  'a.c':
    '#include <stdio.h>\n#include "odd $ name#1.h"\n#include <sp.h>\nint f(int x) { return printf("%d %s", x, __FILE__); }\n',
  'b.cc':
    '#include <string>\n#include <sp.h>\nnamespace { struct S { std::string s; S(); }; S::S() {} S one; }\nint g() { return H; }\n',
  't.S': '#include "odd $ name#1.h"\n.globl q\nq: .long ODD\n',
  'v.c':
    '#include "pre.h"\nint h(float *a, float *b, int n) { int i; for (i = 0; i < n; i++) a[i] += b[i]; return PRE; }\n',
  'odd $ name#1.h': '#define ODD 1\n',
  'pre.h': '#define PRE 1\n',
  'inc dir/sp.h': '#define H 2\n',
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'icets-compiler-commands-'));
  mkdirSync(join(folder, 'inc dir'));
  mkdirSync(join(folder, 'sub'));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
});

afterAll(() => {
  if (failed) console.error(`kept ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
});

function parse(compiler: InstalledCompiler, argv: readonly string[]): ParsedCompile {
  const { family, driverLanguage } = compiler;
  const classified = classifyCommand({ family, driverLanguage, argv, env: {}, readResponseFile: () => undefined });
  if (classified.kind === 'local') throw new Error(`${argv.join(' ')}: ${classified.reason} ${classified.detail}`);
  return classified;
}

/** Runs and returns the bytes of the object and of its .dwo. */
async function compile(compiler: InstalledCompiler, argv: readonly string[]): Promise<string> {
  const run = await runCompiler(compiler.program, argv, folder);
  if (run.code !== 0) throw new Error(`${compiler.program} ${argv.join(' ')}: ${run.stderr}`);
  const read = (path: string) =>
    existsSync(join(folder, path)) ? readFileSync(join(folder, path)).toString('base64') : '';
  const bytes = `${read('sub/x.o')}|${read('sub/x.dwo')}|${run.stderr}`;
  for (const path of ['sub/x.o', 'sub/x.dwo', 'sub/x.su']) rmSync(join(folder, path), { force: true });
  return bytes;
}

async function remember(check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    failed = true;
    throw error;
  }
}

describe('the -M run', () => {
  test.each(compilers)('$program lists with it exactly what -MD lists', (compiler) =>
    remember(async () => {
      for (const command of [
        ['-c', 'a.c', '-Iinc dir', '-o', 'sub/x.o'],
        ['-c', 'b.cc', '-Iinc dir', '-o', 'sub/x.o', '-g', '-O2', '-gsplit-dwarf', '-fstack-usage', '-Wp,-DX=1'],
        ['-S', 'a.c', '-isystem', 'inc dir', '-include', 'pre.h', '-o', 'sub/x.o', '-D', 'Z=1', '-Wall'],
        ['-c', 't.S', '-osub/x.o', '-Wa,--noexecstack'],
      ]) {
        const argv = [...command, '-MD', '-MP', '-MF', 'sub/x.d', '-MTfoo'];
        const parsed = parse(compiler, argv);
        await compile(compiler, argv);
        const expected = depfilePrerequisites(readFileSync(join(folder, 'sub/x.d'), 'utf8'));
        const run = await runCompiler(compiler.program, dependencyCommand(parsed), folder);
        // clang++ says in both runs that .c is deprecated for it.
        expect(run.stderr).not.toContain('error');
        expect(depfilePrerequisites(run.stdout)).toEqual(expected);
        expect(expected.every((path) => existsSync(join(folder, path)) || existsSync(path))).toBe(true);
        const toFile = await runCompiler(compiler.program, dependencyCommand(parsed, 'sub/m.d'), folder);
        expect(toFile).toMatchObject({ code: 0, stdout: '' });
        expect(depfilePrerequisites(readFileSync(join(folder, 'sub/m.d'), 'utf8'))).toEqual(expected);
      }
    }),
  );

  test.each(compilers)('$program writes spaces, dollars and hashes in a way that comes back', (compiler) =>
    remember(async () => {
      const parsed = parse(compiler, ['-c', 'a.c', '-Iinc dir']);
      const run = await runCompiler(compiler.program, dependencyCommand(parsed), folder);
      expect(depfilePrerequisites(run.stdout)).toEqual(expect.arrayContaining(['odd $ name#1.h', 'inc dir/sp.h']));
    }),
  );
});

describe('the remote command', () => {
  const both = [
    '-O0',
    '-O2 -g',
    '-g3',
    '-S -g -fverbose-asm',
    '-g -gsplit-dwarf',
    '-flto -frandom-seed=1 -g',
    '-O2 -pg',
  ];
  const rows = compilers.flatMap((compiler) =>
    [
      ...both,
      '-frecord-gcc-switches',
      ...(compiler.family.kind === 'clang' ? ['-flto', '-grecord-command-line -g'] : []),
    ].map((flags) => ({ compiler, program: compiler.program, flags })),
  );
  test.each(rows)('$program $flags gives the object of the plain command', ({ compiler, flags }) =>
    remember(async () => {
      for (const source of ['a.c', 'b.cc', 't.S']) {
        if (source === 't.S' && flags.includes('-S')) continue;
        const argv = [
          ...flags.split(' '),
          ...(flags.includes('-S') ? [] : ['-c']),
          source,
          '-Iinc dir',
          '-o',
          'sub/x.o',
        ];
        const remote = remoteCommand(parse(compiler, argv), 'sub/proof.d');
        expect(await compile(compiler, remote.argv)).toBe(await compile(compiler, argv));
        if (remote.proof.kind === 'scratch') {
          expect(depfilePrerequisites(readFileSync(join(folder, 'sub/proof.d'), 'utf8'))).toContain(source);
        }
      }
    }),
  );

  test('adding a dependency list to a command that clang records would change its object', () =>
    remember(async () => {
      if (clang === undefined) return;
      const argv = ['-c', 'a.c', '-Iinc dir', '-o', 'sub/x.o', '-frecord-gcc-switches'];
      expect(remoteCommand(parse(clang, argv), 'p.d').proof).toEqual({ kind: 'none' });
      expect(await compile(clang, ['-MD', '-MF', 'sub/p.d', ...argv])).not.toBe(await compile(clang, argv));
    }));

  test('gcc with -flto alone gives two different objects, with a seed and in clang it does not', () =>
    remember(async () => {
      const argv = ['-c', 'a.c', '-Iinc dir', '-o', 'sub/x.o', '-flto', '-O2'];
      if (gcc !== undefined) {
        expect(await compile(gcc, argv)).not.toBe(await compile(gcc, argv));
        expect(await compile(gcc, [...argv, '-frandom-seed=a'])).toBe(await compile(gcc, [...argv, '-frandom-seed=a']));
      }
      if (clang !== undefined) expect(await compile(clang, argv)).toBe(await compile(clang, argv));
    }));
});

describe('native flags', () => {
  const rows = compilers.flatMap((compiler) =>
    ['-march=native', '-march=native -mtune=native -mno-avx', '-mtune=native', '-march=native -mtune=generic'].map(
      (flags) => ({
        compiler,
        program: compiler.program,
        flags,
      }),
    ),
  );
  test.each(rows)(
    '$program $flags is replaced by something that gives the same object with -g',
    ({ compiler, flags }) =>
      remember(async () => {
        const argv = ['-c', 'v.c', '-O3', '-g', ...flags.split(' '), '-o', 'sub/x.o', '-MD', '-fPIC'];
        const parsed = parse(compiler, argv);
        const show = async (args: readonly string[]) =>
          (await runCompiler(compiler.program, showCommands(args), folder)).stderr;
        const original = await show(argv);
        expect(sameCommands(original, await show(argv), compiler.family.kind)).toBe(true);
        expect(sameCommands(original, await show([...argv, '-mno-sse4.2']), compiler.family.kind)).toBe(false);
        const verified = [];
        for (const candidate of nativeCandidates(parsed, original, join(folder, 'native.specs'))) {
          if (candidate.specs !== undefined) writeFileSync(candidate.specs.path, candidate.specs.content);
          if (sameCommands(original, await show(candidate.argv), compiler.family.kind)) verified.push(candidate);
        }
        // Whether an expansion exists depends on processor and compiler; on x86 with these compilers it does.
        if (process.arch === 'x64') expect(verified.length).toBeGreaterThan(0);
        for (const candidate of verified) {
          if (candidate.specs !== undefined) {
            expect(candidate.specs.content).not.toContain('local_cpu_detect');
          } else {
            expect(candidate.argv.join(' ')).not.toMatch(/=native/);
          }
          expect(await compile(compiler, candidate.argv)).toBe(await compile(compiler, argv));
        }
      }),
  );
});

describe('the search query', () => {
  test.each(compilers)('$program answers with its directories and macros', (compiler) =>
    remember(async () => {
      const argv = [
        '-c',
        'a.c',
        '-Iinc dir',
        '-iquote',
        'sub',
        '-isystem/nowhere',
        '-DX=1',
        '-include',
        'pre.h',
        '-O2',
      ];
      const query = searchQueryCommand(parse(compiler, argv));
      const run = await runCompiler(compiler.program, query, folder);
      expect(run.code).toBe(0);
      expect(run.stdout).toContain('#define __OPTIMIZE__ 1');
      expect(run.stdout).not.toContain('#define X 1');
      const list = parseSearchList(run.stderr);
      expect(list?.quote).toEqual(['sub']);
      expect(list?.angle[0]).toBe('inc dir');
      expect(list?.angle).toContain('/usr/include');
      expect(list?.nonexistent).toContain('/nowhere');
    }),
  );
});

describe('search directories of the environment', () => {
  test.each(compilers)('$program searches them where environmentDirectories says', (compiler) =>
    remember(async () => {
      for (const name of ['e1', 'e2', 'e3', 'e4']) mkdirSync(join(folder, name), { recursive: true });
      const env = { CPATH: 'e1:', C_INCLUDE_PATH: 'e2:e4', CPLUS_INCLUDE_PATH: 'e3:e4' };
      for (const source of ['a.c', 'b.cc', 't.S']) {
        const parsed = parse(compiler, ['-c', source, '-Iinc dir', '-isystem', 'sub']);
        const { stderr } = await runCompiler(compiler.program, searchQueryCommand(parsed), folder, env);
        const added = environmentDirectories(env, parsed.language, compiler.family.kind);
        const after = (place: string) => added.filter((each) => each.after === place).map((each) => each.path);
        const expected = ['inc dir', ...after('I'), 'sub', ...after('isystem')];
        expect(parseSearchList(stderr)?.angle.slice(0, expected.length)).toEqual(expected);
      }
    }),
  );
});

describe('response files', () => {
  const texts = [
    '-DA -DB',
    '-D"A B" \'-DC D\' -DE\\ F',
    '-DA=\'"x"\' -DB="\'y\'"',
    '-DA\\\\B -D"C\\"D" -D\'E\\\'F\'',
    '  -DA\t-DB\r\n-DC\n\n',
    '-DX="" -DY=a""b',
    "-DA@B '-D$HOME'",
    '-DA -D"B\nC"',
    '-DA\\\n-DB',
  ];
  test.each(compilers)('$program splits them as expandResponseFiles does', (compiler) =>
    remember(async () => {
      for (const text of texts) {
        writeFileSync(join(folder, 'r.rsp'), text);
        const read = (path: string) => (path === 'r.rsp' ? Buffer.from(text) : undefined);
        const expanded = expandResponseFiles(['-c', 'v.c', '@r.rsp'], compiler.family.kind, read);
        if (!expanded.ok) throw new Error(expanded.error);
        const show = async (argv: readonly string[]) => {
          const { stderr } = await runCompiler(compiler.program, ['-###', ...argv], folder);
          return parseCommands(stderr)[0]?.filter((word) => !word.includes('/cc'));
        };
        // gcc writes the front end's words to a file of its own when it was given one: the text of -### still has them.
        expect({ text, words: await show(['-c', 'v.c', '@r.rsp']) }).toEqual({
          text,
          words: await show(expanded.value.argv),
        });
      }
    }),
  );
});

describe('the option table', () => {
  test('knows every separate argument that gcc lists, or does not know the option at all', () =>
    remember(async () => {
      if (gcc === undefined) return;
      const { stdout } = await runCompiler('gcc', ['--help=separate'], folder);
      const names = [...stdout.matchAll(/^ {2}(-[\w+-]+=?)/gm)].map((match) => match[1] ?? '');
      expect(names.length).toBeGreaterThan(30);
      // The driver gives these their file itself, or they belong to languages that stay local anyway.
      const driverOnly = new Set(['-MD', '-MMD']);
      const wrong = names.filter((name) => !driverOnly.has(name) && !takesNextOrLocal(name, 'gcc'));
      expect(wrong).toEqual([]);
    }));

  test('knows every separate argument that clang lists, or does not know the option at all', () =>
    remember(async () => {
      if (clang === undefined) return;
      const { stdout } = await runCompiler('clang', ['--help-hidden'], folder);
      const names = [...stdout.matchAll(/^ {2}(--?[\w+-]+) </gm)].map((match) => match[1] ?? '');
      expect(names.length).toBeGreaterThan(50);
      expect(names.filter((name) => !takesNextOrLocal(name, 'clang'))).toEqual([]);
    }));

  test('gcc has no target option with a separate argument', () =>
    remember(async () => {
      if (gcc === undefined) return;
      const { stdout } = await runCompiler('gcc', ['--help=target,separate'], folder);
      expect([...stdout.matchAll(/^ {2}(-[\w+-]+)/gm)].map((match) => match[1])).toEqual([]);
    }));
});

function takesNextOrLocal(name: string, kind: 'gcc' | 'clang'): boolean {
  const spec = findOption(name, kind);
  return spec === undefined || spec.meaning.kind === 'local' || spec.shape === 'separate' || spec.shape === 'either';
}
