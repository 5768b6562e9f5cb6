// Builds one real project in one configuration plainly and through icets, at one and the same path, and compares what the
// two leave.

import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { compareTrees, fileDigest, regularFiles } from './compare.mjs';
import { mustRun, runCommand } from './command.mjs';
import { icetsProgram } from './private-cluster.mjs';

/** @typedef {import('./projects.mjs').Project} Project */
/** @typedef {import('./projects.mjs').Configuration} Configuration */
/** @typedef {import('./private-cluster.mjs').PrivateCluster} PrivateCluster */
/** @typedef {import('./private-cluster.mjs').StepRecord} StepRecord */

/**
 * @typedef {object} ProjectResult
 * @property {string} project
 * @property {string} tool
 * @property {Configuration} configuration
 * @property {number} units objects that the plain build made
 * @property {number} remote units whose last record says that a worker, now or before, made them
 * @property {number} cached those of them that came from the action cache
 * @property {Record<string, { same: number, different: string[] }>} kinds
 * @property {string[]} different files that two plain builds make alike and icets does not
 * @property {string[]} notReproducible files that two plain compiles already make differently
 * @property {string[]} missing
 * @property {string[]} extra
 * @property {string[]} modes
 * @property {boolean | undefined} ninjaDepsSame
 * @property {Record<string, number>} localUnits why units were compiled here
 * @property {string[]} noRecord units of which icets kept no record
 * @property {Record<string, number>} localOther why other steps ran here
 * @property {number} plainMs
 * @property {number} icetsMs
 */

/**
 * @param {{ project: Project, configuration: Configuration, pristine: string, folder: string, cluster: PrivateCluster,
 *   jobs: number, quick: boolean, onLine?: (line: string) => void }} run
 * `pristine` is the unpacked source, `folder` an existing empty folder
 * @returns {Promise<ProjectResult>}
 */
export async function runProject({ project, configuration, pristine, folder, cluster, jobs, quick, onLine }) {
  const tree = join(folder, 'tree');
  const plainTree = join(folder, 'plain');
  const plan = { source: join(tree, 'source'), build: join(tree, 'build'), configuration, jobs, quick };

  const build = async (/** @type {string | undefined} */ launcher) => {
    await mkdir(tree);
    await cp(pristine, plan.source, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    await mkdir(plan.build);
    const whole = { ...plan, launcher, env: cluster.env, onLine };
    await project.configure(whole);
    const startMs = performance.now();
    await project.make(whole);
    const wallMs = performance.now() - startMs;
    return { wallMs, deps: project.depsInNinja ? await ninjaDeps(plan.build, cluster.env) : undefined };
  };

  const plain = await build(undefined);
  await rename(tree, plainTree);
  const sinceMs = Date.now();
  const through = await build(icetsProgram);

  const comparison = await compareTrees(plainTree, tree);
  const records = (await cluster.records()).filter((record) => record.startMs >= sinceMs - 1);
  const units = (await regularFiles(plainTree)).filter((file) => file.endsWith('.o'));
  /** @type {Map<string, StepRecord>} */
  const recordOf = new Map();
  for (const record of records) {
    if (record.output !== undefined) recordOf.set(relative(tree, record.output), record);
  }

  const suspects = Object.values(comparison.kinds).flatMap((kind) => kind.different);
  const { different, notReproducible } = await judge(suspects, recordOf, tree, cluster.env);
  const placed = units.map((unit) => recordOf.get(unit)?.place);
  const unitSet = new Set(units);
  const result = {
    project: project.name,
    tool: project.tool,
    configuration,
    units: units.length,
    remote: placed.filter((place) => place?.kind === 'remote' || place?.kind === 'cache').length,
    cached: placed.filter((place) => place?.kind === 'cache').length,
    kinds: comparison.kinds,
    different,
    notReproducible,
    missing: comparison.missing,
    extra: comparison.extra,
    modes: comparison.modes,
    ninjaDepsSame: plain.deps === undefined ? undefined : plain.deps === through.deps,
    localUnits: countReasons(placed.map((place) => (place === undefined ? 'no record' : reasonOf(place)))),
    noRecord: units.filter((unit) => !recordOf.has(unit)),
    localOther: countReasons(
      records
        .filter((record) => record.output === undefined || !unitSet.has(relative(tree, record.output)))
        .map((record) => reasonOf(record.place)),
    ),
    plainMs: plain.wallMs,
    icetsMs: through.wallMs,
  };
  await Promise.all([tree, plainTree].map((each) => rm(each, { recursive: true, force: true })));
  return result;
}

/**
 * @param {string} build
 * @param {Record<string, string>} env
 */
async function ninjaDeps(build, env) {
  const asked = await mustRun(['ninja', '-C', build, '-t', 'deps'], { env });
  return String(asked.stdout)
    .replaceAll(/deps mtime \d+/g, 'deps mtime')
    .split(/\n\n/)
    .sort()
    .join('\n\n');
}

/** @param {StepRecord['place']} place */
function reasonOf(place) {
  return place.kind === 'local' ? place.reason : undefined;
}

/** @param {readonly (string | undefined)[]} reasons */
function countReasons(reasons) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const reason of reasons) {
    if (reason !== undefined) counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}

/**
 * Compiles each suspect plainly twice, where it was compiled, and asks whether the two agree. What no compile step made
 * (an archive, a program) counts as not reproducible when one of the suspect objects is.
 * @param {readonly string[]} suspects
 * @param {ReadonlyMap<string, StepRecord>} recordOf
 * @param {string} tree
 * @param {Record<string, string>} env
 */
async function judge(suspects, recordOf, tree, env) {
  /** @type {string[]} */
  const different = [];
  /** @type {string[]} */
  const notReproducible = [];
  /** @type {string[]} */
  const undecided = [];
  for (const file of suspects) {
    const record =
      recordOf.get(file) ?? recordOf.get(file.replace(/\.d$/, '')) ?? recordOf.get(file.replace(/\.(d|dwo)$/, '.o'));
    if (record === undefined) {
      undecided.push(file);
      continue;
    }
    const digests = [];
    for (let i = 0; i < 2; i++) {
      await runCommand(record.argv, { cwd: record.cwd, env });
      digests.push(await fileDigest(join(tree, file)).catch(() => 'missing'));
    }
    (digests[0] === digests[1] ? different : notReproducible).push(file);
  }
  (notReproducible.length > 0 ? notReproducible : different).push(...undecided);
  return { different, notReproducible };
}

/**
 * Whether this result keeps the promises: nothing differs, nothing is left behind, 95 % remote.
 * @param {ProjectResult} result
 */
export function keepsPromises(result) {
  const reproducible = result.units - result.notReproducible.filter((file) => file.endsWith('.o')).length;
  return (
    result.different.length + result.missing.length + result.extra.length + result.modes.length === 0 &&
    result.ninjaDepsSame !== false &&
    result.units > 0 &&
    result.remote >= 0.95 * reproducible
  );
}
