// Random include trees that are edited while no agent runs: what the next one says of a unit is what one says that knows
// nothing from before.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Processes } from '../../src/model/processes.ts';
import type { ExactAttempt } from '../../src/scan/exact-rung.ts';
import type { ScanUnit } from '../../src/scan/scanner.ts';
import type { CompilerIdentity } from '../../src/toolchain/toolchain-package.ts';
import { childProcesses } from '../support/child-processes.ts';
import { scanUnit } from '../support/closure-comparison.ts';
import { fakeCompiler, fakeUnit } from '../support/fake-compiler.ts';
import { argumentsAt, describeTree, includeTrees, writeTree, type IncludeTree } from '../support/include-tree.ts';
import { scanParts, type ScanParts } from '../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../support/scratch-folder.ts';
import { ageFiles, applyEdit, editKinds, treeEdits, type TreeEdit } from '../support/tree-edits.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);
const patienceMs = 30_000;

let scratch: ScratchFolder;
beforeAll(() => {
  scratch = scratchFolder('restored-fuzz');
});
afterAll(() => scratch.remove());

/** All that an attempt says, without what stats show but nothing depends on. */
function told(attempt: ExactAttempt): unknown {
  if (attempt.kind !== 'closure') return attempt;
  const { files, ...rest } = attempt.closure;
  return {
    ...rest,
    files: files.map(({ path, record }) => [path, record.digest, record.mtimeNs, record.stat.mode, record.facts]),
  };
}

type UnitOf = (tree: IncludeTree, root: string) => ScanUnit | string;

async function attempted(parts: ScanParts, unit: ScanUnit): Promise<ExactAttempt> {
  return parts.exact.attempt({ ...unit, arrivedMs: performance.now() });
}

interface Outcome {
  readonly restored: boolean;
  /** what an agent says that knows nothing is not what was said before the edits */
  readonly changed: boolean;
  /** an agent that was started again says something else */
  readonly fault: string | undefined;
}

async function trial(
  tree: IncludeTree,
  edits: { readonly before: readonly TreeEdit[]; readonly after: readonly TreeEdit[] },
  unitOf: UnitOf,
  processes: Processes,
): Promise<Outcome | undefined> {
  const root = mkdtempSync(join(scratch.path, 'tree-'));
  const caches = ['kept', 'new'].map((name) => join(`${root}.cache`, name));
  const [kept = '', fresh = ''] = caches;
  try {
    writeTree(tree, root);
    ageFiles(tree, root);
    for (const edit of edits.before) applyEdit(edit, tree, root);
    const unit = unitOf(tree, root);
    if (typeof unit === 'string') return undefined;
    const first = scanParts(kept, processes);
    const before = told(await attempted(first, unit));
    await first.end();
    for (const edit of edits.after) applyEdit(edit, tree, root);
    const again = scanParts(kept, processes);
    const restarted = told(await attempted(again, unit));
    const { restored } = again.exact;
    // what holds after a restart is also what holds while the agent goes on
    const second = told(await attempted(again, unit));
    await again.end();
    const ignorant = scanParts(fresh, processes);
    const anew = told(await attempted(ignorant, unit));
    await ignorant.end();
    let fault: string | undefined;
    try {
      expect(restarted).toEqual(anew);
      expect(second).toEqual(anew);
    } catch (error) {
      fault = String(error);
    }
    const changed = JSON.stringify(before, plain) !== JSON.stringify(anew, plain);
    return { restored: restored > 0, changed, fault };
  } finally {
    for (const path of [root, `${root}.cache`]) rmSync(path, { recursive: true, force: true });
  }
}

const plain = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

async function holds(unitOf: UnitOf, processes: Processes): Promise<void> {
  let restored = 0;
  let changed = 0;
  const property = fc.asyncProperty(fc.noBias(includeTrees), treeEdits, async (tree, edits) => {
    const outcome = await trial(tree, edits, unitOf, processes);
    if (outcome === undefined) return;
    if (outcome.fault !== undefined) {
      throw new Error(`${outcome.fault}\n${JSON.stringify(edits)}\n${describeTree(tree)}`);
    }
    restored += outcome.restored ? 1 : 0;
    changed += outcome.changed ? 1 : 0;
  });
  // one tree after the other: on a slow machine one takes a second, and both kinds of outcome have to be among them
  const fromMs = performance.now();
  const isOver = (limitMs: number) => performance.now() - fromMs > limitMs;
  do await fc.assert(property, { numRuns: 1 });
  while (!isOver(budgetMs) || ((restored === 0 || changed === 0) && !isOver(budgetMs + patienceMs)));
  if (process.env['ICETS_FUZZ_MS'] !== undefined) process.stderr.write(`${restored} restored, ${changed} changed\n`);
  expect(restored).toBeGreaterThan(0);
  expect(changed).toBeGreaterThan(0);
}

const families = {
  gcc: { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' },
  clang: { kind: 'clang', version: '14.0.6', major: 14, target: 'x86_64-linux-gnu' },
} as const;

test.each(['gcc', 'clang'] as const)(
  'a unit that was stored is told as one that is evaluated anew: a fake %s',
  async (kind) => {
    const { processes } = fakeCompiler({
      defined: ['__has_include', '__has_include_next', '__FILE__', '__LINE__', '__COUNTER__', '__has_builtin'],
      values: { '__has_builtin(__builtin_expect)': 1 },
    });
    await holds(
      (tree, root) => fakeUnit(join(root, tree.cwd), [...argumentsAt(tree, root), '-c', '-o', 'out.o'], families[kind]),
      processes,
    );
  },
);

const compilers = (['gcc', 'clang'] as const).filter((name) => spawnSync(name, ['--version']).status === 0);
const drivers = { gcc: { 'c++': 'g++' }, clang: { 'c++': 'clang++' } } as const;
const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8' };

test.each(compilers)('a unit that was stored is told as one that is evaluated anew: %s', async (kind) => {
  const { toolchains } = scanParts(scratch.folder('identities'));
  const identities = new Map<string, CompilerIdentity>();
  const driverOf = ({ language }: IncludeTree) => (language === 'c++' ? drivers[kind]['c++'] : kind);
  for (const driver of [kind, drivers[kind]['c++']]) {
    const identity = await toolchains.identify({ compiler: driver, cwd: '/', env });
    if (!identity.ok) throw new Error(identity.error.message);
    identities.set(driver, identity.value);
  }
  await holds((tree, root) => {
    const driver = driverOf(tree);
    const identity = identities.get(driver);
    if (identity === undefined) return 'not identified';
    return scanUnit(identity, driver, [...argumentsAt(tree, root), '-c', '-o', 'out.o'], join(root, tree.cwd), env);
  }, childProcesses);
});

/** What shows in inodes only, or in few trees: the tests of the store have it. */
const quiet: readonly string[] = [
  'nothing',
  'replace by a copy',
  'copy a folder',
  'move behind a link',
  'directory becomes a file',
  'link becomes a directory',
];

test.each(editKinds.filter((kind) => !quiet.includes(kind)))('%s: changes what is told of some tree', async (kind) => {
  const { processes } = fakeCompiler({ defined: ['__has_include', '__FILE__', '__LINE__'] });
  const unitOf: UnitOf = (tree, root) =>
    fakeUnit(join(root, tree.cwd), [...argumentsAt(tree, root), '-c', '-o', 'out.o'], families.clang);
  let changed = false;
  for (const [at, tree] of fc.sample(fc.noBias(includeTrees), { numRuns: 12, seed: 3 }).entries()) {
    for (let file = 0; file < 3 && !changed; file += 1) {
      const outcome = await trial(tree, { before: [], after: [{ kind, file, other: at }] }, unitOf, processes);
      expect(outcome?.fault).toBeUndefined();
      changed ||= outcome?.changed === true;
    }
  }
  expect(changed).toBe(true);
});
