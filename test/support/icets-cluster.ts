// A private cluster of real processes for end-to-end tests: its own state, cache and socket folders below one work folder,
// which is kept when the test fails.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { runningProcesses } from './running-processes.ts';
import type { AgentStatus, ClusterStatus } from '../../src/model/status.ts';

export const repository = resolve(import.meta.dirname, '../..');
export const icets = join(repository, 'bin/icets');

export interface Ran {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface IcetsCluster {
  /** the test's own folder, for sources and builds */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a program with the cluster's environment; never throws for a failing program. */
  run(
    argv: readonly string[],
    options?: { readonly cwd?: string; readonly env?: Record<string, string> },
  ): Promise<Ran>;
  status(): Promise<{ agent: AgentStatus | null; cluster: ClusterStatus | null }>;
  processes(): { role: string; pid: number }[];
}

export interface ClusterOptions {
  readonly workers: number;
  readonly slots?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** a cache folder of its own instead of the test run's: nothing is known there yet */
  readonly coldCache?: boolean;
}

/** Starts a cluster, runs the test, ends everything; prints where the work folder is when the test fails. */
export async function withCluster(
  options: ClusterOptions,
  test: (cluster: IcetsCluster) => Promise<void>,
): Promise<void> {
  const base = mkdtempSync('/tmp/icets-e2e-');
  // Made by scripts/test.sh for one run: what an earlier test's cluster fetched need not be fetched again.
  const shared = process.env['ICETS_TEST_CACHE'];
  const folder = join(base, 'work');
  mkdirSync(folder);
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: base,
    ICETS_STATE_DIR: join(base, 'state'),
    ICETS_CACHE_DIR: options.coldCache === true || shared === undefined ? join(base, 'cache') : shared,
    ICETS_SOCKET_DIR: join(base, 'sockets'),
    ICETS_LOG_LEVEL: 'debug',
    ...options.env,
  };
  const cluster: IcetsCluster = {
    folder,
    env,
    async run(argv, runOptions) {
      const [program, ...args] = argv;
      const result = await execa(program!, args, {
        cwd: runOptions?.cwd ?? folder,
        env: { ...env, ...runOptions?.env },
        extendEnv: false,
        reject: false,
        stdin: 'ignore',
        stripFinalNewline: false,
      });
      return { exitCode: result.exitCode, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
    },
    async status() {
      const answer = await cluster.run([icets, 'status', '--json']);
      return JSON.parse(answer.stdout) as { agent: AgentStatus | null; cluster: ClusterStatus | null };
    },
    processes() {
      const text = readFileSync(join(base, 'state/cluster.json'), 'utf8');
      return (JSON.parse(text) as { processes: { role: string; pid: number }[] }).processes;
    },
  };
  let passed = false;
  try {
    if (options.workers > 0) {
      const slots = options.slots === undefined ? [] : ['--slots', String(options.slots)];
      const up = await cluster.run([icets, 'up', '--workers', String(options.workers), ...slots]);
      if (up.exitCode !== 0) throw new Error(`icets up failed: ${up.stderr}`);
    }
    await test(cluster);
    passed = true;
  } finally {
    await cluster.run([icets, 'down']);
    const strays = await straysOf(env);
    if (passed && strays.length > 0) {
      passed = false;
      process.stderr.write(`work folder kept: ${base}\n`);
      // The test itself went well, so this hides no other error.
      // eslint-disable-next-line no-unsafe-finally
      throw new Error(`left behind after icets down: ${strays.join('; ')}`);
    }
    if (passed) rmSync(base, { recursive: true, force: true });
    else process.stderr.write(`work folder kept: ${base}\n`);
  }
}

const strayPatienceMs = 5000;

/** Processes of this cluster that outlive `icets down`: workers' sandboxes name its cache folder, the rest has its state folder. */
async function straysOf(env: Readonly<Record<string, string>>): Promise<string[]> {
  const untilMs = Date.now() + strayPatienceMs;
  for (;;) {
    const strays = runningProcesses()
      .filter(
        ({ command, environment }) =>
          command.includes(env['ICETS_CACHE_DIR']!) ||
          environment.includes(`ICETS_STATE_DIR=${env['ICETS_STATE_DIR']!}\0`),
      )
      .map(({ pid, command }) => `${pid} ${command.slice(0, 200)}`);
    if (strays.length === 0 || Date.now() > untilMs) return strays;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
