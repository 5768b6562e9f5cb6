// Asks the real compilers which files a command writes, and compares with what classifyCommand predicts.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { classifyCommand } from '../../src/compiler/classify.ts';
import type { ParsedCompile } from '../../src/compiler/parsed-compile.ts';
import { installedCompilers, runCompiler, type InstalledCompiler } from '../support/compilers.ts';

const code = 'int f(int x) { return x + 1; }\n';
const sources: Readonly<Record<string, string>> = {
  'a.c': `#include "h.h"\n${code}`,
  'a.b.c': code,
  'sub/s.c': code,
  'a.cc': code,
  'a.cpp': code,
  'p q.c': code,
  noext: code,
  '.hidden.c': code,
  't.S': '#define A 1\n.globl q\nq: .long A\n',
  'h.h': '#define H 1\n',
  'args.rsp': '-DX="a b" -MD\n-MF \'from rsp.d\'\n',
};

/** Every line is one command without the program's name; `only` names the family that accepts it. */
const matrix: readonly { readonly args: string; readonly only?: 'gcc' | 'clang' }[] = [
  ...combine(
    ['-c a.c', '-S a.c', '-c a.b.c', '-c sub/s.c', '-c a.cc', '-c -x c noext', '-c .hidden.c', '-c t.S'],
    ['', '-o x.o', '-o sub/x.y.z', '-o out.d/x', '-osub/x.cpp.o'],
    ['', '-MD', '-MMD -MP -MT tgt', '-MD -MF d/m.dep'],
  ),
  ...combine(
    ['-c a.c', '-S a.c', '-c t.S', '-c a.cpp -o sub/a.cpp.o', '-c a.c -o sub/x'],
    [
      '-gsplit-dwarf',
      '-g -gsplit-dwarf',
      '-gsplit-dwarf -g1',
      '-g3 -gsplit-dwarf -O2 -MD',
      '-g -gsplit-dwarf -g0',
      '-g0 -gsplit-dwarf -ggdb',
      '-g -gsplit-dwarf -gno-split-dwarf',
      '-ggdb3 -gsplit-dwarf -fstack-usage -MMD',
      '-gdwarf-4 -gsplit-dwarf',
      '-gdwarf-5 -gsplit-dwarf',
      '-gsplit-dwarf -g2 -g0 -g',
      '-fstack-usage',
      '-fstack-usage -O2 -g',
    ],
  ),
  ...combine(
    ['-c a.c', '-c a.c -o sub/x.o', '-S a.c'],
    [
      '-Wp,-MD,w.d',
      '-Wp,-MMD,d/w.d',
      '-Wp,-MD,w.d -MD',
      '-MMD -Wp,-MD,w.d',
      '-MD -MF m.d -Wp,-MD,w.d',
      '-Wp,-MD,w.d -MD -MF m.d',
      '-MD -MMD',
      '-MMD -MD',
      '-MF m.d -MD',
      '-MFm.d -MMD -MTx -MQ y',
      '-MD -MF m.d -MF n.d',
      '-Wp,-DA=1,-UB -MD',
    ],
  ),
  ...combine(['-c a.c', '-c a.c -o sub/x.o'], ['-Wp,-MF,x -MD', '-Wp,-MD,w.d,-MT,foo', '-Wp,-MMD,w.d -Wp,-MP -MD']).map(
    ({ args }) => ({ args, only: 'gcc' as const }),
  ),
  { args: '-c a.c @args.rsp' },
  { args: '-c "p q.c" -MD' },
  { args: '-c "p q.c" -o "sub/p q.o" -MD -g -gsplit-dwarf' },
  { args: '-S -g -gsplit-dwarf sub/s.c -o x.o' },
  { args: '-S -c -g -gsplit-dwarf sub/s.c -o x.o' },
  { args: '-c -g -gsplit-dwarf sub/s.c' },
  { args: '-c -S a.c' },
  { args: '-S -c a.c -MD' },
  { args: '-c a.c -pipe -MD' },
  { args: '-c a.c -include h.h -MMD' },
  { args: '-c a.c -Wa,--noexecstack -Wl,--as-needed -lm -L/tmp' },
  { args: '-c a.c -x c++' },
  { args: '-c -x c++ a.c -x none' },
  { args: '-c a.c -flto -frandom-seed=1 -g -gsplit-dwarf', only: 'gcc' },
  { args: '-c a.c -flto -ffat-lto-objects -frandom-seed=1 -fstack-usage', only: 'gcc' },
  { args: '-c a.c -flto -frandom-seed=1 -fstack-usage -MD', only: 'gcc' },
  { args: '-c a.c -flto -fno-lto -gsplit-dwarf -g', only: 'gcc' },
  ...combine(
    ['-c a.c', '-S a.c', '-c a.cc -o sub/x.o'],
    [
      '-flto',
      '-flto=thin -MD',
      '-flto -g -gsplit-dwarf',
      '-emit-llvm',
      '-emit-llvm -g -gsplit-dwarf',
      '-emit-llvm -fstack-usage',
      '-g -gsplit-dwarf=single',
      '-gsplit-dwarf=split -g',
      '-gsplit-dwarf -gline-tables-only',
      '-gsplit-dwarf -gmlt',
      '-gsplit-dwarf -gline-directives-only',
      '-gsplit-dwarf -glldb',
      '-gsplit-dwarf -gdwarf',
      '-gsplit-dwarf -gcodeview',
      '-gdwarf-4 -g0 -gsplit-dwarf -O2',
      '-g -gsplit-dwarf -gz',
      '-fno-integrated-as -g -gsplit-dwarf',
      '-fdebug-compilation-dir=.',
      '-mllvm -inline-threshold=100',
      '-Xclang -disable-llvm-passes -MD',
      '-fcolor-diagnostics -Qunused-arguments',
    ],
  ).map(({ args }) => ({ args, only: 'clang' as const })),
];

function combine(...lists: readonly (readonly string[])[]): { args: string }[] {
  let rows = [''];
  for (const list of lists) rows = rows.flatMap((row) => list.map((item) => `${row} ${item}`.trim()));
  return rows.map((args) => ({ args }));
}

/** Random mixtures of what both compilers accept; the same ones for the same `ICETS_FUZZ_SEED`. */
function mixtures(count: number): { args: string }[] {
  const pick = (...list: string[]) => fc.constantFrom(...list);
  const mixture = fc
    .tuple(
      pick('-c', '-S', '-c -S'),
      pick('a.c', 'a.b.c', 'sub/s.c', 'a.cc', 'a.cpp', '"p q.c"', '-x c noext -x none', '-xc++ a.c'),
      pick('', '-o x.o', '-osub/x.y.z', '-o out.d/x', '-o "sub/p q.o"'),
      fc.shuffledSubarray(
        [
          '-MD',
          '-MMD',
          '-MP',
          '-MF m.d',
          '-MT t',
          '-Wp,-MD,w.d',
          '-g',
          '-g0',
          '-ggdb3',
          '-gsplit-dwarf',
          '-fstack-usage',
        ].concat([
          '-gno-split-dwarf',
          '-O2',
          '-Wall',
          '-Iinc',
          '-DX=1',
          '-include h.h',
          '-fPIC',
          '-gdwarf-4',
          '-pipe',
          '-w',
        ]),
        { maxLength: 8 },
      ),
    )
    .filter(([, , , flags]) => {
      const asks = flags.some((flag) => /^-(MD|MMD|Wp)/.test(flag));
      return asks || !flags.some((flag) => /^-M[PFT]/.test(flag));
    })
    .map(([mode, source, output, flags]) => ({ args: [mode, ...flags, source, output].join(' ').trim() }));
  return fc.sample(mixture, { numRuns: count, seed: Number(process.env['ICETS_FUZZ_SEED'] ?? Date.now() % 1_000_000) });
}

/** Splits at spaces outside double quotes. */
function words(args: string): string[] {
  return [...args.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function makeFolder(root: string, name: string): string {
  const folder = join(root, name);
  for (const sub of ['sub', 'out.d', 'd']) mkdirSync(join(folder, sub), { recursive: true });
  for (const [path, text] of Object.entries(sources)) writeFileSync(join(folder, path), text);
  return folder;
}

/** undefined when prediction and compiler agree, else what differs. */
async function compare(
  compiler: InstalledCompiler,
  args: string,
  root: string,
  name: string,
): Promise<string | undefined> {
  const argv = words(args);
  const classified = classifyCommand({
    family: compiler.family,
    driverLanguage: compiler.driverLanguage,
    argv,
    env: {},
    readResponseFile: (path) => (path in sources ? Buffer.from(sources[path] ?? '') : undefined),
  });
  const label = `${compiler.program} ${args}`;
  if (classified.kind === 'local') return `${label}: local, ${classified.reason} (${classified.detail})`;
  const folder = makeFolder(root, name);
  const run = await runCompiler(compiler.program, argv, folder);
  if (run.code !== 0) return `${label}: exit ${run.code}: ${run.stderr.slice(0, 300)}`;
  const written = listFiles(folder).filter((path) => !(path in sources));
  const complaint = difference(classified, written);
  rmSync(folder, { recursive: true, force: true });
  return complaint === undefined ? undefined : `${label}: ${complaint}`;
}

function difference(compile: ParsedCompile, written: readonly string[]): string | undefined {
  const predicted = compile.outputs.map((file) => file.path);
  const surprising = written.filter((path) => !predicted.includes(path));
  const missing = compile.outputs.filter((file) => !file.optional && !written.includes(file.path));
  if (surprising.length === 0 && missing.length === 0) return undefined;
  return `wrote ${written.join(' ')}, predicted ${predicted.join(' ')}`;
}

describe('predicted outputs', () => {
  for (const compiler of installedCompilers()) {
    // g++ and clang++ differ from gcc and clang in the language alone: every fifth row is enough for them.
    const rows = matrix
      .filter((row) => row.only === undefined || row.only === compiler.family.kind)
      .filter((_row, index) => compiler.driverLanguage === 'c' || index % 5 === 0);
    const random = compiler.driverLanguage === 'c' ? mixtures(60) : [];
    rows.push(...random);
    test(`${compiler.program} writes exactly the predicted files for ${rows.length} commands`, async () => {
      const root = mkdtempSync(join(tmpdir(), 'icets-compiler-outputs-'));
      const complaints: string[] = [];
      let next = 0;
      const work = async () => {
        for (let index = next++; index < rows.length; index = next++) {
          const complaint = await compare(compiler, rows[index]?.args ?? '', root, String(index));
          if (complaint !== undefined) complaints.push(complaint);
        }
      };
      await Promise.all([work(), work()]);
      if (complaints.length === 0) rmSync(root, { recursive: true, force: true });
      else console.error(`kept ${root}`);
      expect(complaints).toEqual([]);
    }, 240_000);
  }
});
