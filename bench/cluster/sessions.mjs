// How each way to build is brought up on fresh boards, and what it says about its own work. Ending the boards ends all of it.
// Unaware of projects and of figures.

import { cp, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { repositoryRoot } from '../builds/private-cluster.mjs';
import { mendIncludeServer } from '../submitter/peers.mjs';

/** @typedef {import('./boards.mjs').Boards} Boards */

/**
 * @typedef {object} SessionPlan
 * @property {Boards} boards
 * @property {string} work
 * @property {string} logs folder for the logs of what is started
 * @property {number} slots compiles at once on each worker
 * @property {number} hostSlots the same on the submitter; 0: nothing is compiled there
 */

/**
 * @typedef {object} Session
 * @property {(phase: Phase) => Readonly<Record<string, string>>} env of the build
 * @property {(argv: string[]) => string[]} [wrap] the build's command
 * @property {() => Promise<Record<string, number>>} counters since the start; what names mean is the family's affair
 */

/** @typedef {'once' | 'cold' | 'warm'} Phase */

/**
 * @typedef {object} Family
 * @property {string} name
 * @property {readonly Phase[]} phases in this order within one session
 * @property {(work: string) => readonly string[]} launcher
 * @property {(plan: SessionPlan) => Promise<Session>} start
 */

const distccEnvironment = { DISTCC_DIR: '/run/distcc' };

/** @type {readonly Family[]} */
export const families = [
  {
    name: 'standalone',
    phases: ['once'],
    launcher: () => [],
    start: async () => ({ env: () => ({}), counters: async () => ({}) }),
  },
  { name: 'icecc', phases: ['cold', 'warm'], launcher: () => ['icecc'], start: startIcecc },
  { name: 'distcc', phases: ['once'], launcher: () => ['distcc'], start: (plan) => startDistcc(plan, false) },
  { name: 'pump', phases: ['once'], launcher: () => ['distcc'], start: (plan) => startDistcc(plan, true) },
  {
    name: 'icets',
    phases: ['cold', 'warm'],
    launcher: (work) => [join(installed(work), 'bin/icets')],
    start: startIcets,
  },
];

/** @param {string} work */
function installed(work) {
  return join(work, 'icets');
}

/**
 * Copies the build of this checkout, so that a later build does not change what runs; its packages stay where they are.
 * @param {string} work
 * @returns {Promise<{ visible: string[], hidden: string[], build: string }>} what boards shall see and workers shall not
 */
export async function installIcets(work) {
  const target = installed(work);
  await rm(target, { recursive: true, force: true });
  await mkdir(join(target, 'src'), { recursive: true });
  for (const part of ['bin', 'dist', 'package.json', 'src/launcher']) {
    await cp(join(repositoryRoot, part), join(target, part), { recursive: true });
  }
  const packages = join(repositoryRoot, 'node_modules');
  await symlink(packages, join(target, 'node_modules'));
  const build = (await readFile(join(target, 'dist/build.hash'), 'utf8')).trim();
  return { visible: [target, packages], hidden: [repositoryRoot], build };
}

/**
 * @param {SessionPlan} plan
 * @returns {Promise<Session>}
 */
async function startIcets({ boards, work, logs, slots, hostSlots }) {
  const [submitter = '', ...workers] = boards.plans.map(({ name }) => name);
  const program = join(installed(work), 'bin/icets');
  const url = `icets://${boards.address(submitter)}:8765`;
  const env = {
    ICETS_STATE_DIR: '/run/icets/state',
    ICETS_CACHE_DIR: '/run/icets/cache',
    ICETS_SOCKET_DIR: '/run/icets/socket',
    ICETS_TOKEN_FILE: '/run/icets/token',
    ICETS_SCHEDULER: url,
  };
  const token = Array.from({ length: 64 }, () => Math.floor(Math.random() * 16).toString(16)).join('');
  const places = '/run/icets/state /run/icets/cache /run/icets/socket';
  // The first call builds the launcher: part of an installation, not of a build.
  const install = `umask 077; mkdir -p ${places}; echo ${token} > /run/icets/token; '${program}' --version`;
  const options = (/** @type {string} */ name, cwd = '/') => ({ cwd, env, log: join(logs, `${name}.log`) });
  for (const name of [submitter, ...workers]) {
    await boards.run(name, ['sh', '-c', install], { env, unlimited: true });
  }
  const listen = url.slice('icets://'.length);
  const scheduler = boards.start(submitter, [program, 'scheduler', '--listen', listen], options('scheduler'));
  await scheduler.said(/"ready":true/, 120_000);
  const joining = [submitter, ...workers].map(async (name) => {
    const own = name === submitter ? hostSlots : slots;
    if (own === 0) return;
    const argv = [program, 'worker', url, '--slots', String(own), '--name', name];
    await boards.start(name, argv, options(`worker-${name}`)).said(/"ready":true/, 240_000);
  });
  await Promise.all(joining);
  return {
    // The second build must compile: it shows a cluster that knows the headers, not one that knows the results.
    env: (phase) => (phase === 'warm' ? { ...env, ICETS_NO_CACHE: '1' } : env),
    counters: async () => {
      const { output } = await boards.start(submitter, [program, 'status', '--json'], { env, unlimited: true }).ended;
      // the boards go, the records stay: for a look at where the time went
      await boards.start(submitter, ['sh', '-c', `cp -r /run/icets/state/steps* '${logs}'`], { unlimited: true }).ended;
      const line = output.split('\n').find((each) => each.startsWith('{')) ?? '{}';
      const { agent, cluster } = JSON.parse(line);
      /** @type {Record<string, number>} */
      const counters = { ...agent?.counters };
      counters['agent.cpuS'] = ((agent?.cpuMs ?? 0) + (agent?.childCpuMs ?? 0)) / 1000;
      for (const worker of cluster?.workers ?? []) counters[`on.${worker.name}`] = worker.completed;
      return counters;
    },
  };
}

/**
 * @param {SessionPlan} plan
 * @returns {Promise<Session>}
 */
async function startIcecc({ boards, logs, slots, hostSlots }) {
  const [submitter = '', ...workers] = boards.plans.map(({ name }) => name);
  const log = (/** @type {string} */ name) => ({ log: join(logs, `${name}.log`) });
  for (const name of [submitter, ...workers]) {
    await boards.run(name, ['chown', 'icecc:', '/var/cache/icecc', '/run/icecc']);
  }
  boards.start(submitter, ['icecc-scheduler', '-n', 'boards', '-u', 'nobody', '-vv'], log('icecc-scheduler'));
  const joining = [submitter, ...workers].map(async (name) => {
    const own = name === submitter ? ['-m', String(Math.max(1, hostSlots))] : ['-m', String(slots)];
    const place = ['-n', 'boards', '-s', boards.address(submitter), '-N', name, '-b', '/var/cache/icecc'];
    const daemon = boards.start(name, ['iceccd', ...place, ...own, '-u', 'icecc', '-vv'], log(`iceccd-${name}`));
    await daemon.said(/Connected to scheduler/, 120_000);
  });
  await Promise.all(joining);
  return {
    env: () => ({}),
    counters: () => countLines(workers, logs, 'iceccd', /Remote compilation completed/),
  };
}

/**
 * @param {SessionPlan} plan
 * @param {boolean} pump
 * @returns {Promise<Session>}
 */
async function startDistcc({ boards, work, logs, slots, hostSlots }, pump) {
  const [submitter = '', ...workers] = boards.plans.map(({ name }) => name);
  for (const name of workers) {
    const place = ['--listen', boards.address(name), '--allow', `${boards.address(name)}/24`, '--enable-tcp-insecure'];
    const said = ['--log-stderr', '--log-level', 'info'];
    const argv = [
      'distccd',
      '--no-detach',
      '--daemon',
      '--user',
      'distccd',
      '--jobs',
      String(slots),
      ...place,
      ...said,
    ];
    const server = boards.start(name, argv, { log: join(logs, `distccd-${name}.log`) });
    await server.said(/listening on/, 60_000);
  }
  await boards.run(submitter, ['mkdir', '-p', '/run/distcc']);
  const own = hostSlots > 0 ? ['localhost/1'] : [];
  const hosts = [...own, ...workers.map((name) => `${name}/${slots},${pump ? 'cpp,' : ''}lzo`)].join(' ');
  const env = { ...distccEnvironment, DISTCC_HOSTS: hosts };
  /** @type {Session} */
  const session = { env: () => env, counters: () => countLines(workers, logs, 'distccd', /COMPILE_OK/) };
  if (!pump) return session;
  // Debian's include server does not work as it is; on this board a mended copy lies over it.
  const { library, shim } = await mendIncludeServer(join(work, 'pump'));
  const copy = join(library, 'include_server');
  const place = '/usr/lib/python3/dist-packages/include_server';
  await boards.run(submitter, ['mount', '--bind', copy, place]);
  const script =
    'eval "$(LD_PRELOAD="$SHIM" distcc-pump --startup)" && "$@"; code=$?; distcc-pump --shutdown; exit $code';
  return {
    ...session,
    env: () => ({ ...env, SHIM: shim }),
    wrap: (argv) => ['sh', '-c', script, 'sh', ...argv],
  };
}

/**
 * @param {readonly string[]} workers
 * @param {string} logs
 * @param {string} program
 * @param {RegExp} pattern
 */
async function countLines(workers, logs, program, pattern) {
  /** @type {Record<string, number>} */
  const counters = { 'place.remote': 0 };
  for (const name of workers) {
    const text = await readFile(join(logs, `${program}-${name}.log`), 'latin1');
    const lines = text.split('\n').filter((line) => pattern.test(line)).length;
    counters[`on.${name}`] = lines;
    counters['place.remote'] = (counters['place.remote'] ?? 0) + lines;
  }
  return counters;
}
