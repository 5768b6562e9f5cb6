// The identity bench: are objects, depfiles, output and exit statuses through icets those of the plain compiler? Real
// projects in several configurations, small projects at awkward places, compiles that fail.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { unpackDebianSource } from '../../scripts/debian-source.mjs';
import { runCase } from './case-runner.mjs';
import { ensureLocale, identityCases } from './cases.mjs';
import { endRunning } from './command.mjs';
import { diagnosticCases } from './diagnostics.mjs';
import { repositoryRoot, startPrivateCluster } from './private-cluster.mjs';
import { keepsPromises, runProject } from './project-run.mjs';
import { projects } from './projects.mjs';
import { formatTable } from './table.mjs';

/** @typedef {import('./private-cluster.mjs').PrivateCluster} PrivateCluster */
/** @typedef {import('./project-run.mjs').ProjectResult} ProjectResult */
/** @typedef {import('./case-runner.mjs').CaseOutcome} CaseOutcome */

const usage = `usage: npm run bench -- builds [options]
  --quick               a slice: one configuration and a few targets of each project, cases with gcc only
  --only projects|cases|diagnostics
  --project NAME        one of ${projects.map((project) => project.name).join(', ')}
  --compiler gcc|clang
  --flags '-O2'         one set of flags instead of -O2 and -O0 -g
  --jobs N              jobs of the builds (default: cores)
  --workers N           workers of the cluster (default: 2)
  --case TEXT           only the cases whose name contains TEXT`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    project: { type: 'string' },
    compiler: { type: 'string' },
    flags: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    workers: { type: 'string', default: '2' },
    case: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** @param {string} line */
const say = (line) => process.stdout.write(`${line}\n`);

function configurations() {
  const compilers = /** @type {const} */ (['gcc', 'clang']).filter(
    (name) => options.compiler === undefined || options.compiler === name,
  );
  const flags = options.flags === undefined ? ['-O2', '-O0 -g'] : [options.flags];
  const all = compilers.flatMap((compiler) => flags.map((each) => ({ compiler, flags: each })));
  return options.quick ? all.slice(0, 1) : all;
}

/**
 * @param {PrivateCluster} cluster
 * @param {string} work
 */
async function benchProjects(cluster, work) {
  /** @type {ProjectResult[]} */
  const results = [];
  for (const project of projects.filter(({ name }) => options.project === undefined || options.project === name)) {
    const pristine = join(work, 'pristine');
    const { version } = await unpackDebianSource(project.name, pristine, say);
    for (const configuration of configurations()) {
      const what = `${project.name} ${version}, ${project.tool}, ${configuration.compiler} ${configuration.flags}`;
      say(`${what}: building plainly and through icets`);
      const folder = await mkdtemp(join(work, 'build-'));
      const result = await runProject({
        ...{ project, configuration, pristine, folder, cluster },
        jobs: Number(options.jobs),
        quick: options.quick,
      });
      results.push(result);
      for (const [title, files] of Object.entries({
        different: result.different,
        'not reproducible': result.notReproducible,
        missing: result.missing,
        'left behind': result.extra,
        'other mode': result.modes,
        'no record': result.noRecord,
      })) {
        for (const file of files.slice(0, 20)) say(`  ${title}: ${file}`);
        if (files.length > 20) say(`  ${title}: and ${files.length - 20} more`);
      }
      if (result.ninjaDepsSame === false) say('  ninja -t deps differs');
      await rm(folder, { recursive: true, force: true });
    }
    await rm(pristine, { recursive: true, force: true });
  }
  return results;
}

/** @param {readonly ProjectResult[]} results */
function projectTable(results) {
  const reasons = (/** @type {Record<string, number>} */ counts) =>
    Object.entries(counts)
      .sort((a, b) => b[1] - a[1])
      .map(([reason, count]) => `${reason} ${count}`)
      .join(', ') || '-';
  const outOf = (/** @type {ProjectResult} */ result, /** @type {string[]} */ kinds) => {
    const chosen = kinds.map((kind) => result.kinds[kind] ?? { same: 0, different: [] });
    const same = chosen.reduce((sum, kind) => sum + kind.same, 0);
    return `${same}/${chosen.reduce((sum, kind) => sum + kind.same + kind.different.length, 0)}`;
  };
  return formatTable(
    [
      ...[
        'project',
        'built with',
        'compiler',
        'flags',
        'units',
        'remote',
        'objects',
        'depfiles',
        'libraries, programs',
      ],
      ...['different', 'not repr.', 'wall, plain = 1', 'units here, why', 'other steps here, why'],
    ],
    results.map((result) => [
      ...[result.project, result.tool, result.configuration.compiler, result.configuration.flags, result.units],
      `${((100 * result.remote) / Math.max(1, result.units)).toFixed(1)} %`,
      outOf(result, ['object', 'dwo']),
      outOf(result, ['depfile']),
      outOf(result, ['archive', 'linked']),
      result.different.length + result.missing.length + result.extra.length + result.modes.length,
      result.notReproducible.length,
      (result.icetsMs / result.plainMs).toFixed(2),
      reasons(result.localUnits),
      reasons(result.localOther),
    ]),
  );
}

/**
 * @param {readonly import('./case-runner.mjs').IdentityCase[]} cases
 * @param {PrivateCluster} cluster
 */
async function benchCases(cases, cluster) {
  /** @type {(CaseOutcome & { remote: number, cached: number, localReasons: string[] })[]} */
  const outcomes = [];
  const wanted = cases.filter(({ name }) => options.case === undefined || name.includes(options.case));
  for (const each of wanted) {
    const sinceMs = Date.now();
    const outcome = await runCase(each, cluster.env);
    const places = (await cluster.records()).filter((record) => record.startMs >= sinceMs).map(({ place }) => place);
    outcomes.push({
      ...outcome,
      remote: places.filter(({ kind }) => kind === 'remote').length,
      cached: places.filter(({ kind }) => kind === 'cache').length,
      localReasons: places.flatMap((place) => (place.kind === 'local' ? [place.reason] : [])),
    });
    const bad = [...outcome.different, ...outcome.broken.map((line) => `broken case: ${line}`)];
    say(`${bad.length === 0 ? 'same     ' : 'DIFFERENT'} ${each.name}`);
    for (const line of bad) say(`    ${line}`);
  }
  return outcomes;
}

/** @param {Awaited<ReturnType<typeof benchCases>>} outcomes */
function caseTable(outcomes) {
  return formatTable(
    ['case', 'steps', 'remote', 'cached', 'equal', 'different', 'not repr.', 'here, why'],
    outcomes.map((outcome) => [
      ...[outcome.name, outcome.steps, outcome.remote, outcome.cached, outcome.compared],
      outcome.different.length + outcome.broken.length,
      outcome.notReproducible.length,
      [...new Set(outcome.localReasons)].join(', ') || '-',
    ]),
  );
}

async function main() {
  if (options.help) {
    say(usage);
    return 0;
  }
  const does = (/** @type {string} */ part) =>
    options.only === part || (options.only === undefined && (part === 'projects' || options.project === undefined));
  const work = await mkdtemp(join(tmpdir(), 'icets-identity-'));
  /** @type {PrivateCluster | undefined} */
  let cluster;
  let undoLocale = async () => {};
  let ending = false;
  const cleanUp = async () => {
    if (ending) return [];
    ending = true;
    await endRunning();
    const stray = (await cluster?.stop()) ?? [];
    await undoLocale();
    await rm(work, { recursive: true, force: true });
    return stray;
  };
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.once(signal, () => void cleanUp().then(() => process.exit(130)));
  }
  try {
    cluster = await startPrivateCluster({ workers: Number(options.workers), name: 'bench' });
    const results = does('projects') ? await benchProjects(cluster, work) : [];
    /** @type {Awaited<ReturnType<typeof benchCases>>} */
    let cases = [];
    if (does('cases')) {
      const locale = await ensureLocale();
      undoLocale = locale.undo;
      if (!locale.available) say('left out: locale en_US.UTF-8 cannot be made here (apt-get install locales)');
      const chosen = identityCases({ quick: options.quick });
      for (const line of chosen.leftOut) say(`left out: ${line}`);
      cases = await benchCases(chosen.cases, cluster);
    }
    const diagnostics = does('diagnostics') ? await benchCases(diagnosticCases({ quick: options.quick }), cluster) : [];
    const status = await cluster.agentStatus();
    const stray = await cleanUp();

    say('');
    if (results.length > 0) say(`${projectTable(results)}\n`);
    if (cases.length > 0) say(`${caseTable(cases)}\n`);
    if (diagnostics.length > 0) say(`${caseTable(diagnostics)}\n`);
    for (const process of stray) say(`left running after icets down: ${process}`);
    const file = await keep({ options, results, cases, diagnostics, counters: status?.counters, stray });
    say(`kept in ${file}`);
    const bad = [
      ...results.filter((result) => !keepsPromises(result)),
      ...[...cases, ...diagnostics].filter((outcome) => outcome.different.length + outcome.broken.length > 0),
      ...stray,
    ];
    const units = results.reduce((sum, result) => sum + result.units, 0);
    say(
      `builds: configurations=${results.length} units=${units} cases=${cases.length + diagnostics.length} bad=${bad.length}`,
    );
    return bad.length === 0 ? 0 : 1;
  } finally {
    await cleanUp();
  }
}

/** @param {object} result */
async function keep(result) {
  const folder = join(repositoryRoot, 'bench/results');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `builds-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`);
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

process.exitCode = await main().catch((error) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
});
