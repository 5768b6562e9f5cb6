// Full rebuilds from the result cache, icets beside ccache in its direct mode: wall time and CPU per hit, in alternating pairs.

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildEnvironment, endRunning, mustRun } from '../builds/command.mjs';
import { icetsProgram } from '../builds/private-cluster.mjs';
import { formatTable } from '../builds/table.mjs';
import { measureIcets, startCluster } from '../submitter/icets-rows.mjs';
import { prepareBuild, projectFacts } from '../submitter/measured-build.mjs';
import { buildMeter, totalCpuMs } from '../submitter/meter.mjs';

/** @typedef {import('../submitter/icets-rows.mjs').RowFigures} RowFigures */
/** @typedef {import('../submitter/measured-build.mjs').ProjectName} ProjectName */
/** @typedef {import('../submitter/measured-build.mjs').MeasuredBuild} MeasuredBuild */

const usage = `usage: npm run bench:cache -- [options]
  --project NAMES   abseil,redis (default both)
  --pairs N         pairs of rebuilds, medians count (default 5)
  --jobs N          jobs of the builds (default 2)
  --quick           a few targets of each project`;

const { values: options } = parseArgs({
  options: {
    project: { type: 'string', default: 'abseil,redis' },
    pairs: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** @param {readonly number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/**
 * @param {ProjectName} project
 * @param {string} work
 * @param {string} meter
 */
async function benchProject(project, work, meter) {
  const common = { project, work, meter, jobs: Number(options.jobs), quick: options.quick };
  const cluster = await startCluster({ workers: 1 });
  try {
    const ours = await prepareBuild({ ...common, name: 'icets', launcher: [icetsProgram], env: cluster.env });
    // Its folder and nothing else: the settings are ccache's own.
    const env = { ...buildEnvironment(), CCACHE_DIR: join(work, 'ccache'), CCACHE_CONFIGPATH: '/dev/null' };
    const theirs = await prepareBuild({ ...common, name: 'ccache', launcher: ['ccache'], env });
    console.log(`${project}: filling both caches`);
    await measureIcets(cluster, ours, { place: 'remote' }, {});
    await ccacheRow(theirs, env);
    /** @type {{ ours: RowFigures, theirs: RowFigures }[]} */
    const pairs = [];
    for (let i = 0; i < Number(options.pairs); i++) {
      console.log(`${project}: pair ${i + 1}`);
      const first = i % 2 === 0 ? await ccacheRow(theirs, env) : undefined;
      const middle = await measureIcets(cluster, ours, { place: 'cache' }, {});
      pairs.push({ ours: middle, theirs: first ?? (await ccacheRow(theirs, env)) });
    }
    printTable(project, pairs);
  } finally {
    for (const stray of await cluster.stop()) console.log(`had to be killed: ${stray}`);
  }
}

/**
 * @param {MeasuredBuild} build
 * @param {Record<string, string>} env
 * @returns {Promise<RowFigures>}
 */
async function ccacheRow(build, env) {
  await build.clean();
  await mustRun(['ccache', '--zero-stats'], { env });
  const { units, wallMs } = await build.build({});
  const stats = await mustRun(['ccache', '--print-stats'], { env });
  const hits = Number(/^direct_cache_hit\t(\d+)/m.exec(String(stats.stdout))?.[1] ?? 0);
  const remark = hits >= units.length ? '' : `${hits} direct hits`;
  return { units: units.length, clientMs: totalCpuMs(units), daemonMs: 0, wallMs, remark };
}

/**
 * @param {ProjectName} project
 * @param {readonly { ours: RowFigures, theirs: RowFigures }[]} pairs
 */
function printTable(project, pairs) {
  const { language, plain } = projectFacts[project];
  const load = loadavg().map((each) => each.toFixed(1));
  console.log(
    `\n${project} (${language}, ${plain}): ${pairs[0]?.ours.units} units, ${pairs.length} pairs; load ${load.join(' ')}`,
  );
  const sum = (/** @type {RowFigures} */ row) => (row.clientMs + row.daemonMs) / row.units;
  const ms = (/** @type {number} */ value) => `${value.toFixed(2)} ms`;
  const row = (/** @type {string} */ name, /** @type {readonly RowFigures[]} */ all) => [
    name,
    `${(median(all.map(({ wallMs }) => wallMs)) / 1000).toFixed(2)} s`,
    ms(median(all.map(({ clientMs, units }) => clientMs / units))),
    ms(median(all.map(({ daemonMs, units }) => daemonMs / units))),
    ms(median(all.map(sum))),
    all[0]?.schedulerMs === undefined ? '' : ms(median(all.map(({ schedulerMs = 0, units }) => schedulerMs / units))),
    all.find(({ remark }) => remark !== '')?.remark ?? '',
  ];
  const wall = median(pairs.map(({ ours, theirs }) => ours.wallMs / theirs.wallMs));
  const cpu = median(pairs.map(({ ours, theirs }) => sum(ours) / sum(theirs)));
  console.log(
    formatTable(
      ['rebuild', 'wall', 'client per hit', 'agent', 'sum', 'scheduler', 'remark'],
      [
        row(
          'icets',
          pairs.map((pair) => pair.ours),
        ),
        row(
          'ccache',
          pairs.map((pair) => pair.theirs),
        ),
      ],
    ),
  );
  console.log(
    `icets over ccache, medians of the pairs: wall ${wall.toFixed(2)}, CPU per hit ${cpu.toFixed(2)} (target 1.00 or less)\n`,
  );
}

if (options.help) {
  console.log(usage);
} else {
  const work = await mkdtemp(join(tmpdir(), 'icets-cache-'));
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
    void endRunning();
  });
  try {
    const version = String((await mustRun(['ccache', '--version'])).stdout).split('\n')[0];
    console.log(
      `Linux ${release()}, ${cpus().length} cores (${cpus()[0]?.model}), Node ${process.versions.node}, ${version}, -j${options.jobs}
client: rusage of the launcher or of ccache with all it waits for, per unit; agent: its CPU with children, from /proc; the
  scheduler is another process, on this machine too, and not in the sum; wall: the whole build, links and archives included`,
    );
    const meter = await buildMeter(work);
    for (const project of /** @type {ProjectName[]} */ (options.project.split(',')))
      await benchProject(project, work, meter);
  } catch (error) {
    if (!interrupted) console.error(error);
    process.exitCode = 1;
  } finally {
    await endRunning();
    await rm(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
