// Real projects: what the scanner says of every unit beside the compiler's own -M, and what the scan costs.

import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { childProcesses } from '../../test/support/child-processes.ts';
import { compareUnit, faultOf } from '../../test/support/closure-comparison.ts';
import { scanParts } from '../../test/support/scan-parts.ts';
import { childrenCpuMs } from '../builds/command.mjs';
import { formatTable } from '../builds/table.mjs';
import { numberOption, textOption } from './options.ts';
import { scanProjects } from './scan-projects.ts';
import { compilerLists, projectCommands, projectUnits, workFolder } from './units.ts';

interface Row {
  readonly project: string;
  readonly compiler: string;
  units: number;
  exact: number;
  below: number;
  refused: number;
  /** -M itself fails */
  compilerFails: number;
  missing: number;
  extra: number;
  otherNames: number;
  uncovered: number;
  /** headers in the compilers' lists */
  headers: number;
  readonly scanMs: number[];
  cpuMs: number;
  /** of the compilers that were asked for facts, and for lists where the exact rung gave up */
  childCpuMs: number;
}

const only = textOption('only')?.split(',');
const limit = numberOption('limit', Infinity);
const rows: Row[] = [];
const reasons = new Map<string, number>();
const faults: string[] = [];
const count = (reason: string) => reasons.set(reason, (reasons.get(reason) ?? 0) + 1);

for (const project of scanProjects) {
  if (only !== undefined && !only.some((name) => project.name.includes(name))) continue;
  const all = await projectCommands(project).catch((error: unknown) => {
    console.log(`${project.name}: left out: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  });
  // every n-th, so that a part stands for the whole
  const step = Math.max(1, Math.ceil(all.length / limit));
  const commands = all.filter((_command, at) => at % step === 0);
  for (const compiler of ['gcc', 'clang'] as const) {
    if (commands.length === 0 || (compiler === 'clang' && !project.clang)) continue;
    const cacheFolder = mkdtempSync(join(tmpdir(), 'icets-scan-cache-'));
    const parts = scanParts(cacheFolder);
    const { units, left } = await projectUnits(commands, compiler, parts.toolchains);
    for (const [why, n] of left) console.log(`${project.name}, ${compiler}: ${n} commands are no units: ${why}`);
    const lists = await compilerLists(project.name, compiler, units, childProcesses);
    const row: Row = {
      project: project.name,
      compiler,
      units: 0,
      exact: 0,
      below: 0,
      refused: 0,
      compilerFails: 0,
      missing: 0,
      extra: 0,
      otherNames: 0,
      uncovered: 0,
      headers: 0,
      scanMs: [],
      cpuMs: 0,
      childCpuMs: 0,
    };
    for (const [at, unit] of units.entries()) {
      const listed = lists[at] ?? { ok: false, said: '' };
      const before = process.cpuUsage();
      const childrenBefore = childrenCpuMs();
      const comparison = await compareUnit(unit, listed, parts.scanner);
      const used = process.cpuUsage(before);
      row.cpuMs += (used.user + used.system) / 1000;
      row.childCpuMs += childrenCpuMs() - childrenBefore;
      const where = `${project.name}, ${compiler}: ${unit.cwd}: ${unit.compile.source}`;
      const fault = faultOf(comparison);
      if (fault !== undefined) faults.push(`${where}\n    ${fault.slice(0, 2000)}`);
      if (comparison.kind === 'compiler-failed') {
        row.compilerFails += 1;
        continue;
      }
      row.units += 1;
      if (comparison.kind === 'both') {
        const { closure } = comparison;
        row[closure.rung === 'exact' ? 'exact' : 'below'] += 1;
        if (closure.whyNotExact !== undefined) {
          count(`${project.name}, ${compiler}: ${closure.whyNotExact.reason}: ${closure.whyNotExact.detail}`);
        }
        row.headers += listed.ok ? listed.list.length : 0;
        row.scanMs.push(comparison.scanMs);
        row.uncovered += comparison.uncovered.length;
        if (comparison.otherNames) row.otherNames += comparison.missing.length;
        else {
          row.missing += comparison.missing.length;
          row.extra += comparison.extra.length;
        }
      } else if (comparison.kind === 'not-understood') {
        row.refused += 1;
        count(`${project.name}, ${compiler}: ${comparison.why}`);
      }
    }
    rows.push(row);
    rmSync(cacheFolder, { recursive: true, force: true });
    console.log(`${project.name}, ${compiler}: ${row.units} units, ${row.exact} exact`);
  }
}

const sum = (pick: (row: Row) => number) => rows.reduce((total, row) => total + pick(row), 0);
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const cells = (row: Row) => [
  row.project,
  row.compiler,
  row.units,
  `${((100 * row.exact) / Math.max(1, row.units)).toFixed(1)} %`,
  row.below,
  row.refused,
  row.compilerFails,
  row.missing,
  row.extra,
  row.otherNames,
  row.uncovered,
  (row.headers / Math.max(1, row.scanMs.length)).toFixed(0),
  median(row.scanMs).toFixed(2),
  (row.scanMs.reduce((a, b) => a + b, 0) / 1000).toFixed(1),
  (row.cpuMs / Math.max(1, row.units)).toFixed(2),
  (row.childCpuMs / Math.max(1, row.units)).toFixed(2),
];
const total: Row = {
  project: 'total',
  compiler: '',
  units: sum((row) => row.units),
  exact: sum((row) => row.exact),
  below: sum((row) => row.below),
  refused: sum((row) => row.refused),
  compilerFails: sum((row) => row.compilerFails),
  missing: sum((row) => row.missing),
  extra: sum((row) => row.extra),
  otherNames: sum((row) => row.otherNames),
  uncovered: sum((row) => row.uncovered),
  headers: sum((row) => row.headers),
  scanMs: rows.flatMap((row) => row.scanMs),
  cpuMs: sum((row) => row.cpuMs),
  childCpuMs: sum((row) => row.childCpuMs),
};
const header = [
  ...[
    'project',
    'compiler',
    'units',
    'exact',
    'by -M',
    'refused',
    '-M fails',
    'missing',
    'extra',
    'renamed',
    'unshipped',
  ],
  ...['headers', 'median ms', 'total s', 'CPU ms', 'children'],
];
console.log(`\n${formatTable(header, [...rows.map(cells), cells(total)])}`);
console.log(
  "\nmissing, extra, renamed, unshipped: headers against the compiler's -M; renamed: the same file by another name.",
);
console.log('headers, CPU and children (compilers run by the scanner): per unit; a new cache for each row.');
console.log(
  `${cpus().length} x ${cpus()[0]?.model ?? ''}, Linux ${release()}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}; work folder ${workFolder}`,
);
if (reasons.size > 0) {
  console.log('\nnot exact:');
  for (const [reason, n] of [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 60))
    console.log(`${String(n).padStart(6)}  ${reason}`);
}
if (faults.length > 0) {
  console.log(`\n${faults.length} units differ from the compiler's list:`);
  for (const fault of faults.slice(0, 60)) console.log(`  ${fault}`);
}
process.exit(faults.length > 0 ? 1 : 0);
