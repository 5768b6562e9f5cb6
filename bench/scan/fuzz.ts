// A campaign of random include trees: gcc -M and clang -M against the exact rung. Failing trees are made small, described and kept.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { childProcesses } from '../../test/support/child-processes.ts';
import { describeTree, includeTrees, writeTree, type IncludeTree } from '../../test/support/include-tree.ts';
import type { Processes } from '../../src/model/processes.ts';
import { rehearsalText, sampledRehearsals, type Rehearsal } from '../../test/support/rehearsals.ts';
import { scanParts } from '../../test/support/scan-parts.ts';
import { treeCompilers, treeTrials, type TrialResult } from '../../test/support/tree-trial.ts';
import { reduceTree } from './reduce.ts';
import { numberOption, textOption } from './options.ts';

const trees = numberOption('fuzz', 1000);
const seed = numberOption('seed', Date.now() % 1_000_000);
const keptFailures = numberOption('failures', 20);
const folder = textOption('out') ?? join(tmpdir(), `icets-fuzz-${seed}`);
const reductionLimit = numberOption('reductions', 500);
/** a reason why the scanner does not answer: such trees are made small and kept like failing ones */
const wanted = textOption('find');
const reductionsOfAKind = numberOption('of-a-kind', 8);

/** A compiler's own search list does not depend on the tree: it is asked for once, not for every new folder. */
const defaultLists = new Map<string, ReturnType<Processes['run']>>();
function runOrRemember(...request: Parameters<Processes['run']>): ReturnType<Processes['run']> {
  const { argv, executable } = request[0];
  if (argv.at(-1) !== '/dev/null' || !argv.includes('-v')) return childProcesses.run(...request);
  const key = [executable, ...argv].join('\0');
  const known = defaultLists.get(key) ?? childProcesses.run(...request);
  defaultLists.set(key, known);
  return known;
}

const cacheFolder = mkdtempSync(join(tmpdir(), 'icets-fuzz-cache-'));
const parts = scanParts(cacheFolder, { ...childProcesses, run: runOrRemember });
const trials = await treeTrials({
  processes: childProcesses,
  toolchains: parts.toolchains,
  scanner: parts.exact,
  scansWhatFails: 'where a header is missing',
});

/** counts by what happened, for one compiler */
const counts = new Map<string, number>();
const reasons = new Map<string, number>();
const failures = new Map<string, number>();
const faultKinds = new Map<string, number>();
const reducedOf = new Map<string, number>();
const signatures = new Map<string, number>();
const count = (of: Map<string, number>, key: string) => of.set(key, (of.get(key) ?? 0) + 1);
let scanMs = 0;
let scans = 0;
let kept = 0;
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

async function keep(tree: IncludeTree, rehearsals: readonly Rehearsal[], number: number): Promise<void> {
  const results = await trials.run(tree, rehearsals);
  const name = String(number).padStart(3, '0');
  mkdirSync(join(folder, name), { recursive: true });
  writeTree(tree, join(folder, name));
  const said = results.map((each) => `${each.compiler}: ${each.fault ?? 'fine'}`).join('\n');
  const before = rehearsals.map((each) => `--- scanned before\n${rehearsalText(each, tree)}`).join('');
  const told = `${said}\n${describeTree(tree)}\n${before}`;
  writeFileSync(join(folder, `${name}.txt`), told);
  console.log(`\n=== failing tree ${name}\n${told}\n`);
}

/** What went wrong, without names: only a few failing trees of each kind are made small and kept. */
function kindOf({ compiler, comparison }: TrialResult): string {
  if (comparison.kind === 'not-understood') return `${compiler}: ${withoutNames(comparison.why)}`;
  if (comparison.kind !== 'both') return `${compiler}: ${comparison.kind}`;
  if (comparison.otherNames) return `${compiler}: names`;
  const lists = (['missing', 'extra', 'uncovered'] as const).filter((name) => comparison[name].length > 0);
  return `${compiler}: ${lists.join(' ')}`;
}

const tellingWords =
  /import|include_next|once|_Pragma|__has_include(?:_next)?|__COUNTER__|defined|elifn?def|-imacros|##/g;

function isWanted({ comparison, fault }: TrialResult): boolean {
  const unanswered = comparison.kind === 'not-understood' && wanted !== undefined && comparison.why.includes(wanted);
  return fault !== undefined || unanswered;
}

let next = 0;
async function lane(): Promise<void> {
  while (next < trees) {
    next += 1;
    const number = next;
    const [tree] = fc.sample(fc.noBias(includeTrees), { seed: seed * 1_000_003 + number, numRuns: 1 });
    if (tree === undefined) return;
    const rehearsals = sampledRehearsals(seed * 1_000_003 + number);
    const results = await trials.run(tree, rehearsals);
    results.forEach(note);
    for (const result of results.filter(isWanted)) {
      const kind = kindOf(result);
      count(faultKinds, kind);
      if (kept >= keptFailures || (reducedOf.get(kind) ?? 0) >= reductionsOfAKind) continue;
      count(reducedOf, kind);
      const isLike = async (other: IncludeTree, before: readonly Rehearsal[]) =>
        (await trials.run(other, before, [result.compiler])).some((each) => isWanted(each) && kindOf(each) === kind);
      const needed = (await isLike(tree, [])) ? [] : rehearsals;
      const small = await reduceTree(tree, (smaller) => isLike(smaller, needed), reductionLimit);
      const words = new Set(small.files.flatMap(({ content }) => content.match(tellingWords) ?? []));
      const signature = `${kind}; ${[...words].sort().join(' ')}`;
      count(signatures, signature);
      if ((signatures.get(signature) ?? 0) > 2) continue;
      kept += 1;
      await keep(small, needed, kept);
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
  ['faults', faultKinds],
  ['faults of trees made small, by what is left in them', signatures],
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
