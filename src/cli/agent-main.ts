// dist/agent.mjs: what the launcher starts when there is no agent. `--socket-dir D` is the folder the launcher looks in.

import { parseArgs } from 'node:util';
import { runAgent } from './agent-role.ts';
import { complain } from './output.ts';
import { readSettings } from './settings.ts';

const { values } = parseArgs({ options: { 'socket-dir': { type: 'string' } } });
const settings = readSettings(process.env);
if (settings.ok) {
  const socketDir = values['socket-dir'] ?? settings.value.socketDir;
  const problem = await runAgent({ ...settings.value, socketDir });
  if (problem !== undefined) complain(problem);
} else {
  complain(settings.error, 2);
}
process.exit();
