// Random include trees: what the exact rung says beside gcc -M and clang -M, and that a wrong answer would be noticed.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { err, ok, type Result } from '../../src/base/result.ts';
import type { Closure, ClosureScanner, ScanFailure } from '../../src/scan/scanner.ts';
import { childProcesses } from '../support/child-processes.ts';
import { describeTree, includeTrees } from '../support/include-tree.ts';
import { rehearsals } from '../support/rehearsals.ts';
import { scanParts, type ScanParts } from '../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../support/scratch-folder.ts';
import { treeTrials } from '../support/tree-trial.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);

let scratch: ScratchFolder;
let parts: ScanParts;
beforeAll(() => {
  scratch = scratchFolder('tree-fuzz');
  parts = scanParts(scratch.path);
});
afterAll(() => scratch.remove());

const trialsOf = (scanner: ClosureScanner) =>
  treeTrials({ processes: childProcesses, toolchains: parts.toolchains, scanner });

test("an exact closure has the compiler's own list, and none is given where a header is missing", async () => {
  const trials = await trialsOf(parts.exact);
  let answers = 0;
  const property = fc.asyncProperty(fc.noBias(includeTrees), fc.noBias(rehearsals), async (tree, before) => {
    for (const { compiler, comparison, fault } of await trials.run(tree, before)) {
      if (fault !== undefined) throw new Error(`${compiler}: ${fault}\n${describeTree(tree)}`);
      if (comparison.kind === 'both') answers += 1;
    }
  });
  const limit = { numRuns: 1_000_000, interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false };
  await fc.assert(property, limit);
  expect(answers).toBeGreaterThan(0);
});

class FaultyScanner implements ClosureScanner {
  constructor(
    readonly inner: ClosureScanner,
    readonly spoil: (closure: Closure) => Closure,
  ) {}

  async scan(...request: Parameters<ClosureScanner['scan']>): Promise<Result<Closure, ScanFailure>> {
    const found = await this.inner.scan(...request);
    return found.ok ? ok(this.spoil(found.value)) : found;
  }

  unchanged(): Promise<boolean> {
    return Promise.resolve(true);
  }

  distrust(): void {}
}

const faults: Readonly<Record<string, (closure: Closure) => Closure>> = {
  'leaves out the last header': (closure) => ({ ...closure, dependencies: closure.dependencies.slice(0, -1) }),
  'adds a header': (closure) => ({ ...closure, dependencies: [...closure.dependencies, closure.files[0]!.path] }),
  'lists a file that it does not ship': (closure) => ({ ...closure, files: closure.files.slice(1) }),
};

test.each(Object.entries(faults))('a scanner that %s is found out', async (_name, spoil) => {
  const trials = await trialsOf(new FaultyScanner(parts.compiler, spoil));
  let found = 0;
  for (const tree of fc.sample(fc.noBias(includeTrees), { numRuns: 4, seed: 5 })) {
    for (const { comparison, fault } of await trials.run(tree, [])) {
      if (comparison.kind !== 'both') continue;
      expect(fault).toBeDefined();
      found += 1;
    }
  }
  expect(found).toBeGreaterThan(0);
});

test('a scanner that answers though a header is missing is found out', async () => {
  const main = { path: 'main.c', content: '#include "gone.h"\n', mtime: undefined };
  const tree = { files: [main], links: [], directories: [], language: 'c', cwd: '', argv: ['main.c'] } as const;
  const empty: Closure = {
    rung: 'exact',
    files: [],
    directories: [],
    coarse: [],
    probes: [],
    dependencies: ['main.c'],
    dateOrTime: false,
    timestamp: false,
    sourceBytes: 0,
  };
  const bold = new FaultyScanner(parts.exact, (closure) => closure);
  bold.scan = () => Promise.resolve(ok(empty));
  const results = await (await trialsOf(bold)).run(tree, []);
  for (const { fault } of results) expect(fault).toMatch(/a header is missing/);
  bold.scan = () => Promise.resolve(err({ reason: 'scan-failed', message: 'no' }));
  for (const { fault } of await (await trialsOf(bold)).run(tree, [])) expect(fault).toBeUndefined();
  expect(results.length).toBeGreaterThan(0);
});
