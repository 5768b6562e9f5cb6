// A cluster of its own in a temporary folder, reached only through the commands of icets: `up`, `status`, `down`, and the
// step records it writes. Nothing of the user's own configuration, cache or cluster is read or touched.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildEnvironment, mustRun, runCommand } from './command.mjs';

/** @typedef {import('../../src/model/step.ts').StepRecord} StepRecord */
/** @typedef {import('../../src/model/status.ts').AgentStatus} AgentStatus */

export const repositoryRoot = resolve(fileURLToPath(import.meta.url), '../../..');

/** The launcher under test: bin/icets of this checkout, or what ICETS_BIN names (the stand-in, another checkout). */
export const icetsProgram = resolve(process.env.ICETS_BIN ?? join(repositoryRoot, 'bin/icets'));

/**
 * @typedef {object} PrivateCluster
 * @property {string} folder removed by `stop`
 * @property {Record<string, string>} env for everything that shall use this cluster
 * @property {() => Promise<AgentStatus | undefined>} agentStatus
 * @property {() => Promise<StepRecord[]>} records all records so far, those of the last moment included
 * @property {() => Promise<string[]>} stop ends everything; says which processes had to be killed
 */

/**
 * Starts a scheduler and workers.
 * @param {{ workers: number, name: string }} options
 * @returns {Promise<PrivateCluster>}
 */
export async function startPrivateCluster({ workers, name }) {
  if (!existsSync(icetsProgram)) throw new Error(`${icetsProgram} is missing; run npm run build first`);
  // Short, since the path of a unix socket holds 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), `icets-${name}-`));
  const at = (/** @type {string} */ part) => join(folder, part);
  const env = buildEnvironment({
    ICETS_STATE_DIR: at('state'),
    ICETS_CACHE_DIR: at('cache'),
    ICETS_SOCKET_DIR: at('run/icets'),
    ICETS_CONFIG: at('config.toml'),
    // an audit on an idle core now and then would be counted where it happens to fall
    ICETS_AUDIT_PERCENT: '0',
    XDG_RUNTIME_DIR: at('run'),
    XDG_STATE_HOME: at('xdg/state'),
    XDG_CACHE_HOME: at('xdg/cache'),
    XDG_CONFIG_HOME: at('xdg/config'),
    XDG_DATA_HOME: at('xdg/data'),
  });
  await Promise.all([
    ...['state', 'run', 'run/icets'].map((part) => mkdir(at(part), { recursive: true, mode: 0o700 })),
    mkdir(at('cache'), { recursive: true }),
    writeFile(at('config.toml'), ''),
  ]);

  const cluster = {
    folder,
    env,
    agentStatus: async () => {
      const asked = await runCommand([icetsProgram, 'status', '--json'], { env });
      try {
        const answer = JSON.parse(String(asked.stdout));
        return answer.agent ?? (answer.counters === undefined ? undefined : answer);
      } catch {
        return undefined;
      }
    },
    records: () => settledRecords(at('state/steps'), cluster.agentStatus),
    stop: async () => {
      await runCommand([icetsProgram, 'down'], { env }).catch(() => undefined);
      const stray = await endStray(folder);
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
      return stray;
    },
  };
  try {
    await mustRun([icetsProgram, 'up', '--workers', String(workers)], { env });
  } catch (error) {
    const logs = await lastLines(at('state/logs'));
    await cluster.stop();
    throw new Error(`${error instanceof Error ? error.message : String(error)}${logs}`);
  }
  return cluster;
}

/**
 * The end of every log, for the message of a cluster that did not start.
 * @param {string} folder
 */
async function lastLines(folder) {
  let text = '';
  for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
    const lines = (await readFile(join(folder, name), 'utf8')).trim().split('\n').slice(-5);
    text += `\n${name}:\n  ${lines.join('\n  ')}`;
  }
  return text;
}

/**
 * The agent writes records a little later than steps end: waits until there are as many as the agent has counted.
 * @param {string} folder
 * @param {() => Promise<AgentStatus | undefined>} agentStatus
 */
async function settledRecords(folder, agentStatus) {
  const counters = Object.entries((await agentStatus())?.counters ?? {});
  const expected = counters.reduce((sum, [name, count]) => sum + (name.startsWith('steps.') ? count : 0), 0);
  let records = await readRecords(folder);
  for (const untilMs = Date.now() + 5000; records.length < expected && Date.now() < untilMs; await sleep(50)) {
    records = await readRecords(folder);
  }
  return records;
}

/**
 * Records of all segments below `folder`; a last line that is being written now is left out.
 * @param {string} folder
 * @returns {Promise<StepRecord[]>}
 */
async function readRecords(folder) {
  /** @type {StepRecord[]} */
  const records = [];
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String).sort() : [];
  for (const name of names.filter((each) => each.endsWith('.jsonl'))) {
    for (const line of (await readFile(join(folder, name), 'utf8')).split('\n')) {
      try {
        const record = JSON.parse(line);
        if (record.v === 1 && typeof record.id === 'string') records.push(record);
      } catch {
        // a torn or empty line
      }
    }
  }
  return records.sort((a, b) => a.startMs - b.startMs);
}

/**
 * Waits until no process of this cluster is left; after five seconds kills those that are, and names them.
 * @param {string} folder
 */
async function endStray(folder) {
  for (const untilMs = Date.now() + 5000; Date.now() < untilMs; await sleep(50)) {
    if (processesOf(folder).length === 0) return [];
  }
  const stray = processesOf(folder);
  for (const { pid } of stray) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // gone in the meantime
    }
  }
  return stray.map(({ pid, command }) => `${pid} ${command}`);
}

/**
 * CPU of a process and of all it has started, those that still run and those it has waited for, in milliseconds
 * (10 ms steps); 0 when there is no such process.
 * @param {number} root
 */
export function treeCpuMs(root) {
  /** @type {Map<number, { parent: number, cpuMs: number }>} */
  const processes = new Map();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // ppid is field 4 of proc(5); utime, stime, cutime, cstime are 14 to 17, in units of 1/100 s.
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      processes.set(Number(name), { parent: Number(fields[1]), cpuMs: ticks * 10 });
    } catch {
      // ended in the meantime
    }
  }
  const belongs = (/** @type {number | undefined} */ pid) => {
    for (let at = pid; at !== undefined && at > 1; at = processes.get(at)?.parent) if (at === root) return true;
    return false;
  };
  return [...processes].reduce((sum, [pid, { cpuMs }]) => (belongs(pid) ? sum + cpuMs : sum), 0);
}

/**
 * Processes whose environment names this cluster's state folder, which is unique to it.
 * @param {string} folder
 */
function processesOf(folder) {
  const mark = `ICETS_STATE_DIR=${join(folder, 'state')}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        if (!readFileSync(`/proc/${name}/environ`, 'latin1').includes(mark)) return [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
        return command === '' ? [] : [{ pid: Number(name), command: command.slice(0, 200) }];
      } catch {
        return [];
      }
    });
}
