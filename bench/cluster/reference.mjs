// What the steps of a project's plain build cost by themselves: one after the other on a board with a whole core, with the
// meter in front of every compiler and, where the build allows it, of ar. The ideal and the list schedule start from here.

import { rm } from 'node:fs/promises';
import { isAbsolute, join, parse } from 'node:path';
import { buildMeter, readMeter } from '../submitter/meter.mjs';
import { makeBoards } from './boards.mjs';
import { measure } from './measure.mjs';
import { referenceSetting } from './settings.mjs';

/**
 * @typedef {object} Reference
 * @property {number} cpuS of the whole build
 * @property {number} units compiles with an object
 * @property {import('./list-schedule.mjs').PlannedStep[]} steps
 * @property {number} otherS CPU that is in none of the steps
 */

/**
 * @param {import('./projects.mjs').Project} project
 * @param {{ work: string, slice: boolean, polite: boolean }} options
 * @returns {Promise<{ reference: Reference, measured: import('./measure.mjs').Measured, version: string }>}
 */
export async function measureReference(project, { work, slice, polite }) {
  const log = join(work, `steps-${project.name}.log`);
  const meter = await buildMeter(work);
  const launcher = { name: 'meter', argv: [meter, log], archives: true };
  const tree = await project.prepare(join(work, `trees/${project.name}-meter`), launcher, slice);
  const boards = await makeBoards({
    boards: referenceSetting.boards,
    visible: [],
    hidden: [],
    submitters: [work],
    polite,
  });
  try {
    await tree.clean();
    await rm(log, { force: true });
    const measured = await measure(boards, tree, 1, join(work, `logs/${project.name}-reference.log`));
    const steps = (await readMeter(log))
      .filter(({ exitCode }) => exitCode === 0)
      .map((step) => plannedStep(step, project.phase(step.cwd)));
    const cpuS = measured.boards.submitter?.cpuS ?? 0;
    const otherS = Math.max(0, cpuS - steps.reduce((sum, step) => sum + step.cpuS, 0));
    const units = steps.filter(({ mayLeave }) => mayLeave).length;
    return { reference: { cpuS, units, steps, otherS }, measured, version: tree.version };
  } finally {
    await boards.down();
  }
}

/**
 * @param {import('../submitter/meter.mjs').Metered} step
 * @param {number} phase
 * @returns {import('./list-schedule.mjs').PlannedStep}
 */
function plannedStep({ argv, cwd, cpuMs }, phase) {
  const path = (/** @type {string} */ name) => (isAbsolute(name) ? name : join(cwd, name));
  const compiles = argv.includes('-c');
  const output = argv[argv.indexOf('-o') + 1];
  const source = argv.findLast((word) => /\.(c|cc|cpp|cxx)$/.test(word));
  const archive = argv.find((word) => word.endsWith('.a'));
  let made = '';
  if (argv.includes('-o') && output !== undefined) made = path(output);
  else if (compiles && source !== undefined) made = join(cwd, `${parse(source).name}.o`);
  else if (archive !== undefined) made = path(archive);
  const inputs = argv.filter((word) => /\.(o|a)$/.test(word)).map(path);
  return {
    cpuS: cpuMs / 1000,
    mayLeave: compiles && made.endsWith('.o'),
    phase,
    output: made,
    inputs: compiles ? [] : inputs.filter((input) => input !== made),
  };
}
