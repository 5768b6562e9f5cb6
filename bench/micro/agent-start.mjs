// What it costs until an agent has done its first compile: CPU of the agent and of its children, for an agent that starts
// with an empty cache folder (cold) and for one that finds the cache of its predecessor (restarted), by phase. Medians.
//   --rounds N    starts of each kind (default 5)
//   --profile D   keep a CPU profile of every agent in the folder D

import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../builds/command.mjs';
import { icetsProgram, startPrivateCluster } from '../builds/private-cluster.mjs';
import { formatTable } from '../builds/table.mjs';

/** @typedef {{ loaded: number, listening: number, agent: number, children: number, wallMs: number, counters: Record<string, number> }} Start */

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * @param {{ rounds: number, profile?: string }} options
 */
export async function measureAgentStart({ rounds, profile }) {
  const cluster = await startPrivateCluster({ workers: 1, name: 'start' });
  try {
    const cwd = join(cluster.folder, 'work');
    await mustRun(['mkdir', '-p', cwd]);
    const env = { ...cluster.env };
    if (profile !== undefined) {
      const node = join(cluster.folder, 'node');
      writeFileSync(node, `#!/bin/sh\nexec ${process.execPath} --cpu-prof --cpu-prof-dir=${resolve(profile)} "$@"\n`);
      chmodSync(node, 0o755);
      env.ICETS_NODE = node;
    }
    let serial = 0;
    const compile = async () => {
      serial += 1;
      writeFileSync(
        join(cwd, 'unit.cc'),
        `#include <vector>\nint unit_${serial}(std::vector<int> v) { return v[0]; }\n`,
      );
      return mustRun([icetsProgram, 'g++', '-O2', '-c', 'unit.cc', '-o', 'unit.o'], { cwd, env });
    };
    /** @param {boolean} cold */
    const start = async (cold) => {
      await mustRun([icetsProgram, 'agent', '--stop'], { env });
      if (cold) rmSync(join(cluster.folder, 'cache/agent'), { recursive: true, force: true });
      const { wallMs } = await compile();
      const status = await cluster.agentStatus();
      if (status === undefined) throw new Error('the agent has gone');
      const record = (await cluster.records()).at(-1);
      if (record?.place.kind !== 'remote') throw new Error(`not remote: ${JSON.stringify(record?.place)}`);
      const listens = readFileSync(join(cluster.folder, 'state/logs/agent.log'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ msg }) => msg === 'the agent listens')
        .at(-1);
      return /** @type {Start} */ ({
        loaded: listens.loadCpuMs ?? Number.NaN,
        listening: listens.cpuMs ?? Number.NaN,
        agent: status.cpuMs,
        children: status.childCpuMs,
        wallMs,
        counters: status.counters,
      });
    };
    await compile();
    await start(true); // the worker knows the toolchain from here on
    /** @type {Start[]} */
    const cold = [];
    /** @type {Start[]} */
    const restarted = [];
    for (let round = 0; round < rounds; round++) {
      cold.push(await start(true));
      restarted.push(await start(false));
    }
    return { cold, restarted };
  } finally {
    await cluster.stop();
  }
}

/** @param {{ cold: Start[], restarted: Start[] }} starts */
export function agentStartRows({ cold, restarted }) {
  /** @type {(what: string, of: (start: Start) => number) => string[]} */
  const row = (what, of) => [what, ...[cold, restarted].map((starts) => `${median(starts.map(of)).toFixed(0)} ms`)];
  const phase = (/** @type {string} */ name) => (/** @type {Start} */ start) => start.counters[`cpu.${name}`] ?? 0;
  const phases = ['toolchainMs', 'scanMs', 'digestMs', 'uploadMs', 'remoteMs', 'proveMs'];
  const sum = (/** @type {Start} */ start) => phases.reduce((total, name) => total + phase(name)(start), 0);
  return [
    row('agent, until its bundle is loaded', (start) => start.loaded),
    row('agent, from there until it listens', (start) => start.listening - start.loaded),
    row('agent, identify the compiler, connect, answer status', (start) => start.agent - start.listening - sum(start)),
    ...phases
      .filter((name) => name !== 'uploadMs')
      .map((name) => row(`agent, ${name.replace(/Ms$/, '')}`, phase(name))),
    row('agent, all', (start) => start.agent),
    row("its children (the compiler's answers, -M, the probe)", (start) => start.children),
    row('agent and children', (start) => start.agent + start.children),
    row('wall, first compile', (start) => start.wallMs),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (/** @type {string} */ name) => {
    const at = process.argv.indexOf(name);
    return at > 0 ? process.argv[at + 1] : undefined;
  };
  const rounds = Number(option('--rounds') ?? 5);
  const profile = option('--profile');
  const starts = await measureAgentStart({ rounds, ...(profile === undefined ? {} : { profile }) });
  console.log(`Linux ${release()}, ${cpus().length} cores (${cpus()[0]?.model}), Node ${process.versions.node}`);
  console.log(
    `load ${loadavg()
      .map((value) => value.toFixed(1))
      .join(' ')}; ${rounds} starts of each kind, one small C++ unit\n`,
  );
  console.log(formatTable(['CPU', 'cold', 'restarted'], agentStartRows(starts)));
}
