// The compiled launcher in the user's cache: found, or compiled from src/launcher with the user's own cc.
// bin/icets (scripts/launcher-shim.sh.in) does the same in sh, with the same names.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';

export interface LauncherBinaryOptions {
  /** the package root: has src/launcher, and dist/ once it is built */
  readonly home: string;
  /** compiled into the binary and part of its name, see `buildHash` */
  readonly hash: string;
  /** PATH, HOME, XDG_CACHE_HOME, TMPDIR are looked at */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** the only linkage to try, by name; the first one that works without it */
  readonly linkage?: string;
}

/** One way of compiling launcher.c: a line of src/launcher/linkages. */
export interface Linkage {
  readonly name: string;
  /** for the compiler, beside `-O1`, the version, the output and the source */
  readonly args: readonly string[];
}

export type LauncherBinaryFailure =
  | { readonly reason: 'no-compiler'; readonly message: string }
  | { readonly reason: 'compile-failed'; readonly message: string }
  | { readonly reason: 'no-folder'; readonly message: string };

/**
 * The build that launcher and agent must share: dist/build.hash, which scripts/build.sh writes, else (nothing is built)
 * that of src/launcher alone. Twelve hexadecimal digits.
 */
export function buildHash(home: string): string {
  try {
    const written = readFileSync(`${home}/dist/build.hash`, 'utf8').trim();
    if (/^[0-9a-f]{12}$/.test(written)) return written;
  } catch {
    // Not built.
  }
  const folder = `${home}/src/launcher`;
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(readFileSync(`${folder}/${name}`));
  return hash.digest('hex').slice(0, 12);
}

/** The ways of compiling the launcher in the order in which they are tried; throws where there is no package. */
export function readLinkages(home: string): readonly Linkage[] {
  const lines = readFileSync(`${home}/src/launcher/linkages`, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [name = '', ...args] = line.split(' ').filter((word) => word !== '');
    return name === '' || name.startsWith('#') ? [] : [{ name, args }];
  });
}

/** Where launchers are kept, or undefined when the environment names no such folder. */
export function launcherFolder(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const cache = env['XDG_CACHE_HOME'];
  if (cache !== undefined && cache.startsWith('/')) return `${cache}/icets`;
  const user = env['HOME'];
  return user !== undefined && user.startsWith('/') ? `${user}/.cache/icets` : undefined;
}

/** Path of a launcher that runs on this machine, or why there is none. */
export async function findLauncherBinary(
  options: LauncherBinaryOptions,
): Promise<Result<string, LauncherBinaryFailure>> {
  const { home, hash, env } = options;
  const name = `launcher-${hash}`;
  const folders = [launcherFolder(env), `${home}/dist`].filter((folder) => folder !== undefined);
  for (const folder of folders) {
    if (isExecutable(`${folder}/${name}`) && rootOf(`${folder}/${name}`) !== undefined) return ok(`${folder}/${name}`);
  }
  const folder = folders.find(isWritableFolder);
  if (folder === undefined) return err({ reason: 'no-folder', message: `cannot write to ${folders.join(' or ')}` });
  const compiler = findCompiler(env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin');
  if (compiler === undefined) return err({ reason: 'no-compiler', message: 'no cc, gcc or clang on PATH' });

  const binary = `${folder}/${name}`;
  const temporary = `${binary}.tmp.${process.pid}`;
  try {
    const compiled = await compile(compiler, options, temporary);
    if (!compiled.ok) return compiled;
    writeFileSync(`${temporary}.home`, `${home}\n${process.execPath}\n${compiled.value}\n`);
    renameSync(`${temporary}.home`, `${binary}.home`);
    renameSync(temporary, binary);
    return ok(binary);
  } catch (error) {
    return err({ reason: 'no-folder', message: (error as Error).message });
  } finally {
    rmSync(temporary, { force: true });
    rmSync(`${temporary}.home`, { force: true });
  }
}

/** Answers the name of the linkage that gave a program which runs: the first of them that does. */
async function compile(
  compiler: string,
  { home, hash, env, linkage: only }: LauncherBinaryOptions,
  output: string,
): Promise<Result<string, LauncherBinaryFailure>> {
  // Only what a compiler needs: the build's own CPATH and the like have no business here.
  const names = ['PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH'];
  const clean: Record<string, string> = { ICETS_DISABLE: '1' };
  for (const name of names) if (env[name] !== undefined) clean[name] = env[name];
  let message = `no linkage ${only ?? ''}`;
  for (const { name, args } of readLinkages(home)) {
    if (only !== undefined && only !== name) continue;
    const words = ['-O1', ...args, `-DICETS_VERSION="${hash}"`, '-o', output, launcherSource(home)];
    const built = await runQuietly(compiler, words, clean);
    const works = built === undefined ? await runQuietly(output, ['--spawner'], {}) : built;
    if (works === undefined) return ok(name);
    message = works;
  }
  return err({ reason: 'compile-failed', message });
}

/** Runs a program with nothing on its input; answers what went wrong, if anything did. */
function runQuietly(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { env, timeout: 60_000 }, (error, _stdout, stderr) => {
      resolve(error === null ? undefined : stderr.trim().split('\n')[0] || error.message);
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end();
  });
}

function findCompiler(path: string): string | undefined {
  for (const name of ['cc', 'gcc', 'clang']) {
    for (const folder of path.split(':')) {
      const candidate = `${folder === '' ? '.' : folder}/${name}`;
      if (!isExecutable(candidate)) continue;
      const real = basename(realpathSync(candidate));
      if (real !== 'icets' && !real.startsWith('launcher-')) return candidate;
    }
  }
  return undefined;
}

function launcherSource(home: string): string {
  return `${home}/src/launcher/launcher.c`;
}

/** The package root that a launcher belongs to, if that still exists. */
function rootOf(binary: string): string | undefined {
  try {
    const root = readFileSync(`${binary}.home`, 'utf8').split('\n')[0] ?? '';
    accessSync(launcherSource(root), constants.R_OK);
    return root;
  } catch {
    return undefined;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isWritableFolder(folder: string): boolean {
  // Not mkdir's own recursion: Node 20 never returns from it below /proc.
  for (const level of [dirname(folder), folder]) {
    try {
      mkdirSync(level, { mode: 0o700 });
    } catch {
      // It is there, or the check below finds that it is not.
    }
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
