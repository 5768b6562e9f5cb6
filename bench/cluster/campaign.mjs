// Runs the builds of a campaign, one after the other, each family of modes on fresh boards, and keeps their results. Unaware
// of options and tables.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeBoards } from './boards.mjs';
import { measure } from './measure.mjs';
import { projects } from './projects.mjs';
import { measureReference } from './reference.mjs';
import { families } from './sessions.mjs';
import { idealSetting, settings, standaloneJobs, standaloneMode } from './settings.mjs';

/** @typedef {import('./results.mjs').RunKey} RunKey */
/** @typedef {import('./sessions.mjs').Family} Family */
/** @typedef {import('./projects.mjs').Project} Project */
/** @typedef {import('./settings.mjs').Setting} Setting */

/**
 * @typedef {object} CampaignPlan
 * @property {string} work
 * @property {{ visible: string[], hidden: string[], build: string }} installed icets
 * @property {readonly string[]} settingNames
 * @property {readonly string[]} projectNames
 * @property {readonly string[]} modes
 * @property {import('./results.mjs').Results} results
 * @property {(line: string) => void} say
 * @property {number} jobs
 * @property {number} slots
 * @property {number} hostSlots
 * @property {number} repeat
 * @property {boolean} slice
 * @property {boolean} polite
 * @property {boolean} remoteOnly
 * @property {boolean} weakCxxOnly
 */

/** @typedef {{ link: string, cgroupVersion: string }} Conditions */

/**
 * @param {CampaignPlan} plan
 * @returns {Promise<Conditions>}
 */
export async function runCampaign(plan) {
  /** @type {Conditions} */
  const conditions = { link: 'unknown (nothing was built)', cgroupVersion: '?' };
  for (const project of projects.filter(({ name }) => plan.projectNames.includes(name))) {
    if (plan.results.reference(project.name, plan.slice) === undefined) await keepReference(plan, project);
    for (const family of families) {
      const wanted = plan.settingNames.filter(
        (name) => !(plan.weakCxxOnly && name === 'weak' && project.name !== 'cxx'),
      );
      const todo = settings.filter(
        ({ name }) =>
          (wanted.includes(name) && isTodo(plan, name, project, family)) || isIdealTodo(plan, name, project, family),
      );
      if (todo.length === 0) continue;
      const launcher = { name: family.name, argv: family.launcher(plan.work) };
      const folder = join(plan.work, `trees/${project.name}-${family.name}`);
      const tree = await project.prepare(folder, launcher, plan.slice);
      for (const setting of todo) await runFamily({ plan, conditions, setting, project, family, tree });
    }
  }
  return conditions;
}

/**
 * @param {CampaignPlan} plan
 * @param {Project} project
 */
async function keepReference(plan, project) {
  plan.say(`${project.name}: what each step costs on a whole core`);
  const { reference, measured, version } = await measureReference(project, plan);
  if (measured.code !== 0) throw new Error(`the plain build of ${project.name} ended with ${measured.code}`);
  plan.results.add({
    ...{ v: 1, kind: 'reference', when: new Date().toISOString(), project: project.name },
    ...{ slice: plan.slice, version, reference, measured },
  });
  plan.say(`  ${reference.cpuS.toFixed(1)} s of CPU, ${measured.wallS.toFixed(1)} s`);
}

/**
 * Slow things whose figures nobody compares with a target are built once.
 * @param {CampaignPlan} plan
 * @param {string} setting
 * @param {string} family
 */
const repetitionsOf = (plan, setting, family) => (setting === 'tiny' || family === standaloneMode ? 1 : plan.repeat);

/**
 * @param {Family} family
 * @param {import('./sessions.mjs').Phase} phase
 */
const modeOf = (family, phase) => (phase === 'once' ? family.name : `${family.name}-${phase}`);

/**
 * @param {CampaignPlan} plan
 * @param {string} setting
 * @param {Project} project
 * @param {string} mode
 * @param {number} repetition
 * @returns {RunKey}
 */
function keyOf(plan, setting, project, mode, repetition) {
  const { remoteOnly, slots, slice } = plan;
  const jobs = mode === standaloneMode ? standaloneJobs : plan.jobs;
  const hostSlots = remoteOnly ? 0 : plan.hostSlots;
  return { setting, project: project.name, mode, remoteOnly, jobs, slots, hostSlots, slice, repetition };
}

/**
 * Whether a build of this family is asked for that the results do not have.
 * @param {CampaignPlan} plan
 * @param {string} setting
 * @param {Project} project
 * @param {Family} family
 */
function isTodo(plan, setting, project, family) {
  return family.phases
    .map((phase) => modeOf(family, phase))
    .filter((mode) => plan.modes.includes(mode))
    .some((mode) => {
      for (let i = 1; i <= repetitionsOf(plan, setting, family.name); i++) {
        if (!plan.results.has(keyOf(plan, setting, project, mode, i))) return true;
      }
      return false;
    });
}

/**
 * The build that the ideal rests on is done whatever is asked for.
 * @param {CampaignPlan} plan
 * @param {string} setting
 * @param {Project} project
 * @param {Family} family
 */
function isIdealTodo(plan, setting, project, family) {
  const needed = family.name === standaloneMode && setting === idealSetting.name && !plan.remoteOnly;
  return needed && plan.results.standalone(project.name, plan.slice) === undefined;
}

/**
 * Cold builds each on boards of their own, the warm ones behind the last of them.
 * @param {{ plan: CampaignPlan, conditions: Conditions, setting: Setting, project: Project, family: Family,
 *   tree: import('./projects.mjs').Tree }} run
 */
async function runFamily({ plan, conditions, setting, project, family, tree }) {
  const { say, results, installed, polite } = plan;
  const isNew = (/** @type {string} */ mode, /** @type {number} */ i) =>
    !results.has(keyOf(plan, setting.name, project, mode, i));
  const [first = 'once', second] = family.phases;
  const warmMode =
    second === undefined || !plan.modes.includes(modeOf(family, second)) ? undefined : modeOf(family, second);
  const repeat = repetitionsOf(plan, setting.name, family.name);
  const repetitions = Array.from({ length: repeat }, (_, i) => i + 1);
  const warm = warmMode === undefined ? [] : repetitions.filter((i) => isNew(warmMode, i));
  const coldMode = modeOf(family, first);
  const asked = plan.modes.includes(coldMode) || coldMode === standaloneMode;
  const cold = asked ? repetitions.filter((i) => isNew(coldMode, i)) : [];
  // The warm builds need a first one anyway, which then counts as a cold one.
  if (cold.length === 0 && warm.length > 0) cold.push(repeat + 1);

  for (const [index, repetition] of cold.entries()) {
    const logs = join(plan.work, 'logs', `${setting.name}-${project.name}-${coldMode}-${repetition}`);
    mkdirSync(logs, { recursive: true });
    const places = { visible: installed.visible, hidden: installed.hidden, submitters: [plan.work] };
    const boards = await makeBoards({ boards: setting.boards, ...places, polite });
    conditions.link = boards.link;
    conditions.cgroupVersion = boards.cgroupVersion;
    try {
      const hostSlots = plan.remoteOnly ? 0 : plan.hostSlots;
      const session = await family.start({ boards, work: plan.work, logs, slots: plan.slots, hostSlots });
      const build = async (/** @type {import('./sessions.mjs').Phase} */ phase, /** @type {number} */ i) => {
        const mode = modeOf(family, phase);
        await tree.clean();
        const before = await session.counters();
        const log = join(logs, `build-${phase}-${i}.log`);
        const wrap = session.wrap;
        const key = keyOf(plan, setting.name, project, mode, i);
        const measured = await measure(boards, tree, key.jobs, log, {
          env: session.env(phase),
          ...(wrap !== undefined && { wrap }),
        });
        const counters = difference(await session.counters(), before);
        const when = new Date().toISOString();
        results.add({ v: 1, kind: 'build', ...key, when, build: installed.build, counters, measured });
        const noise = (measured.otherCpuS / measured.wallS).toFixed(2);
        const end =
          measured.code === 0 ? '' : `, FAILED (${measured.timedOut ? 'too slow' : measured.code}), see ${log}`;
        const how = `${measured.wallS.toFixed(1)} s, noise ${noise} core${end}`;
        say(`${setting.name} ${project.name} ${mode}${plan.remoteOnly ? ' (remote only)' : ''}: ${how}`);
      };
      await build(first, repetition);
      if (second !== undefined && index === cold.length - 1) for (const i of warm) await build(second, i);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      say(`${setting.name} ${project.name} ${coldMode}: could not be started: ${text}`);
    } finally {
      await boards.down();
    }
  }
}

/**
 * @param {Record<string, number>} after
 * @param {Record<string, number>} before
 */
function difference(after, before) {
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, value]) => /** @type {const} */ ([name, Math.round(1000 * (value - (before[name] ?? 0))) / 1000]))
      .filter(([, value]) => value !== 0),
  );
}
