// Measures what a worker adds to one compile: the wall time of a lease less that of the same program run barely, and where
// it goes. Bundle and run: prints a table and, with --json, one line of JSON.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Processes } from '../../src/model/processes.ts';
import { digestKey, type Digest } from '../../src/model/digest.ts';
import { addGcc, InputRootBuilder } from '../../test/support/input-root.ts';
import { childProcesses } from '../../test/support/child-processes.ts';
import { openWorkerBench, type WorkerBench } from '../../test/support/worker-bench.ts';
import { spawnerProcesses } from '../../src/host/spawner-processes.ts';
import { silentLog } from '../../src/base/log.ts';

const headers = 700;
const folders = 60;
const variants = 4;
const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };

interface Row {
  readonly what: string;
  readonly bareMs: number;
  readonly leaseMs: number;
  readonly overheadMs: number;
  /** of the fastest tenth of the leases and that of the bare runs: nearer to the truth on a busy machine */
  readonly leastOverheadMs: number;
  /** medians of the lease's own timings */
  readonly fetchMs: number;
  readonly setupMs: number;
  readonly runMs: number;
  readonly uploadMs: number;
  /** CPU of this process per lease, stores included */
  readonly nodeCpuMs: number;
}

const rounds = Number(process.env['ICETS_BENCH_ROUNDS'] ?? 20);
const launcher = process.env['ICETS_BENCH_LAUNCHER'];
const processes: Processes =
  launcher === undefined ? childProcesses : spawnerProcesses({ launcherPath: launcher, log: silentLog });

const project = mkdtempSync(join(tmpdir(), 'worker-overhead-'));
const bench = await openWorkerBench({ processes });
try {
  const rows = await measure(bench);
  if (process.argv.includes('--json')) console.log(JSON.stringify({ bench: 'worker-overhead', rows }));
  else console.table(Object.fromEntries(rows.map(({ what, ...figures }) => [what, rounded(figures)])));
} finally {
  await bench.close();
  rmSync(project, { recursive: true });
}

async function measure({ blobs }: WorkerBench): Promise<Row[]> {
  const bases = Array.from({ length: variants }, (_, variant) => writeVariant(variant));
  const cases = [
    { what: 'true', argv: ['true'], outputs: ['build/main.o'] },
    { what: 'compile', argv: ['g++', '-O0', '-c', 'main.cc', '-o', 'build/main.o'], outputs: ['build/main.o'] },
  ];
  const rows: Row[] = [];
  for (const { what, argv, outputs } of cases) {
    const actions: Digest[] = [];
    let mounts: readonly string[] = [];
    for (const [variant, files] of bases.entries()) {
      // Four units of one build: nine tenths of their headers are the same ones.
      const root = new InputRootBuilder();
      mounts = addGcc(root).mounts;
      root.program('/usr/bin/true');
      for (const path of files) root.host(path);
      const cwd = join(project, `unit${variant}`).slice(1);
      actions.push(root.action({ argv, env, cwd, outputs }));
      await root.storeIn(blobs);
    }
    for (const action of actions) await lease(action, mounts);
    const bare: number[] = [];
    const leases: Awaited<ReturnType<typeof lease>>[] = [];
    for (let round = 0; round < rounds; round++) {
      const variant = round % variants;
      bare.push(await runBare(argv, join(project, `unit${variant}`)));
      leases.push(await lease(actions[variant]!, mounts));
    }
    const bareMs = median(bare);
    const leaseMs = median(leases.map(({ wallMs }) => wallMs));
    const phase = (name: 'fetchUs' | 'setupUs' | 'runUs' | 'uploadUs') =>
      median(leases.map(({ timings }) => timings[name])) / 1000;
    rows.push({
      what,
      bareMs,
      leaseMs,
      overheadMs: median(leases.map(({ wallMs }, at) => wallMs - bare[at]!)),
      leastOverheadMs:
        quantile(
          leases.map(({ wallMs }) => wallMs),
          0.1,
        ) - quantile(bare, 0.1),
      fetchMs: phase('fetchUs'),
      setupMs: phase('setupUs'),
      runMs: phase('runUs'),
      uploadMs: phase('uploadUs'),
      nodeCpuMs: median(leases.map(({ cpuMs }) => cpuMs)),
    });
  }
  return rows;
}

/** A unit with headers of its own besides those that all units share. */
function writeVariant(variant: number): string[] {
  const unit = join(project, `unit${variant}`);
  mkdirSync(join(unit, 'build'), { recursive: true });
  const files: string[] = [];
  const includes: string[] = [];
  for (let header = 0; header < headers; header++) {
    const own = header % 10 === 0 ? `own${variant}` : 'shared';
    const path = join(project, 'include', own, `d${header % folders}`, `h${header}.h`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#pragma once\nint declared_${own}_${header}(int);\n${`// filler ${header}\n`.repeat(20)}`);
    files.push(path);
    includes.push(`#include "${path}"`);
  }
  const main = join(unit, 'main.cc');
  const lines = Array.from({ length: 1000 }, (_, at) => `int f${at}(int a) { return a * ${at} + ${variant}; }`);
  writeFileSync(main, `#include <vector>\n#include <string>\n${includes.join('\n')}\n${lines.join('\n')}\n`);
  files.push(main);
  return files;
}

async function runBare(argv: readonly string[], cwd: string): Promise<number> {
  const start = performance.now();
  const run = await processes.run({ argv, env, cwd, outputLimitBytes: 1_000_000 });
  if (!run.ok || run.value.status.kind !== 'exited' || run.value.status.code !== 0) {
    throw new Error(run.ok ? Buffer.from(run.value.stderr).toString() : run.error.message);
  }
  return performance.now() - start;
}

async function lease(action: Digest, mounts: readonly string[]) {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const done = await bench.lease(action, { mounts: [...mounts], build: 'bench' });
  if (!done.ok) throw new Error(`${digestKey(action)}: ${done.error.message}`);
  if (done.value.result.exitCode !== 0) throw new Error(done.value.result.stderrRaw.toString());
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs: performance.now() - start, cpuMs: (user + system) / 1000, timings: done.value.timings };
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * part)] ?? Number.NaN;
}

function rounded(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value * 10) / 10]));
}
