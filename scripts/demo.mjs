// The demo: a scheduler and three workers on this machine compile a real C++ project that CMake and Ninja build through
// icets; a plain build at the same path follows, and every object of the two is compared.
//   ICETS_DEMO_JOBS=N   jobs of both builds (default: twice the cores)

import { mkdtemp, rename, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { childrenCpuMs, endRunning, mustRun, runCommand } from '../bench/builds/command.mjs';
import { compareTrees, regularFiles } from '../bench/builds/compare.mjs';
import { icetsProgram, startPrivateCluster, treeCpuMs } from '../bench/builds/private-cluster.mjs';
import { formatTable, seconds } from '../bench/builds/table.mjs';
import { unpackDebianSource } from './debian-source.mjs';

/** @typedef {import('../src/model/step.ts').StepRecord} StepRecord */

const project = 'abseil';
const jobs = Number(process.env.ICETS_DEMO_JOBS ?? 2 * availableParallelism());

/** @param {string} line */
const say = (line) => process.stdout.write(`${line}\n`);

/** @type {import('../bench/builds/private-cluster.mjs').PrivateCluster | undefined} */
let cluster;
/** @type {string | undefined} */
let work;
/** @type {Promise<void> | undefined} */
let cleaning;

/** Ends the cluster and removes what the demo made; a second call waits for the first. */
function cleanUp() {
  cleaning ??= (async () => {
    await endRunning();
    const stray = (await cluster?.stop()) ?? [];
    for (const process of stray) say(`demo: had to end a process that was left: ${process}`);
    if (work !== undefined) await rm(work, { recursive: true, force: true, maxRetries: 5 });
  })();
  return cleaning;
}

let interrupted = false;
for (const [signal, code] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])) {
  process.once(signal, () => {
    interrupted = true;
    say('\ndemo: cleaning up');
    void cleanUp().then(() => process.exit(code));
  });
}

/**
 * Shows Ninja's `[done/total]` as one line that is rewritten, or now and then a line where there is no terminal.
 * @param {string} title
 */
function progressLine(title) {
  const startMs = Date.now();
  let shownMs = 0;
  return (/** @type {string} */ line) => {
    const step = /^\[(\d+)\/(\d+)\] (.*)$/.exec(line);
    if (step === null) return;
    const [, done = '0', total = '0', what = ''] = step;
    const last = done === total;
    if (!last && Date.now() - shownMs < (process.stdout.isTTY ? 100 : 10_000)) return;
    shownMs = Date.now();
    const elapsed = seconds(shownMs - startMs);
    const text = `${title} ${done.padStart(total.length)}/${total}  ${elapsed}`;
    if (!process.stdout.isTTY) say(text);
    else {
      const room = Math.max(0, (process.stdout.columns ?? 80) - text.length - 3);
      process.stdout.write(`\r\x1b[K${text}  ${what.slice(-room)}${last ? '\n' : ''}`);
    }
  };
}

/**
 * @param {string} tree
 * @param {Record<string, string>} env
 * @param {string | undefined} launcher
 */
async function configure(tree, env, launcher) {
  await mustRun(
    [
      ...['cmake', '-G', 'Ninja', '-S', join(tree, 'source'), '-B', join(tree, 'build')],
      ...['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DCMAKE_CXX_STANDARD=17', '-DABSL_BUILD_TESTING=OFF'],
      ...(launcher === undefined ? [] : [`-DCMAKE_CXX_COMPILER_LAUNCHER=${launcher}`]),
    ],
    { env },
  );
}

/**
 * Builds everything; says how long it took, and the CPU of Ninja with all that it started and waited for.
 * @param {string} tree
 * @param {Record<string, string>} env
 * @param {string} title
 */
async function build(tree, env, title) {
  const cpuBefore = childrenCpuMs();
  // The depfiles stay, to be compared too.
  const finished = await runCommand(['ninja', '-d', 'keepdepfile', '-j', String(jobs), '-C', join(tree, 'build')], {
    env: { ...env, NINJA_STATUS: '[%f/%t] ' },
    onLine: progressLine(title),
  });
  if (finished.code !== 0) {
    const tail = String(finished.stdout).trim().split('\n').slice(-25).join('\n');
    throw new Error(`the build ended with ${finished.code ?? finished.signal}:\n${tail}\n${finished.stderr}`);
  }
  return { wallMs: finished.wallMs, cpuMs: childrenCpuMs() - cpuBefore };
}

/** @param {readonly StepRecord[]} records */
function sayTables(records) {
  /** @type {Map<string, { kind: string, where: string, why: string, steps: number, ms: number }>} */
  const groups = new Map();
  for (const { kind, place, startMs, endMs } of records) {
    const where = place.kind === 'local' ? 'here' : place.kind === 'cache' ? 'cache' : place.worker;
    const why = place.kind === 'local' ? place.reason : '';
    const key = `${kind} ${where} ${why}`;
    const group = groups.get(key) ?? { kind, where, why, steps: 0, ms: 0 };
    group.steps += 1;
    group.ms += endMs - startMs;
    groups.set(key, group);
  }
  const rows = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  say(
    formatTable(
      ['step', 'ran on', 'reason', 'steps', 'time', 'each'],
      rows.map(({ kind, where, why, steps, ms }) => [
        kind,
        where,
        why,
        steps,
        seconds(ms),
        `${(ms / steps).toFixed(0)} ms`,
      ]),
    ),
  );
  say('');

  /** @type {Map<string, number[]>} */
  const phases = new Map();
  for (const record of records) {
    for (const [phase, ms] of Object.entries(record.phases)) phases.set(phase, [...(phases.get(phase) ?? []), ms]);
  }
  say(
    formatTable(
      ['phase', 'steps', 'total', 'mean', 'largest'],
      [...phases].map(([phase, times]) => {
        const total = times.reduce((sum, ms) => sum + ms, 0);
        const mean = `${(total / times.length).toFixed(1)} ms`;
        return [phase.replace(/Ms$/, ''), times.length, seconds(total), mean, `${Math.max(...times).toFixed(1)} ms`];
      }),
    ),
  );
  say('');
}

async function main() {
  // The very first thing that the demo needs is also the slowest to fetch, so a failure shows early.
  work = await mkdtemp(join(tmpdir(), 'icets-demo-'));
  const pristine = join(work, 'pristine');
  const { version } = await unpackDebianSource(project, pristine, say);
  say(`demo: ${project} ${version} with CMake and Ninja, ${jobs} jobs`);

  cluster = await startPrivateCluster({ workers: 3, name: 'demo' });
  const { env } = cluster;
  say('demo: a scheduler and three workers are up');

  const tree = join(work, 'tree');
  const lay = async () => {
    await mustRun(['mkdir', tree]);
    await mustRun(['cp', '-a', pristine, join(tree, 'source')]);
  };
  await lay();
  await configure(tree, env, icetsProgram);
  const through = await build(tree, env, 'through icets');
  const records = (await cluster.records()).filter(
    ({ output }) => output !== undefined && !relative(tree, output).startsWith('..'),
  );
  const agent = await cluster.agentStatus();
  const agentTreeMs = agent === undefined ? 0 : treeCpuMs(agent.pid);
  await rename(tree, join(work, 'through-icets'));

  await lay();
  await configure(tree, env, undefined);
  const plain = await build(tree, env, 'plainly      ');

  const comparison = await compareTrees(tree, join(work, 'through-icets'));
  const objects = (await regularFiles(tree)).filter((file) => file.endsWith('.o'));
  const missing = comparison.missing.filter((file) => file.endsWith('.o'));
  const different = [...comparison.kinds.object.different, ...missing];
  const recordOf = new Map(records.map((record) => [relative(tree, record.output ?? ''), record]));
  const remote = objects.filter((object) => {
    const record = recordOf.get(object);
    return record !== undefined && record.place.kind !== 'local';
  }).length;

  say('');
  sayTables(records);
  const localCpuMs = records
    .filter(({ place }) => place.kind === 'local')
    .reduce((sum, record) => sum + record.userMs + record.systemMs, 0);
  const agentCpuMs = agent?.cpuMs ?? 0;
  const scansMs = Math.max(0, agentTreeMs - agentCpuMs);
  const submittingMs = agentCpuMs + scansMs + through.cpuMs;
  const count = Math.max(1, objects.length);
  const cpuRow = (/** @type {string} */ what, /** @type {number} */ ms) => [
    what,
    seconds(ms),
    `${(ms / count).toFixed(1)} ms`,
  ];
  say(
    formatTable(
      ['CPU of the submitting side', 'total', 'per object'],
      [
        cpuRow('agent', agentCpuMs),
        cpuRow('programs it started (compilers asked for inputs)', scansMs),
        cpuRow('launchers, with ninja, its shells and ar', through.cpuMs - localCpuMs),
        cpuRow('steps that ran here', localCpuMs),
        cpuRow('all of it', submittingMs),
        cpuRow('the plain build, to compare', plain.cpuMs),
      ],
    ),
  );
  say('');
  say(
    `wall: ${seconds(through.wallMs)} through icets, ${seconds(plain.wallMs)} plainly (cluster and builds share this machine)`,
  );
  const { depfile, archive } = comparison.kinds;
  say(
    `also compared: ${depfile.same} of ${depfile.same + depfile.different.length} depfiles and ${archive.same} of ${archive.same + archive.different.length} archives identical`,
  );
  for (const file of different.slice(0, 20)) say(`different: ${file}`);
  for (const file of comparison.extra.slice(0, 20)) say(`left behind in the build folder: ${file}`);
  await cleanUp();
  const identical = objects.length - different.length;
  say(
    `demo: compiles=${objects.length} remote=${remote} local=${objects.length - remote} identical=${identical} different=${different.length}`,
  );
  return objects.length > 0 && different.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  // A build that was interrupted fails; the signal's handler has the word then.
  if (!interrupted) {
    say(`\ndemo: ${error instanceof Error ? error.message : String(error)}`);
    await cleanUp();
    process.exitCode = 1;
  } else await cleanUp();
}
