// The command line: one file per command below commands/, all wired here. The only composition root besides agent-main.

import { Command } from 'commander';
import { addAgent } from './commands/agent.ts';
import { addAudit } from './commands/audit.ts';
import { addCache } from './commands/cache.ts';
import { addDoctor } from './commands/doctor.ts';
import { addDown } from './commands/down.ts';
import { addExplain } from './commands/explain.ts';
import { addScheduler } from './commands/scheduler.ts';
import { addStatus } from './commands/status.ts';
import { addUp } from './commands/up.ts';
import { addWorker } from './commands/worker.ts';
import { version } from './installation.ts';
import { allowReadersToLeave, complain } from './output.ts';
import { readSettings } from './settings.ts';

async function main(): Promise<void> {
  if (process.platform !== 'linux') {
    complain(`icets runs on Linux; this is ${process.platform}`);
    return;
  }
  const settings = readSettings(process.env);
  if (!settings.ok) {
    complain(settings.error, 2);
    return;
  }
  const program = new Command('icets')
    .description('turns a drawer of machines into one compiler; `icets CC ARGS...` compiles, the rest is below')
    .version(version)
    .showHelpAfterError('(icets COMMAND --help tells the options)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  const commands = [addUp, addDown, addStatus, addExplain, addAudit, addDoctor, addCache];
  for (const add of [...commands, addScheduler, addWorker, addAgent]) add(program, settings.value);
  await program.parseAsync();
}

allowReadersToLeave();
// Timers and sockets of commands do not keep the process alive: without this, one that waits for an answer would end in silence.
const untilDone = setInterval(() => {}, 2 ** 30);
try {
  await main();
} finally {
  clearInterval(untilDone);
}
