// Asks the real compilers whether a compile with its outputs in a private folder leaves and prints the bytes of the original.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../src/compiler/classify.ts';
import { privateCommand } from '../../src/compiler/private-command.ts';
import { installedCompilers, runCompiler, type InstalledCompiler } from '../support/compilers.ts';

const sources: Readonly<Record<string, string>> = {
  'a.c': '#include <stddef.h>\n#include "h.h"\nstatic int unused;\nint f(int x) { int y; return x + y; }\n',
  'sub/s.cc': '#include "../h.h"\nnamespace { int g() { return H; } }\nint f(int x) { return x + g(); }\n',
  't.S': '#include "h.h"\n.globl q\nq: .long H\n',
  'h.h': '#define H 1\n',
};

/** Every line is one command without the program's name; `only` names the family that accepts it. */
const matrix: readonly { readonly args: string; readonly only?: 'gcc' | 'clang' }[] = [
  ...['-c sub/s.cc', '-S a.c', '-c t.S', '-c -o o/x$y.o a.c'].flatMap((base) =>
    ['', '-MD', '-MMD -MP', '-MD -MF d/m.dep', '-MMD -MT tgt -MFd/m.dep', '-MD -MQ q$t -MT u', '-g -O2 -MD'].map(
      (more) => ({ args: `${base} ${more}` }),
    ),
  ),
  ...['-Wp,-MMD,d/w.d', '-MMD -Wp,-MD,w.d', '-Wp,-MD,w.d -MD -MF m.d', '-g -Wp,-MMD,.w.d -Wp,-DX=1'].flatMap((more) => [
    { args: `-c a.c ${more}` },
    { args: `-c a.c -o o/x.o ${more}` },
  ]),
  { args: '-c a.c -o o/x.o -Wp,-MD,w.d,-MT,one,-MQ,two', only: 'gcc' },
  { args: '-MD -c a.c -o o/x.o -Wp,-MT,one', only: 'gcc' },
  { args: '-c a.c -Wall -Wextra -O2 -fdiagnostics-color=always -o o/x.o' },
  { args: '-c a.c -fstack-usage -o o/x.o', only: 'gcc' },
  { args: '-c a.c -fstack-usage -MD', only: 'gcc' },
  { args: '-S -fverbose-asm -g -O1 a.c -o o/x.s' },
  { args: '-c a.c -g3 -gz -ffunction-sections -o o/x.o' },
  { args: '-c a.c -fpic -pipe -save-temps=', only: 'clang' },
  { args: '-c a.c -flto -frandom-seed=a.o -o o/x.o', only: 'gcc' },
  { args: '-c a.c -flto -o o/x.o', only: 'clang' },
];

async function trial(compiler: InstalledCompiler, args: string): Promise<string> {
  const base = mkdtempSync(join(tmpdir(), 'icets-private-'));
  try {
    const cwd = join(base, 'work');
    for (const folder of ['sub', 'o', 'd']) mkdirSync(join(cwd, folder), { recursive: true });
    for (const [name, text] of Object.entries(sources)) writeFileSync(join(cwd, name), text);
    const argv = args.split(' ').filter((word) => word !== '');
    const { family, driverLanguage } = compiler;
    const parsed = classifyCommand({ family, driverLanguage, argv, env: {}, readResponseFile: () => undefined });
    if (parsed.kind === 'local') return `local: ${parsed.reason}`;
    const original = await runCompiler(compiler.program, argv, cwd);
    if (original.code !== 0) return `the original failed: ${original.stderr}`;
    const before = readdirSync(cwd, { recursive: true }).sort();
    const folder = join(base, 'private');
    mkdirSync(folder);
    const again = privateCommand(parsed, folder);
    if (!again.ok) return `refused: ${again.error.reason}`;
    const run = await runCompiler(compiler.program, again.value.argv, cwd);
    if (JSON.stringify(run) !== JSON.stringify(original)) return `printed ${run.stderr} for ${original.stderr}`;
    for (const { role, path, optional } of parsed.outputs) {
      const private_ = again.value.outputs.get(role)!;
      if (optional && !existsSync(join(cwd, path)) && !existsSync(private_)) continue;
      if (!readFileSync(private_).equals(readFileSync(join(cwd, path)))) return `another ${role}`;
    }
    if (readdirSync(folder).length !== parsed.outputs.length) return `further files: ${readdirSync(folder).join(' ')}`;
    const after = readdirSync(cwd, { recursive: true }).sort();
    return JSON.stringify(after) === JSON.stringify(before) ? 'same' : `the working directory has ${after.join(' ')}`;
  } finally {
    rmSync(base, { recursive: true });
  }
}

describe.each(installedCompilers())('a private run of $program', (compiler) => {
  test('leaves the bytes of the original and nothing beside them', async () => {
    const found: Record<string, string> = {};
    for (const { args, only } of matrix) {
      if (only === undefined || only === compiler.family.kind) found[args] = await trial(compiler, args);
    }
    const unlike = Object.entries(found).filter(([, outcome]) => outcome !== 'same');
    const expected = compiler.family.kind === 'clang' ? [['-c a.c -fpic -pipe -save-temps=', 'local: save-temps']] : [];
    expect(unlike).toEqual(expected);
  });

  test('is refused where an option shows the name of an output', async () => {
    const refusals = ['-c a.c -g -gsplit-dwarf', '-c a.c -g -gsplit-dwarf -o o/x.o -MD'];
    const found = await Promise.all(refusals.map((args) => trial(compiler, args)));
    expect(found).toEqual(['refused: split-dwarf', 'refused: split-dwarf']);
    expect(await trial(compiler, '-c a.c -frecord-gcc-switches -O1')).toBe('refused: records-command-line');
  });
});
