// The rows of icets: a build with a cold, a restarted and a warm agent, and what launchers, agent and scheduler cost.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPrivateCluster, treeCpuMs } from '../builds/private-cluster.mjs';
import { totalCpuMs } from './meter.mjs';

/** @typedef {import('../builds/private-cluster.mjs').PrivateCluster} PrivateCluster */
/** @typedef {import('./measured-build.mjs').MeasuredBuild} MeasuredBuild */

/**
 * What one build cost, in milliseconds of CPU over the whole build.
 * @typedef {object} RowFigures
 * @property {number} units
 * @property {number} clientMs launchers or wrappers with what they wait for
 * @property {number} daemonMs the resident part on the submitting machine, its children included
 * @property {number} [schedulerMs] not counted as the submitting machine's
 * @property {number} wallMs
 * @property {string} remark what was not as it should be; empty when all is well
 * @property {import('./meter.mjs').Metered[]} [metered]
 */

/** @param {{ workers: number }} options */
export function startCluster({ workers }) {
  return startPrivateCluster({ workers, name: 'submitter' });
}

/** Asks the agent to end and waits until it has. @param {PrivateCluster} cluster */
export async function endAgent(cluster) {
  const agent = await cluster.agentStatus();
  if (agent === undefined) return;
  process.kill(agent.pid, 'SIGTERM');
  while (existsSync(`/proc/${agent.pid}`)) await sleep(20);
}

/** @param {PrivateCluster} cluster */
function schedulerPid(cluster) {
  const description = JSON.parse(readFileSync(join(cluster.folder, 'state/cluster.json'), 'utf8'));
  return description.processes.find((/** @type {{ role: string }} */ each) => each.role === 'scheduler').pid;
}

/**
 * Builds once through icets and measures. The agent's CPU is read from /proc, with its children; when it was not running
 * before, all of its CPU is counted, its start included.
 * @param {PrivateCluster} cluster
 * @param {MeasuredBuild} build
 * @param {{ place: 'remote' | 'cache' }} expected where all units should come from
 * @param {Record<string, string>} [env] without it the cache is neither asked nor filled when all should be remote
 * @returns {Promise<RowFigures>}
 */
export async function measureIcets(cluster, build, expected, env = { ICETS_NO_CACHE: '1' }) {
  await build.clean();
  const before = await cluster.agentStatus();
  const agentFromMs = before === undefined ? 0 : treeCpuMs(before.pid);
  const scheduler = schedulerPid(cluster);
  const schedulerFromMs = treeCpuMs(scheduler);
  const sinceMs = Date.now();
  const { units, wallMs } = await build.build(env);
  // What the agent does a little later belongs to the build: records, and what it keeps on disk.
  await sleep(1500);
  const after = await cluster.agentStatus();
  const daemonMs = after === undefined ? NaN : treeCpuMs(after.pid) - agentFromMs;
  const schedulerMs = treeCpuMs(scheduler) - schedulerFromMs;
  const records = (await cluster.records()).filter(({ startMs, kind }) => startMs >= sinceMs - 1 && kind === 'compile');
  const places = count(records.map(({ place }) => (place.kind === 'local' ? `local: ${place.reason}` : place.kind)));
  const otherwise = Object.entries(places).filter(([place]) => place !== expected.place);
  return {
    ...{ units: units.length, clientMs: totalCpuMs(units), daemonMs, schedulerMs, wallMs, metered: [...units] },
    remark: [
      ...(before !== undefined && before.pid !== after?.pid ? ['the agent was replaced'] : []),
      ...otherwise.map(([place, times]) => `${times} ${place}`),
    ].join(', '),
  };
}

/** @param {readonly string[]} words */
function count(words) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
