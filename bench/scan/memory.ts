// What the whole agent keeps in memory: thousands of different units through the launcher and a cluster of this machine,
// with the agent's own account of its memory and CPU on the way.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { icets, withCluster, type IcetsCluster } from '../../test/support/icets-cluster.ts';
import { formatTable } from '../builds/table.mjs';
import { numberOption } from './options.ts';

const many = numberOption('units', 10_000);
const perFolder = 100;
const headers = 20;
const systemHeaders = [
  'stdio.h',
  'stdlib.h',
  'string.h',
  'errno.h',
  'sys/stat.h',
  'sys/socket.h',
  'pthread.h',
  'time.h',
];

/** Sources of a project: each includes the same headers of the project and of the system. */
function writeProject(folder: string): void {
  mkdirSync(join(folder, 'include'));
  for (let n = 0; n < headers; n += 1) {
    const declarations = Array.from(
      { length: 50 },
      (_, i) => `#define VALUE_${n}_${i} ${i}\nextern int name_${n}_${i};\n`,
    );
    writeFileSync(join(folder, `include/h${n}.h`), `#ifndef H${n}\n#define H${n}\n${declarations.join('')}#endif\n`);
  }
  const includes = [
    ...systemHeaders.map((name) => `#include <${name}>\n`),
    ...Array.from({ length: headers }, (_, n) => `#include "h${n}.h"\n`),
  ].join('');
  for (let n = 0; n < many; n += 1) {
    const below = join(folder, String(Math.floor(n / perFolder)));
    if (n % perFolder === 0) mkdirSync(below);
    writeFileSync(join(below, `u${n}.c`), `${includes}int f${n}(void) { return VALUE_1_${n % 50}; }\n`);
  }
}

async function compile(cluster: IcetsCluster, from: number, to: number): Promise<void> {
  const at = `$(({} / ${perFolder}))/u{}`;
  const one = `exec ${icets} gcc -Iinclude -MD -MF ${at}.d -c ${at}.c -o ${at}.o`;
  const ran = await cluster.run([
    'bash',
    '-c',
    `seq ${from} ${to - 1} | xargs -P ${2 * cpus().length} -I{} bash -c '${one}'`,
  ]);
  if (ran.exitCode !== 0) throw new Error(`a compile failed: ${ran.stderr.slice(0, 1000)}`);
}

await withCluster({ workers: 1, slots: cpus().length }, async (cluster) => {
  writeProject(cluster.folder);
  const rows: (string | number)[][] = [];
  const seen: { readonly units: number; readonly rssMb: number }[] = [];
  const steps = [1, ...[0.05, 0.25, 0.5, 0.75, 1].map((part) => Math.ceil(part * many))];
  let done = 0;
  let cpuBeforeMs = 0;
  for (const units of [...new Set(steps)]) {
    await compile(cluster, done, units);
    const { agent } = await cluster.status();
    if (agent === null) throw new Error('no agent');
    const rssMb = agent.rssBytes / (1 << 20);
    const { counters } = agent;
    rows.push([
      units,
      rssMb.toFixed(0),
      ((agent.cpuMs - cpuBeforeMs) / (units - done)).toFixed(2),
      counters['place.remote'] ?? 0,
      counters['rung.exact'] ?? 0,
    ]);
    seen.push({ units, rssMb });
    cpuBeforeMs = agent.cpuMs;
    done = units;
  }
  console.log(formatTable(['units', 'agent MB', 'agent CPU ms per unit', 'remote', 'exact'], rows));
  const [early, late] = [seen.at(-4), seen.at(-1)];
  if (early !== undefined && late !== undefined && late.units > early.units) {
    const growth = (1024 * (late.rssMb - early.rssMb)) / (late.units - early.units);
    console.log(
      `\ngrowth from unit ${early.units} to ${late.units}: ${growth.toFixed(1)} KB per unit (resident, without a collection)`,
    );
  }
  console.log(
    `${cpus().length} x ${cpus()[0]?.model ?? ''}, Linux ${release()}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}`,
  );
});
process.exit(0);
