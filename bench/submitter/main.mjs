// What a compile costs the machine that submits it: icets with a cold, a restarted and a warm agent, its peers, and beside
// them the preprocessor (`-E`) of the same units, in one run. Ends with `submitter: ratio=R`: warm icets over g++ -E, both on a machine that compiles nothing.

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildEnvironment, endRunning } from '../builds/command.mjs';
import { icetsProgram } from '../builds/private-cluster.mjs';
import { formatTable } from '../builds/table.mjs';
import { endAgent, measureIcets, startCluster } from './icets-rows.mjs';
import { buildMeter } from './meter.mjs';
import { playBack } from './playback.mjs';
import { prepareBuild, preprocessorCpuMs, projectFacts } from './measured-build.mjs';
import { peers } from './peers.mjs';

/** @typedef {import('./icets-rows.mjs').RowFigures} RowFigures */
/** @typedef {import('./measured-build.mjs').ProjectName} ProjectName */

const icetsRows = ['cold', 'restarted', 'warm', 'elsewhere'];
const allRows = [...icetsRows, ...Object.keys(peers)];
/** the drawer of boards that a laptop submits to */
const elsewhere = { jobs: 48, slots: 24 };
const usage = `usage: npm run bench:submitter -- [options]
  --project NAMES   abseil,redis (default both; the last line needs abseil)
  --rows NAMES      of ${allRows.join(',')} (default all)
  --pairs N         warm builds, the median counts (default 3)
  --jobs N          jobs of the builds (default 2; ${elsewhere.jobs} with boards elsewhere)
  --quick           a few targets of each project`;

const { values: options } = parseArgs({
  options: {
    project: { type: 'string', default: 'abseil,redis' },
    rows: { type: 'string', default: allRows.join(',') },
    pairs: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Largest allowed share of the preprocessor's CPU. */
const targets = { abseil: { warm: 1 / 20, cold: 1 / 8 }, redis: { warm: 1 / 8, cold: 1 / 4 } };

/** @param {readonly number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/**
 * @param {ProjectName} project
 * @param {string} work
 * @param {string} meter
 */
async function benchProject(project, work, meter) {
  const rows = options.rows.split(',');
  const common = { project, work, meter, jobs: Number(options.jobs), quick: options.quick };
  /** @type {Map<string, RowFigures | string>} */
  const results = new Map();
  /** @type {readonly import('./meter.mjs').Metered[]} */
  let units = [];
  if (rows.some((row) => icetsRows.includes(row))) units = await measureRows(rows, common, results);
  for (const [name, measure] of Object.entries(peers)) {
    if (!rows.includes(name)) continue;
    console.log(`${project}: ${name}`);
    const figures = await measure({ ...common, env: buildEnvironment() }).catch((error) => `${error.message}`);
    results.set(name, figures);
    if (typeof figures === 'string') console.log(`  not measured: ${figures}`);
    if (typeof figures !== 'string' && units.length === 0) units = figures.metered ?? [];
  }
  if (units.length === 0) throw new Error('no row could be measured');
  console.log(`${project}: the preprocessor of ${units.length} units`);
  // A unit's command without what stood in front of the compiler.
  const launcherWords = units[0]?.argv.findIndex((word) => /^(.*\/)?(gcc|g\+\+)$/.test(word)) ?? 0;
  const preprocessor = await preprocessorCpuMs({ units, meter, work, launcherWords, env: buildEnvironment() });
  const perUnit = preprocessor.reduce((sum, ms) => sum + ms, 0) / preprocessor.length;
  printTable(project, results, perUnit, preprocessor.length);
  const warm = results.get('icets warm, elsewhere') ?? results.get('icets warm');
  return warm === undefined || typeof warm === 'string'
    ? undefined
    : (warm.clientMs + warm.daemonMs) / warm.units / perUnit;
}

/**
 * The rows of icets; answers the units of the cold build.
 * @param {readonly string[]} rows
 * @param {{ project: ProjectName, work: string, meter: string, jobs: number, quick: boolean }} common
 * @param {Map<string, RowFigures | string>} results
 */
async function measureRows(rows, common, results) {
  const cluster = await startCluster({ workers: 1 });
  const plan = { ...common, launcher: [icetsProgram], env: cluster.env };
  /** @type {(() => void) | undefined} */
  let endPlayback;
  /**
   * @param {string} row
   * @param {import('./measured-build.mjs').MeasuredBuild} build
   */
  const measure = async (row, build) => {
    console.log(`${common.project}: icets ${row}`);
    return measureIcets(cluster, build, { place: 'remote' });
  };
  /**
   * The median of several builds.
   * @param {string} row
   * @param {import('./measured-build.mjs').MeasuredBuild} build
   */
  const repeat = async (row, build) => {
    /** @type {RowFigures[]} */
    const all = [];
    for (let i = 0; i < Number(options.pairs); i++) all.push(await measure(row, build));
    const cost = (/** @type {RowFigures} */ each) => (each.clientMs + each.daemonMs) / each.units;
    const middle = median(all.map(cost));
    results.set(`icets ${row}`, /** @type {RowFigures} */ (all.find((each) => cost(each) === middle)));
  };
  try {
    const build = await prepareBuild({ ...plan, name: 'icets' });
    const cold = await measure('cold', build);
    if (rows.includes('cold')) results.set('icets cold', cold);
    if (rows.includes('restarted')) {
      await endAgent(cluster);
      results.set('icets restarted', await measure('restarted', build));
    }
    if (rows.includes('warm')) await repeat('warm', build);
    if (rows.includes('elsewhere')) {
      endPlayback = await playBack(cluster, elsewhere.slots);
      const many = await prepareBuild({ ...plan, name: 'icets-many', jobs: elsewhere.jobs });
      await measure('warm, elsewhere: what is to be played back', many);
      await repeat('warm, elsewhere', many);
    }
    return cold.metered ?? [];
  } finally {
    endPlayback?.();
    for (const stray of await cluster.stop()) console.log(`had to be killed: ${stray}`);
  }
}

/**
 * @param {ProjectName} project
 * @param {ReadonlyMap<string, RowFigures | string>} results
 * @param {number} perUnit
 * @param {number} units
 */
function printTable(project, results, perUnit, units) {
  const { language, plain } = projectFacts[project];
  const compiler = plain.split(' ')[0] ?? '';
  const ms = (/** @type {number} */ value) => `${value.toFixed(2)} ms`;
  console.log(
    `\n${project} (${language}, ${plain}): ${units} units; load ${loadavg()
      .map((each) => each.toFixed(1))
      .join(' ')}`,
  );
  const rows = [...results].map(([name, row]) => {
    if (typeof row === 'string') return [name, '', '', '', '', '', '', row.split('\n')[0] ?? ''];
    const goal = targets[project][name.startsWith('icets warm') ? 'warm' : 'cold'];
    const cost = (row.clientMs + row.daemonMs) / row.units;
    return [
      ...[name, ms(row.clientMs / row.units), ms(row.daemonMs / row.units), ms(cost), (cost / perUnit).toFixed(3)],
      name.startsWith('icets') ? `${goal}` : '',
      row.schedulerMs === undefined ? '' : ms(row.schedulerMs / row.units),
      [...(row.units === units ? [] : [`${row.units} units`]), ...(row.remark === '' ? [] : [row.remark])].join('; '),
    ];
  });
  console.log(
    formatTable(
      ['CPU per unit', 'client', 'daemon', 'sum', `of ${compiler} -E`, 'target', 'scheduler', 'remark'],
      [...rows, [`${compiler} -E`, ms(perUnit), '', ms(perUnit), '1.000', '', '', '']],
    ),
  );
}

if (options.help) {
  console.log(usage);
} else {
  const work = await mkdtemp(join(tmpdir(), 'icets-submitter-'));
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
    void endRunning();
  });
  try {
    const meter = await buildMeter(work);
    console.log(
      `Linux ${release()}, ${cpus().length} cores (${cpus()[0]?.model}), Node ${process.versions.node}, -j${options.jobs}
client: rusage of what the build starts for each unit (launcher or wrapper with all it waits for), taken by a small
  program in front of it; links, archives and make or ninja themselves are not in it
daemon: CPU of the resident part on the submitting machine (agent, include server, iceccd) with its children, from /proc,
  over the whole build, links and a start during the build included
scheduler, workers, servers: other processes, not counted; of icets' scheduler the CPU per unit is printed
icets' worker and the peers' servers are on this machine too and compile beside what is measured, but not with "elsewhere":
  there the worker answers with what it compiled before (after twice the CPU time that took, ${elsewhere.slots} slots, -j${elsewhere.jobs}), so that
  nothing compiles here; -E too is measured with nothing beside it. The last line is of "elsewhere" when it was measured
cold: no agent, nothing kept; restarted: no agent, what it keeps on disk; warm: it has built the same before;
  results are not taken from the cache (ICETS_NO_CACHE); audits are off (1 % of a local compile per unit, on idle cores, nice 19); -E: the same commands with -c -o FILE replaced by -E -o /dev/null`,
    );
    /** @type {number | undefined} */
    let ratio;
    for (const project of /** @type {ProjectName[]} */ (options.project.split(','))) {
      const found = await benchProject(project, work, meter);
      if (project === 'abseil') ratio = found;
    }
    if (ratio !== undefined) console.log(`\nsubmitter: ratio=${ratio.toFixed(3)}`);
  } catch (error) {
    if (!interrupted) console.error(error);
    process.exitCode = 1;
  } finally {
    await endRunning();
    await rm(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
