// Kills and stops every part of icets in the middle of a build; the build must end well with the plain build's objects.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { StepRecord } from '../../src/model/step.ts';
import { icets, withCluster, type IcetsCluster } from '../support/icets-cluster.ts';
import { objectBytes, relaunch, writeNinjaProject } from '../support/ninja-project.ts';
import { runningProcesses } from '../support/running-processes.ts';

type Victim = 'worker' | 'scheduler' | 'agent' | 'launcher';

const units = 20;

async function pidOf(cluster: IcetsCluster, victim: Victim): Promise<number> {
  switch (victim) {
    case 'worker':
    case 'scheduler':
      return cluster.processes().find((entry) => entry.role === victim)!.pid;
    case 'agent':
      return (await cluster.status()).agent!.pid;
    case 'launcher':
      return launcherPids(cluster)[0]!;
  }
}

/** Launchers of this cluster's builds: in the place of `bin/icets`, or where they are compiled. */
function launcherPids(cluster: IcetsCluster): number[] {
  return runningProcesses()
    .filter(
      ({ name, command, environment }) =>
        environment.includes(cluster.env['ICETS_STATE_DIR']!) &&
        /^(?:icets$|launcher)/.test(name) &&
        command.includes('g++'),
    )
    .map(({ pid }) => pid);
}

/** Waits until the cluster works on the build. */
async function underWay(cluster: IcetsCluster): Promise<void> {
  for (;;) {
    const { agent, cluster: state } = await cluster.status();
    if ((state?.running ?? 0) > 0 && (agent?.counters['place.remote'] ?? 0) > 0) return;
  }
}

async function recordsOf(cluster: IcetsCluster): Promise<StepRecord[]> {
  await cluster.run([icets, 'explain', 'nothing']);
  const folder = join(cluster.env['ICETS_STATE_DIR']!, 'steps');
  const records = readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"phases"'))
      .map((line) => JSON.parse(line) as StepRecord),
  );
  return records.filter(({ label }) => !label.startsWith('warm'));
}

/** By how much each recorded step took longer than its own run and its turn in the queue, milliseconds. */
function delaysMs(records: readonly StepRecord[]): { label: string; ms: number }[] {
  // A cancelled step's launcher has gone its own way long before a stopped agent learns of it.
  const ended = records.filter(({ end }) => end.kind !== 'cancelled');
  return ended.map(({ label, startMs, endMs, phases, place }) => {
    const own = phases.localMs ?? phases.runMs ?? 0;
    const queued = place.kind === 'remote' && place.attempts === 1 ? (phases.queueMs ?? 0) : 0;
    return { label, ms: endMs - startMs - own - (phases.waitSlotMs ?? 0) - queued };
  });
}

function strays(cluster: IcetsCluster): string[] {
  return readdirSync(cluster.folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.icets-'));
}

/** Lets the cluster fetch the compiler and its headers, so that delays seen later are those of the trouble. */
async function warm(cluster: IcetsCluster): Promise<void> {
  const runs = Array.from({ length: 4 }, async (_, i) => {
    writeFileSync(join(cluster.folder, `warm${i}.cc`), `#include <map>\nstd::map<int, int> warm${i};\n`);
    return cluster.run([icets, 'g++', '-O1', '-g', '-c', `warm${i}.cc`, '-o', `warm${i}.o`]);
  });
  expect((await Promise.all(runs)).map((run) => run.exitCode)).toEqual([0, 0, 0, 0]);
}

async function buildWhile(victim: Victim, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
  await withCluster({ workers: 2, slots: 1, env: { ICETS_HEARTBEAT_MS: '4000' } }, async (cluster) => {
    const project = writeNinjaProject(cluster.folder, units, '');
    expect((await cluster.run(['ninja', '-j8'])).exitCode).toBe(0);
    const plain = objectBytes(project);
    await warm(cluster);
    relaunch(project, icets);
    const build = cluster.run(['ninja', '-j8', '-k0']);
    await underWay(cluster);
    const pid = await pidOf(cluster, victim);
    process.kill(pid, signal);
    if (victim === 'launcher' && signal === 'SIGSTOP') process.kill(pid, 'SIGCONT');
    const ended = await build;
    if (signal === 'SIGSTOP' && victim !== 'launcher') process.kill(pid, 'SIGCONT');
    if (victim === 'launcher' && signal === 'SIGKILL') {
      // A killed launcher is a killed compiler to ninja: that one step fails, and the next run makes up for it.
      expect(ended.exitCode).toBe(1);
      expect((await cluster.run(['ninja', '-j8'])).exitCode).toBe(0);
    } else {
      expect({ exitCode: ended.exitCode, output: ended.stdout }).toEqual({
        exitCode: 0,
        output: expect.not.stringContaining('FAILED'),
      });
    }
    expect(objectBytes(project).map((bytes, i) => bytes.equals(plain[i]!))).toEqual(project.objects.map(() => true));
    // An agent that was killed is followed by one that cleans up.
    expect((await cluster.run([icets, 'gcc', '--version'])).exitCode).toBe(0);
    expect(strays(cluster)).toEqual([]);
    const records = await recordsOf(cluster);
    expect(delaysMs(records).filter(({ ms }) => ms > 10_000)).toEqual([]);
    if (victim !== 'agent' || signal !== 'SIGKILL') {
      // Nothing hidden: what ran without the agent has a record too. (A killed agent takes its last 100 ms along.)
      const recorded = new Set(records.map(({ output }) => output));
      expect(project.objects.filter((object) => !recorded.has(object))).toEqual([]);
    }
    expect((await cluster.run(['ninja', '-n'], { cwd: join(cluster.folder) })).stdout).toMatch(/no work to do/);
  });
}

describe('a build at -j8 ends well when', () => {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    for (const victim of ['worker', 'scheduler', 'agent', 'launcher'] as const) {
      test(`the ${victim} gets ${signal}`, () => buildWhile(victim, signal), 120_000);
    }
  }
});
