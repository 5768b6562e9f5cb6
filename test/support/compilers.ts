// The real compilers of this machine for tests of src/compiler: which are here, and a way to run them in a folder.

import { execFile, execFileSync } from 'node:child_process';
import type { CompilerFamily } from '../../src/compiler/compiler-family.ts';

export interface InstalledCompiler {
  readonly program: string;
  readonly family: CompilerFamily;
  readonly driverLanguage: 'c' | 'c++';
}

function ask(program: string, argv: readonly string[]): string | undefined {
  try {
    return execFileSync(program, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}

function find(program: string, kind: 'gcc' | 'clang', driverLanguage: 'c' | 'c++'): InstalledCompiler[] {
  const version = ask(program, kind === 'gcc' ? ['-dumpfullversion'] : ['-dumpversion'])?.trim();
  const target = ask(program, ['-dumpmachine'])?.trim();
  if (version === undefined || target === undefined) return [];
  return [{ program, driverLanguage, family: { kind, version, major: Number.parseInt(version, 10), target } }];
}

/** gcc, g++, clang and clang++, as far as they are installed. */
export function installedCompilers(): InstalledCompiler[] {
  return [
    ...find('gcc', 'gcc', 'c'),
    ...find('g++', 'gcc', 'c++'),
    ...find('clang', 'clang', 'c'),
    ...find('clang++', 'clang', 'c++'),
  ];
}

export interface CompilerRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a compiler in `cwd` in the C locale; never rejects. */
export function runCompiler(
  program: string,
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<CompilerRun> {
  return new Promise((resolve) => {
    const options = { cwd, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...env }, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, [...argv], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}
