// Reaches the agent, starting one when there is none: what launcher.c does, for the launcher without a C compiler.
// Several of these may start an agent each; only one of those gets the socket, and the others end.

import { spawn } from 'node:child_process';
import { closeSync, openSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { socketAddress, socketName } from './socket-folder.ts';

const startPatienceMs = 5000;
const failedForMs = 10_000;
const notForAgents = [
  'NODE_EXTRA_CA_CERTS',
  'ICETS_SAVED_NODE_EXTRA_CA_CERTS',
  'MAKEFLAGS',
  'MAKELEVEL',
  'MFLAGS',
  'NODE_OPTIONS',
  'LD_PRELOAD',
  'ICETS_GUARD',
];

/** A connected socket, or the reason why there is none. `agentScript` is run with this Node. */
export async function reachAgent(folder: string, agentScript: string): Promise<Socket | string> {
  const failed = `${folder}/agent.failed`;
  const lock = `${folder}/agent.starting`;
  const deadlineMs = Date.now() + startPatienceMs;
  let started = false;
  try {
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 80)) {
      const reached = await connectAgent(folder);
      if (typeof reached !== 'string') {
        if (started) rmSync(failed, { force: true });
        return reached;
      }
      if (reached === 'unusable') return 'the agent cannot be reached';
      if (reached === 'nobody' && !started) {
        if (isFresh(failed, failedForMs)) return 'the last agent did not start, less than 10 s ago';
        if (takeLock(lock)) {
          started = true;
          startAgent(folder, agentScript);
        }
      }
      if (Date.now() >= deadlineMs) {
        if (started) writeFileSync(failed, '');
        return 'no agent could be started';
      }
      await sleep(pauseMs);
    }
  } finally {
    if (started) rmSync(lock, { force: true });
  }
}

function connectAgent(folder: string): Promise<Socket | 'nobody' | 'busy' | 'unusable'> {
  const address = socketAddress(folder, socketName);
  return new Promise((resolve) => {
    const socket = connect({ path: address.path });
    socket.once('connect', () => {
      address.release();
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      address.release();
      if (error.code === 'EAGAIN') resolve('busy');
      else resolve(error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? 'nobody' : 'unusable');
    });
  });
}

/** A file that only one can make; one that is older than any start is a leftover. */
function takeLock(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch {
    if (!isFresh(path, startPatienceMs * 2)) rmSync(path, { force: true });
    return false;
  }
}

function isFresh(path: string, ageMs: number): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  const age = Date.now() - (status?.mtimeMs ?? 0);
  return status !== undefined && age > -1000 && age < ageMs;
}

function startAgent(folder: string, agentScript: string): void {
  const env = { ...process.env };
  for (const name of notForAgents) delete env[name];
  const agent = spawn(process.execPath, [agentScript, '--socket-dir', folder], {
    cwd: '/',
    env,
    detached: true,
    stdio: 'ignore',
  });
  agent.on('error', () => {});
  agent.unref();
}

/** Tells later launchers that this agent did not answer in time. */
export function markHung(folder: string): void {
  const path = `${folder}/agent.hung`;
  try {
    closeSync(openSync(path, 'a', 0o600));
    utimesSync(path, new Date(), new Date());
  } catch {
    // It only saves time.
  }
}
