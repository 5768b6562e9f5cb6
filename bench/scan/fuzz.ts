// A campaign of random include trees: gcc -M and clang -M against the exact rung. Failing trees are shrunk, described and kept.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { childProcesses } from '../../test/support/child-processes.ts';
import { describeTree, includeTrees, writeTree, type IncludeTree } from '../../test/support/include-tree.ts';
import { scanParts } from '../../test/support/scan-parts.ts';
import { treeCompilers, treeTrials, type TrialResult } from '../../test/support/tree-trial.ts';
import { numberOption, textOption } from './options.ts';

const trees = numberOption('fuzz', 1000);
const seed = numberOption('seed', Date.now() % 1_000_000);
const keptFailures = numberOption('failures', 20);
const folder = textOption('out') ?? join(tmpdir(), `icets-fuzz-${seed}`);
const shrinkMs = numberOption('shrink-ms', 20_000);

const cacheFolder = mkdtempSync(join(tmpdir(), 'icets-fuzz-cache-'));
const parts = scanParts(cacheFolder);
const trials = await treeTrials({ processes: childProcesses, toolchains: parts.toolchains, scanner: parts.exact });

/** counts by what happened, for one compiler */
const counts = new Map<string, number>();
const reasons = new Map<string, number>();
const failures = new Map<string, number>();
const count = (of: Map<string, number>, key: string) => of.set(key, (of.get(key) ?? 0) + 1);
let scanMs = 0;
let scans = 0;
let kept = 0;
/** those of them in which only names differ */
let keptNames = 0;
const startMs = performance.now();

function note({ compiler, comparison, fault }: TrialResult): void {
  count(counts, `${compiler}: trees`);
  if (fault !== undefined) count(counts, `${compiler}: FAULTS`);
  switch (comparison.kind) {
    case 'both':
      count(counts, `${compiler}: rung ${comparison.closure.rung}`);
      if (comparison.otherNames) count(counts, `${compiler}: the same files by other names`);
      else if (comparison.missing.length > 0) count(counts, `${compiler}: missing`);
      if (!comparison.otherNames && comparison.extra.length > 0) count(counts, `${compiler}: extra`);
      scanMs += comparison.scanMs;
      scans += 1;
      return;
    case 'not-understood':
      count(counts, `${compiler}: not understood`);
      count(reasons, `${compiler}: ${withoutNames(comparison.why)}`);
      return;
    case 'compiler-failed':
      count(counts, `${compiler}: the compiler fails`);
      if (comparison.answered) count(counts, `${compiler}: answered though the compiler fails`);
      count(failures, `${compiler}: ${firstError(comparison.said)}`);
      return;
    case 'not-a-compile':
      count(counts, `${compiler}: not a compile`);
      count(reasons, `${compiler}: ${withoutNames(comparison.why)}`);
      return;
  }
}

function withoutNames(text: string): string {
  return text
    .replaceAll(/\/[^\s:'"]+/g, 'PATH')
    .replaceAll(/"[^"]*"|'[^']*'|<[^>]*>/g, 'NAME')
    .replaceAll(/\d+/g, 'N')
    .slice(0, 120);
}

function firstError(text: string): string {
  const line = text.split('\n').find((each) => /error:/.test(each)) ?? text.slice(0, 80);
  return line
    .replace(/^.*error: /, '')
    .replaceAll(/[‘'"][^’'"]*[’'"]/g, 'NAME')
    .replaceAll(/\d+/g, 'N')
    .slice(0, 90);
}

async function keep(tree: IncludeTree, number: number): Promise<void> {
  const results = await trials.run(tree);
  const name = String(number).padStart(3, '0');
  mkdirSync(join(folder, name), { recursive: true });
  writeTree(tree, join(folder, name));
  if (
    results.every(
      ({ comparison }) =>
        comparison.kind !== 'both' ||
        comparison.otherNames ||
        comparison.missing.length + comparison.extra.length === 0,
    )
  )
    keptNames += 1;
  const said = results.map((each) => `${each.compiler}: ${each.fault ?? 'fine'}`).join('\n');
  writeFileSync(join(folder, `${name}.txt`), `${said}\n${describeTree(tree)}\n`);
  console.log(`\n=== failing tree ${name}\n${said}\n${describeTree(tree)}\n`);
}

let next = 0;
async function lane(): Promise<void> {
  while (next < trees) {
    next += 1;
    const number = next;
    let first = true;
    const property = fc.asyncProperty(fc.noBias(includeTrees), async (tree) => {
      const results = await trials.run(tree);
      if (first) results.forEach(note);
      first = false;
      const faults = results.filter(({ fault }) => fault !== undefined);
      const named = faults.every(({ comparison }) => comparison.kind === 'both' && comparison.otherNames);
      // beyond the limits a failure is counted, not shrunk
      return faults.length === 0 || kept >= keptFailures || (named && keptNames >= keptFailures / 4);
    });
    const checked = await fc.check(property, {
      seed: seed * 1_000_003 + number,
      numRuns: 1,
      interruptAfterTimeLimit: shrinkMs,
    });
    if (checked.failed && checked.counterexample !== null && kept < keptFailures) {
      kept += 1;
      rmSync(join(folder, String(kept).padStart(3, '0')), { recursive: true, force: true });
      await keep(checked.counterexample[0], kept);
    }
    if (number % 500 === 0) console.log(`${number} trees, ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
  }
}

await Promise.all([lane(), lane()]);
rmSync(cacheFolder, { recursive: true, force: true });
console.log(`seed ${seed}, ${trees} trees, ${((performance.now() - startMs) / 1000).toFixed(0)} s wall`);
console.log(
  `${cpus().length} x ${cpus()[0]?.model ?? ''}, Linux ${release()}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}`,
);
for (const [title, map] of [
  ['counts', counts],
  ['not understood', reasons],
  ['compilers fail', failures],
] as const) {
  console.log(`\n${title}`);
  for (const [key, n] of [...map].sort((a, b) => b[1] - a[1]).slice(0, 40))
    console.log(`${String(n).padStart(7)}  ${key}`);
}
console.log(
  `\nscan: ${(scanMs / Math.max(1, scans)).toFixed(2)} ms each, compilers of the answers for new folders included`,
);
const faults = treeCompilers.reduce((sum, name) => sum + (counts.get(`${name}: FAULTS`) ?? 0), 0);
if (kept > 0) console.log(`failing trees are in ${folder}`);
process.exit(faults > 0 ? 1 : 0);
