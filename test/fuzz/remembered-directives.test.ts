// Random include trees whose source is evaluated under many macros: what directives remember of earlier evaluations, outcomes
// of conditions and files that were found, changes nothing.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import fc from 'fast-check';
import type { Evaluation } from '../../src/scan/evaluation.ts';
import { argumentsAt, describeTree, includeTrees, writeTree, type IncludeTree } from '../support/include-tree.ts';
import { rehearsals, rehearsalText, rehearsedMacros as macros } from '../support/rehearsals.ts';
import { scratchFolder, type ScratchFolder } from '../support/scratch-folder.ts';
import { evaluator, type EvaluatedProject } from '../support/unit-evaluation.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);

let scratch: ScratchFolder;
beforeAll(() => {
  scratch = scratchFolder('memory-fuzz');
});
afterAll(() => scratch.remove());

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
  const property = fc.property(fc.noBias(includeTrees), rehearsals, (tree, all) => {
    const root = mkdtempSync(join(scratch.path, 'tree-'));
    try {
      writeTree(tree, root);
      const project = projectOf(tree, root);
      mkdirSync(join(project.cwd, 'seen'), { recursive: true });
      for (const name of macros) writeFileSync(join(project.cwd, `seen/${name}.h`), '');
      const source = tree.argv.at(-1) ?? '';
      const remembering = evaluator(project);
      all.forEach((rehearsal, number) => {
        const name = join(dirname(source), `variant-${number}${extname(source)}`).replaceAll('@ROOT@', root);
        const text = `${rehearsalText(rehearsal, tree)}${observed}\n`;
        writeFileSync(name.startsWith('/') ? name : join(project.cwd, name), text, 'latin1');
        const remembered = told(remembering({ source: name }));
        const alone = told(evaluator(project)({ source: name }));
        try {
          expect(remembered).toEqual(alone);
        } catch (error) {
          throw new Error(`${String(error)}\n${text}${describeTree(tree)}`);
        }
        if (typeof remembered !== 'string') same += 1;
      });
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
  fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false });
  expect(same).toBeGreaterThan(0);
});
