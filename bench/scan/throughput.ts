// How fast scans are and what they leave in memory: abseil's units the first time, again without a change, and by the
// thousand as copies of the sources under other names.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { ScanUnit } from '../../src/scan/scanner.ts';
import { scanParts } from '../../test/support/scan-parts.ts';
import { childrenCpuMs } from '../builds/command.mjs';
import { formatTable } from '../builds/table.mjs';
import { numberOption, textOption } from './options.ts';
import { scanProjects } from './scan-projects.ts';
import { projectCommands, projectUnits } from './units.ts';

const many = numberOption('units', 10_000);
const name = textOption('only') ?? 'abseil';
const project = scanProjects.find((each) => each.name === name);
if (project === undefined) throw new Error(`no project ${name}`);
const commands = await projectCommands(project);
const folder = mkdtempSync(join(tmpdir(), 'icets-throughput-'));
const parts = scanParts(join(folder, 'cache'));
const rows: (string | number)[][] = [];

/** a source that includes something beside it cannot be compiled elsewhere */
const besides = /#\s*include "[^/"]+"/;

interface Pass {
  readonly scanMs: number[];
  readonly cpuMs: number;
  readonly children: number;
  readonly exact: number;
}

async function pass(units: readonly ScanUnit[]): Promise<Pass> {
  const scanMs: number[] = [];
  let exact = 0;
  const before = process.cpuUsage();
  const childrenBefore = childrenCpuMs();
  for (const unit of units) {
    const startMs = performance.now();
    const found = await parts.scanner.scan({ ...unit, arrivedMs: startMs });
    scanMs.push(performance.now() - startMs);
    if (found.ok && found.value.rung === 'exact') exact += 1;
  }
  const used = process.cpuUsage(before);
  return { scanMs, cpuMs: (used.user + used.system) / 1000, children: childrenCpuMs() - childrenBefore, exact };
}

function report(title: string, { scanMs, cpuMs, children, exact }: Pass): void {
  const sorted = [...scanMs].sort((a, b) => a - b);
  rows.push([
    title,
    scanMs.length,
    `${((100 * exact) / scanMs.length).toFixed(0)} %`,
    (sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(2),
    (sorted[Math.floor(sorted.length * 0.95)] ?? 0).toFixed(2),
    (cpuMs / scanMs.length).toFixed(2),
    (children / scanMs.length).toFixed(2),
    ((1000 * scanMs.length) / cpuMs).toFixed(0),
  ]);
}

/** after a collection, in MB */
function memory(): { readonly rss: number; readonly heap: number } {
  (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { rss: rss / (1 << 20), heap: heapUsed / (1 << 20) };
}

try {
  const { units } = await projectUnits(commands, 'gcc', parts.toolchains);
  const atStart = memory();
  report('nothing known', await pass(units));
  for (let warm = 0; warm < 3; warm += 1) await pass(units);
  report('again, nothing changed', await pass(units));
  // files younger than two seconds are not trusted by their stats
  const alone = units.filter((unit) => !besides.test(readFileSync(resolve(unit.cwd, unit.compile.source), 'utf8')));
  const copies: ScanUnit[] = [];
  for (let copy = 0; copies.length < many; copy += 1) {
    const target = join(folder, `copy${copy}`);
    mkdirSync(target);
    for (const unit of alone) {
      if (copies.length >= many) break;
      const { source, sourceIndex, argv } = unit.compile;
      const path = join(target, `${copies.length % alone.length}-${basename(source)}`);
      cpSync(resolve(unit.cwd, source), path);
      const replaced = argv.map((word, index) => (index === sourceIndex ? path : word));
      copies.push({ ...unit, compile: { ...unit.compile, source: path, argv: replaced } });
    }
  }
  const before = memory();
  const quarter = Math.ceil(copies.length / 4);
  const first = await pass(copies.slice(0, quarter));
  const early = memory();
  const rest = await pass(copies.slice(quarter));
  const late = memory();
  report('other sources, same headers', {
    scanMs: [...first.scanMs, ...rest.scanMs],
    cpuMs: first.cpuMs + rest.cpuMs,
    children: first.children + rest.children,
    exact: first.exact + rest.exact,
  });
  console.log(formatTable(['pass', 'units', 'exact', 'median ms', '95 % ms', 'CPU ms', 'children', 'scans/s'], rows));
  const mb = (value: number) => value.toFixed(0);
  const kb = (from: typeof before, to: typeof before, n: number) => ((1024 * (to.heap - from.heap)) / n).toFixed(1);
  console.log(
    `\nmemory (rss, heap in MB): start ${mb(atStart.rss)}, ${mb(atStart.heap)}; after ${project.name} ${mb(before.rss)}, ` +
      `${mb(before.heap)}; after ${copies.length} more units ${mb(late.rss)}, ${mb(late.heap)}`,
  );
  console.log(
    `growth of the heap per unit: ${kb(before, early, quarter)} KB in the first quarter, ` +
      `${kb(early, late, copies.length - quarter)} KB after it`,
  );
  console.log(
    'scans/s: on one core, by CPU of this process; children: CPU of compilers that the scanner asks, per unit.',
  );
  console.log(
    `${cpus().length} x ${cpus()[0]?.model ?? ''}, Linux ${release()}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
