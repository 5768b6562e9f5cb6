// Random include trees whose source is evaluated under many macros: what directives remember of earlier evaluations, outcomes
// of conditions and files that were found, changes nothing.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import fc from 'fast-check';
import type { Evaluation } from '../../src/scan/evaluation.ts';
import { headerMacros, switchMacros, valueMacros } from '../support/include-expressions.ts';
import { argumentsAt, describeTree, includeTrees, writeTree, type IncludeTree } from '../support/include-tree.ts';
import { scratchFolder, type ScratchFolder } from '../support/scratch-folder.ts';
import { evaluator, type EvaluatedProject } from '../support/unit-evaluation.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);
const macros = [...valueMacros, ...switchMacros, ...headerMacros];

let scratch: ScratchFolder;
beforeAll(() => {
  scratch = scratchFolder('memory-fuzz');
});
afterAll(() => scratch.remove());

/** Lines before the tree's own text, and how often that follows. */
interface Variant {
  readonly lines: readonly string[];
  readonly times: number;
  readonly headers: readonly string[];
}

const variant: fc.Arbitrary<Variant> = fc.record({
  lines: fc.array(
    fc
      .tuple(
        fc.constantFrom(...macros),
        fc.constantFrom('#undef @', '#define @', '#define @ 0', '#define @ 1', '#define @ 2'),
      )
      .map(([name, line]) => line.replace('@', name)),
    { maxLength: 6 },
  ),
  times: fc.constantFrom(0, 1, 1, 1, 2),
  headers: fc.array(fc.constantFrom('a.h', 'b.h', 'c.hpp', 'd.def', 'e-1.h', 'f g.h'), { maxLength: 4 }),
});

/** What is left of the macros at the end is seen by what is included then. */
const observed = macros.map((name) => `#ifdef ${name}\n#include "seen/${name}.h"\n#endif`).join('\n');

function projectOf(tree: IncludeTree, root: string): EvaluatedProject {
  const argv = argumentsAt(tree, root);
  const quote: string[] = [];
  const angle: string[] = [];
  const system: string[] = [];
  argv.forEach((argument, at) => {
    const [, option, joined = ''] = /^-(I|iquote|isystem|idirafter)(.*)$/.exec(argument) ?? [];
    if (option === undefined) return;
    const folder = joined === '' ? (argv[at + 1] ?? '') : joined;
    if (option === 'iquote') quote.push(folder);
    else angle.push(folder);
    if (option === 'isystem') system.push(folder);
  });
  return { cwd: join(root, tree.cwd), quote, angle, system };
}

function told(evaluation: Evaluation | string) {
  if (typeof evaluation === 'string') return evaluation;
  const { dependencies, files, probes, trail } = evaluation;
  return {
    dependencies,
    probes,
    files: files.map(({ path }) => path),
    folders: [...trail.folders].map(({ folder }) => folder.path).sort(),
    absent: [...trail.absent].map(({ path }) => path).sort(),
    questions: evaluation.questions.length,
  };
}

test('an evaluation that remembers others finds what one finds that remembers nothing', () => {
  let same = 0;
  const property = fc.property(
    fc.noBias(includeTrees),
    fc.array(variant, { minLength: 3, maxLength: 6 }),
    (tree, all) => {
      const root = mkdtempSync(join(scratch.path, 'tree-'));
      try {
        writeTree(tree, root);
        const project = projectOf(tree, root);
        mkdirSync(join(project.cwd, 'seen'), { recursive: true });
        for (const name of macros) writeFileSync(join(project.cwd, `seen/${name}.h`), '');
        const source = tree.argv.at(-1) ?? '';
        const own = basename(source).replaceAll('@ROOT@', root);
        const remembering = evaluator(project);
        all.forEach(({ lines, times, headers }, number) => {
          const name = join(dirname(source), `variant-${number}${extname(source)}`).replaceAll('@ROOT@', root);
          const text = [
            ...lines,
            ...headers.map((header) => `#if __has_include("${header}")\n#include "${header}"\n#endif`),
            ...Array.from({ length: times }, () => `#include "${own}"`),
            observed,
          ];
          writeFileSync(name.startsWith('/') ? name : join(project.cwd, name), `${text.join('\n')}\n`, 'latin1');
          const remembered = told(remembering({ source: name }));
          const alone = told(evaluator(project)({ source: name }));
          try {
            expect(remembered).toEqual(alone);
          } catch (error) {
            throw new Error(`${String(error)}\n${text.join('\n')}\n${describeTree(tree)}`);
          }
          if (typeof remembered !== 'string') same += 1;
        });
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
  );
  fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false });
  expect(same).toBeGreaterThan(0);
});
