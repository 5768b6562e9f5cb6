// Puts a worker that plays results back (playback-worker.ts) in the place of a cluster's own.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle } from '../builds/bundle.mjs';
import { repositoryRoot } from '../builds/private-cluster.mjs';

/** @typedef {import('../builds/private-cluster.mjs').PrivateCluster} PrivateCluster */

/**
 * Ends the cluster's workers once the other one has joined. It ends with the cluster's scheduler or by the answered function.
 * @param {PrivateCluster} cluster
 * @param {number} slots of the worker that plays back
 * @returns {Promise<() => void>}
 */
export async function playBack(cluster, slots) {
  const program = await bundle(join(repositoryRoot, 'bench/submitter/playback-worker.ts'), 'bench-submitter');
  const description = JSON.parse(readFileSync(join(cluster.folder, 'state/cluster.json'), 'utf8'));
  const folder = join(cluster.folder, 'elsewhere');
  mkdirSync(folder);
  const argv = [program, description.url, join(cluster.folder, 'state/cluster.token'), folder, String(slots)];
  const worker = spawn(process.execPath, argv, { env: cluster.env, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    worker.stdout.once('data', resolve);
    worker.once('exit', (status) => reject(new Error(`the worker that plays back ended with ${status}`)));
  });
  for (const { role, pid } of description.processes) {
    if (role !== 'worker') continue;
    process.kill(pid, 'SIGTERM');
    while (existsSync(`/proc/${pid}`)) await sleep(20);
  }
  return () => void worker.kill('SIGTERM');
}
