// `npm run bench -- AREA [options]`: runs the benches of one area, or says which there are.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @type {Readonly<Record<string, { file: string, what: string }>>} */
const areas = {
  builds: {
    file: 'builds/identity.mjs',
    what: 'real projects and awkward cases: same bytes, how much ran remotely, at what speed',
  },
  micro: { file: 'micro/main.mjs', what: 'CPU of launcher and agent, overhead of the worker, per compile' },
  submitter: { file: 'submitter/main.mjs', what: 'CPU per compile of the submitting machine, beside -E and the peers' },
  cache: { file: 'cache/main.mjs', what: 'full rebuilds from the cache, beside ccache' },
  start: { file: 'micro/agent-start.mjs', what: 'CPU until the first compile of a cold and of a restarted agent' },
  scan: {
    file: 'scan/main.mjs',
    what: "the scanner against the compilers' own -M: random trees, real projects, speed",
  },
  cluster: { file: 'cluster/main.mjs', what: 'whole builds on emulated boards, beside the ideal and the peers' },
};

const here = dirname(fileURLToPath(import.meta.url));
const [name = '', ...rest] = process.argv.slice(2);
const known = Object.entries(areas).filter(([, { file }]) => existsSync(join(here, file)));
const area = known.find(([each]) => each === name)?.[1];
if (area === undefined) {
  console.log('usage: npm run bench -- AREA [options]; --help after an area lists its options\n');
  for (const [each, { what }] of known) console.log(`  ${each.padEnd(10)} ${what}`);
  process.exitCode = name === '' ? 0 : 2;
} else {
  const run = spawn(process.execPath, [join(here, area.file), ...rest], { stdio: 'inherit' });
  // who ends this process by its number means the bench, which has boards and daemons to take down
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, () => run.kill(signal));
  const [code] = await once(run, 'exit');
  process.exitCode = code ?? 1;
}
