// Asks a program what it is: gcc or clang, which version, for which target, or a wrapper round one.
// Unaware of what the compiler needs to run elsewhere.

import { realpathSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { CompilerFamily, DriverLanguage } from '../compiler/compiler-family.ts';
import type { Processes } from '../model/processes.ts';
import { isScript, readElfHeader } from './elf.ts';
import { linkChain } from './program-path.ts';
import type { ToolchainFailure } from './toolchain-package.ts';

export interface CompilerAnswers {
  readonly family: CompilerFamily;
  readonly driverLanguage: DriverLanguage;
  readonly program: string;
  readonly chain: readonly string[];
  readonly name: string;
  /** files that the driver says it reads: spec and configuration files */
  readonly readFiles: readonly string[];
  /** `clang -v`: candidates for the gcc whose libraries it uses, as printed */
  readonly gccInstallations: readonly string[];
}

/** Programs that stand in front of compilers. */
const wrapperNames = new Set([
  'ccache',
  'sccache',
  'icecc',
  'icerun',
  'distcc',
  'pump',
  'nocc',
  'icets',
  'launcher',
  'gomacc',
  'rewrapper',
  'recc',
  'buildcache',
  'colorgcc',
  'scan-build',
  'busybox',
]);

/** Environment for asking: nothing that changes what the compiler says about itself, except how it finds its libraries. */
export function askingEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  const asking: Record<string, string> = { LC_ALL: 'C', PATH: env['PATH'] ?? '/usr/bin:/bin' };
  for (const name of ['LD_LIBRARY_PATH', 'TMPDIR', 'HOME']) {
    const value = env[name];
    if (value !== undefined) asking[name] = value;
  }
  return asking;
}

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a compiler for an answer; undefined when it could not be run to its end. */
export async function ask(
  processes: Processes,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Answer | undefined> {
  const ran = await processes.run({ argv, env, cwd, outputLimitBytes: 16 << 20, timeoutMs: 60_000 });
  if (!ran.ok || ran.value.status.kind !== 'exited' || ran.value.truncated) return undefined;
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');
  return { code: ran.value.status.code, stdout: text(ran.value.stdout), stderr: text(ran.value.stderr) };
}

/**
 * @param path absolute path of the program
 * @param workFolder an existing or creatable folder for the empty source that is asked about
 */
export async function identifyCompiler(
  processes: Processes,
  path: string,
  env: Readonly<Record<string, string>>,
  workFolder: string,
): Promise<Result<CompilerAnswers, ToolchainFailure>> {
  const chain = linkChain(path);
  let program: string;
  try {
    program = realpathSync(path);
  } catch {
    return unknown(`${path} does not exist`);
  }
  if (wrapperNames.has(basename(program).replace(/[-_]\d[\d.]*$/, ''))) return wrapper(`${program} is a wrapper`);
  if (isScript(program)) return wrapper(`${program} is a script`);
  if (readElfHeader(program) === undefined) return unknown(`${program} is no ELF program`);

  await mkdir(workFolder, { recursive: true, mode: 0o700 });
  await writeFile(join(workFolder, 'empty.c'), '');
  const asking = askingEnvironment(env);
  const [version, verbose] = await Promise.all([
    ask(processes, [path, '--version'], asking, workFolder),
    ask(processes, [path, '-v', '-###', '-c', 'empty.c'], asking, workFolder),
  ]);
  const said = verbose?.stderr ?? '';
  const target = /^Target: (.*)$/m.exec(said)?.[1]?.trim();
  if (version?.code !== 0 || verbose?.code !== 0 || target === undefined) {
    return unknown(`${path} does not answer like gcc or clang`);
  }
  const gcc = /^gcc version (\d+)((?:\.\d+)*)/m.exec(said);
  const clang = /\bclang version (\d+)((?:\.\d+)*)/m.exec(said);
  const found = gcc ?? clang;
  if (found === null) return unknown(`${path} is neither gcc nor clang`);
  const family: CompilerFamily = {
    kind: gcc !== null ? 'gcc' : 'clang',
    version: `${found[1]}${found[2]}`,
    major: Number(found[1]),
    target,
  };
  const innerProgram =
    family.kind === 'gcc'
      ? /^COLLECT_GCC=(.*)$/m.exec(said)?.[1]
      : /^ "((?:[^"\\]|\\.)*)" "-cc1"/m.exec(said)?.[1]?.replace(/\\(.)/g, '$1');
  if (innerProgram === undefined) return unknown(`${path} does not show its commands`);
  if (realPath(innerProgram) !== program) return wrapper(`${path} starts ${innerProgram}`);
  const cxx = family.kind === 'gcc' ? /\bcc1plus(?:"|\s)/.test(said) : /"-x" "c\+\+"/.test(said);
  return ok({
    family,
    driverLanguage: cxx ? 'c++' : 'c',
    program,
    chain,
    name: version.stdout.split('\n', 1)[0] ?? '',
    readFiles: [...lines(said, /^Reading specs from (.*)$/gm), ...lines(said, /^Configuration file: (.*)$/gm)],
    gccInstallations: lines(said, /^Found candidate GCC installation: (.*)$/gm),
  });
}

function lines(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ''))];
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function unknown(message: string): Result<never, ToolchainFailure> {
  return err({ reason: 'unknown-compiler', message });
}

function wrapper(message: string): Result<never, ToolchainFailure> {
  return err({ reason: 'compiler-wrapper', message });
}
