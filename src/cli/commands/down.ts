// `icets down`: ends what `icets up` started, and the agent.

import type { Command } from 'commander';
import { processStartTicks, readClusterFile, removeClusterFile } from '../cluster-file.ts';
import { askAgent, stopAgent } from '../control-client.ts';
import { complain, say } from '../output.ts';
import { endProcess } from '../roles.ts';
import type { Settings } from '../settings.ts';

const graceMs = 5000;

export function addDown(program: Command, settings: Settings): void {
  program
    .command('down')
    .description('end the cluster that icets up started on this machine, and the agent')
    .action(async () => down(settings));
}

async function down(settings: Settings): Promise<void> {
  const agent = await askAgent(settings.socketDir);
  if (agent.ok) {
    const entry = { pid: agent.value.pid, startTicks: processStartTicks(agent.value.pid) ?? '' };
    await stopAgent(settings.socketDir);
    if (!(await endProcess(entry, graceMs))) complain(`the agent (pid ${entry.pid}) did not end`);
  }
  const cluster = readClusterFile(settings.stateDir);
  if (cluster === undefined) {
    say('no cluster is up');
    return;
  }
  // Workers first, so that the scheduler sees them leave.
  const gone = await Promise.all([...cluster.processes].reverse().map((entry) => endProcess(entry, graceMs)));
  if (gone.includes(false)) complain('a process of the cluster did not end');
  removeClusterFile(settings.stateDir);
  say(`ended ${cluster.processes.length} processes`);
}
