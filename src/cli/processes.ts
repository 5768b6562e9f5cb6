// How this machine starts compilers: through the C spawner, or from Node where no C compiler makes one.

import type { Log } from '../base/log.ts';
import { buildHash, findLauncherBinary } from '../host/launcher-binary.ts';
import { nodeProcesses } from '../host/node-processes.ts';
import { spawnerProcesses } from '../host/spawner-processes.ts';
import type { Processes } from '../model/processes.ts';
import { installationRoot } from './installation.ts';

/** @param niceness of what is run, where there is a spawner; this process's own when not given */
export async function openProcesses(log: Log, niceness?: number): Promise<Processes> {
  const home = installationRoot();
  const launcher = await findLauncherBinary({ home, hash: buildHash(home), env: process.env });
  if (launcher.ok) return spawnerProcesses({ launcherPath: launcher.value, log, niceness });
  log.warn({ problem: launcher.error.message }, 'no C spawner; processes are started from Node');
  return nodeProcesses();
}
