// Entry of dist/client.mjs: the launcher in TypeScript beside the bundles it starts.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { main } from './launcher-client.ts';

const beside = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

function buildHash(): string {
  try {
    return readFileSync(beside('build.hash'), 'utf8').trim();
  } catch {
    return 'unversioned';
  }
}

await main({
  args: process.argv.slice(2),
  version: buildHash(),
  agentScript: beside('agent.mjs'),
  async runOwnCommand(args) {
    const script = beside('icets.mjs');
    process.argv.splice(1, process.argv.length, script, ...args);
    await import(script);
  },
});
