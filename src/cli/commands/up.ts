// `icets up`: a scheduler and workers on this machine, in the background.

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { isRunning, readClusterFile, writeClusterFile, type ClusterFile } from '../cluster-file.ts';
import { complain, say } from '../output.ts';
import { endProcess, startRole, type StartedRole } from '../roles.ts';
import type { Settings } from '../settings.ts';
import { readOrMakeToken } from '../token.ts';
import { positiveInteger } from '../arguments.ts';

export function addUp(program: Command, settings: Settings): void {
  program
    .command('up')
    .description('start a scheduler and workers on this machine, in the background')
    .option('-w, --workers <n>', 'how many workers', positiveInteger, 1)
    .option('-s, --slots <n>', 'compiles at once on each worker (default: cores shared out)', positiveInteger)
    .option('-l, --listen <host:port>', 'where the scheduler listens', '127.0.0.1:0')
    .action(async (options: { workers: number; slots?: number; listen: string }) => up(settings, options));
}

async function up(settings: Settings, options: { workers: number; slots?: number; listen: string }): Promise<void> {
  const present = readClusterFile(settings.stateDir);
  if (present?.processes.some(isRunning)) {
    complain(`a cluster is up already at ${present.url}; icets down ends it`);
    return;
  }
  const token = readOrMakeToken(settings.tokenFile);
  if (!token.ok) {
    complain(token.error);
    return;
  }
  const started: StartedRole[] = [];
  const remember = (url: string) => {
    const cluster: ClusterFile = {
      v: 1,
      url,
      processes: started.map(({ role, pid, startTicks }) => ({ role, pid, startTicks })),
    };
    writeClusterFile(settings.stateDir, cluster);
  };
  const logDir = join(settings.stateDir, 'logs');
  const scheduler = await startRole('scheduler', ['scheduler', '--listen', options.listen], logDir, 'scheduler');
  if (!scheduler.ok) {
    complain(scheduler.error);
    return;
  }
  started.push(scheduler.value);
  const url = scheduler.value.url;
  remember(url);
  const slots = options.slots ?? Math.max(1, Math.round(availableParallelism() / options.workers));
  for (let i = 1; i <= options.workers; i++) {
    const name = `worker-${i}`;
    const dir = join(settings.cacheDir, name);
    const args = ['worker', url, '--slots', String(slots), '--name', name, '--dir', dir];
    const worker = await startRole('worker', args, logDir, name);
    if (!worker.ok) {
      complain(worker.error);
      for (const entry of started) await endProcess(entry, 3000);
      return;
    }
    started.push(worker.value);
    remember(url);
  }
  say(
    `scheduler at ${url}, ${options.workers} worker${options.workers === 1 ? '' : 's'} with ${slots} slot${slots === 1 ? '' : 's'} each`,
  );
  say(`token in ${settings.tokenFile}`);
}
