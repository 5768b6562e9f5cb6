// Which scheduler this machine uses: what the user set, else the cluster that `icets up` started here.

import { isRunning, readClusterFile } from './cluster-file.ts';
import type { Settings } from './settings.ts';

export function schedulerUrl(settings: Settings): string | undefined {
  if (settings.schedulerUrl !== undefined) return settings.schedulerUrl;
  const cluster = readClusterFile(settings.stateDir);
  return cluster?.processes.some(isRunning) === true ? cluster.url : undefined;
}
