// The scanner against the compilers' own -M, and its speed. Bundles the chosen part and runs it.
//   --fuzz N [--seed S]        N random include trees with gcc and clang
//     --find TEXT              keeps trees too that the scanner refuses with this reason
//   --exactness [--only P] [--limit N]    real projects
//   --throughput [--units N]   scan times of abseil's units, memory of the scanner
//   --memory [--units N]       memory of the whole agent after so many units
//   --work DIR                 where sources and recorded commands stay (default: below the temporary folder)

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../builds/bundle.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const argv = process.argv.slice(2);
const parts = ['fuzz', 'exactness', 'throughput', 'memory'];
const chosen = parts.filter((part) => argv.includes(`--${part}`));
if (chosen.length === 0) {
  console.log(
    'usage: npm run bench -- scan --fuzz N [--seed S] | --exactness [--only P] [--limit N] | --throughput [--units N] | --memory [--units N]',
  );
  process.exitCode = 2;
}
for (const part of chosen) {
  const program = await bundle(join(here, `${part}.ts`), 'bench-scan');
  const run = spawnSync(process.execPath, ['--expose-gc', '--enable-source-maps', program, ...argv], {
    stdio: 'inherit',
  });
  process.exitCode = run.status ?? 1;
}
