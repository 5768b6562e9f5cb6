// `icets agent`: the agent in the foreground, or ending the one that runs.

import type { Command } from 'commander';
import { runAgent } from '../agent-role.ts';
import { processStartTicks } from '../cluster-file.ts';
import { askAgent, stopAgent } from '../control-client.ts';
import { complain, say } from '../output.ts';
import { endProcess } from '../roles.ts';
import type { Settings } from '../settings.ts';

const graceMs = 12_000;

export function addAgent(program: Command, settings: Settings): void {
  program
    .command('agent')
    .description('run the agent in the foreground; the first compile starts one in the background by itself')
    .option('--stop', 'end the agent that runs')
    .action(async (options: { stop?: boolean }) => {
      if (options.stop === true) return stop(settings);
      const problem = await runAgent(settings);
      if (problem !== undefined) complain(problem);
      process.exit();
    });
}

async function stop(settings: Settings): Promise<void> {
  const agent = await askAgent(settings.socketDir);
  if (!agent.ok) {
    if (agent.error === 'none') return say('no agent runs');
    return complain(`the agent of ${settings.socketDir} does not answer; end its process by hand`);
  }
  const entry = { pid: agent.value.pid, startTicks: processStartTicks(agent.value.pid) ?? '' };
  await stopAgent(settings.socketDir);
  if (!(await endProcess(entry, graceMs))) complain(`the agent (pid ${entry.pid}) did not end`);
}
