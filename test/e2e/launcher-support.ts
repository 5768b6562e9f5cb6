// What the launcher's end-to-end tests share: both launchers built, a fake agent in this process or in one of its own.

import { execFileSync, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { findLauncherBinary } from '../../src/host/launcher-binary.ts';
import { serveLaunchers, type LauncherServer, type LauncherServerOptions } from '../../src/ipc/launcher-server.ts';

export const packageRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const testHash = 'abcdef012345';

/** Runs a test in a folder of its own, which stays (and is named) when the test fails. */
export async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(`${tmpdir()}/icets-launcher-`);
  try {
    await run(folder);
  } catch (error) {
    process.stderr.write(`work folder kept: ${folder}\n`);
    throw error;
  }
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
}

/** A launcher that can be started: a program and the words before its arguments. */
export interface Launcher {
  readonly name: string;
  readonly program: string;
  readonly words: readonly string[];
}

/** The launchers that there are: compiled without libc, with it, and in TypeScript. */
export const launcherKinds = ['launcher.c', 'launcher.c with libc', 'client.mjs'] as const;

export type LauncherKind = (typeof launcherKinds)[number];

/** The launcher of this kind, its package root being `home`. */
export async function makeLauncher(kind: LauncherKind, home: string): Promise<Launcher> {
  return kind === 'client.mjs'
    ? bundledLauncher(home)
    : compiledLauncher(home, kind === 'launcher.c' ? 'freestanding' : 'dynamic');
}

/** The compiled launcher, its package root being `home`. */
export async function compiledLauncher(home: string, linkage = 'freestanding'): Promise<Launcher> {
  const cache = `${packageRoot}/node_modules/.cache`;
  const found = await findLauncherBinary({
    home: packageRoot,
    hash: testHash,
    env: { ...process.env, XDG_CACHE_HOME: `${cache}/launcher-${sourceHash()}-${linkage}` },
    linkage,
  });
  if (!found.ok) throw new Error(found.error.message);
  mkdirSync(`${home}/bin`, { recursive: true });
  const binary = `${home}/bin/launcher-${testHash}`;
  execFileSync('cp', [found.value, binary]);
  writeFileSync(`${binary}.home`, `${home}\n${process.execPath}\n`);
  return { name: 'launcher.c', program: binary, words: [] };
}

function sourceHash(): string {
  const command = 'cat src/launcher/* | sha256sum | cut -c1-12';
  return execFileSync('sh', ['-c', command], { cwd: packageRoot, encoding: 'utf8' }).trim();
}

/** The launcher in TypeScript, bundled into `home`. */
export function bundledLauncher(home: string): Launcher {
  bundle('src/ipc/client-main.ts', `${home}/dist/client.mjs`);
  writeFileSync(`${home}/dist/build.hash`, `${testHash}\n`);
  return { name: 'client.mjs', program: process.execPath, words: [`${home}/dist/client.mjs`] };
}

/** Bundles the fake agent (launcher-agent.ts) into `home`, where a launcher that finds nobody will start it. */
export function bundleFakeAgent(home: string): void {
  bundle('test/e2e/launcher-agent.ts', `${home}/dist/agent.mjs`);
}

function bundle(entry: string, output: string): void {
  const args = ['--bundle', '--platform=node', '--format=esm', '--log-level=error', `--outfile=${output}`, entry];
  execFileSync(`${packageRoot}/node_modules/.bin/esbuild`, args, { cwd: packageRoot });
}

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  readonly detached?: boolean;
  readonly argv0?: string;
  readonly stdio?: StdioOptions;
}

/** Starts a program with a small environment of its own. */
export function start(program: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(program, args, {
    cwd: options.cwd ?? '/',
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C', ...options.env },
    detached: options.detached ?? false,
    stdio: options.stdio ?? [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.argv0 === undefined ? {} : { argv0: options.argv0 }),
  });
  if (options.stdin !== undefined) child.stdin?.end(options.stdin);
  const chunks: Buffer[][] = [[], []];
  child.stdout?.on('data', (chunk: Buffer) => chunks[0]!.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks[1]!.push(chunk));
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(chunks[0]!), stderr: Buffer.concat(chunks[1]!) });
    });
  });
  return { child, ended };
}

export function startLauncher(launcher: Launcher, args: readonly string[], options: RunOptions = {}): Running {
  return start(launcher.program, [...launcher.words, ...args], options);
}

export function runLauncher(launcher: Launcher, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return startLauncher(launcher, args, options).ended;
}

/** A fake agent in this process. */
export async function serve(
  socketDir: string,
  onRequest: LauncherServerOptions['onRequest'],
  more: Partial<LauncherServerOptions> = {},
): Promise<LauncherServer> {
  const server = await serveLaunchers({ socketDir, version: testHash, onRequest, ...more });
  if (!server.ok) throw new Error(server.error.message);
  return server.value;
}

export interface FakeAgentEvent {
  readonly event: 'started' | 'listening' | 'in-use' | 'request' | 'gone' | 'ended';
  readonly pid: number;
  readonly [field: string]: unknown;
}

/** What the agents of this folder wrote so far. */
export function agentEvents(socketDir: string): readonly FakeAgentEvent[] {
  const path = `${socketDir}/events`;
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FakeAgentEvent);
}

/** Waits until something holds; fails loudly when it does not within ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadlineMs = Date.now() + 10_000; !holds(); await sleep(10)) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`);
  }
}

/** Ends every agent that has announced itself in this folder. */
export function endAgents(socketDir: string): void {
  for (const { event, pid } of agentEvents(socketDir)) {
    if (event !== 'started') continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Ended already.
    }
  }
}

export function link(target: string, path: string): void {
  symlinkSync(target, path);
}

export function script(path: string, text: string): string {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}
