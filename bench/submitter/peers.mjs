// The rows of the peers, with their servers on this machine's loopback: distcc, its pump mode, icecc. Each brings up what
// it needs, builds once, and ends it; what cannot be measured says why.

import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, runCommand } from '../builds/command.mjs';
import { treeCpuMs } from '../builds/private-cluster.mjs';
import { totalCpuMs } from './meter.mjs';
import { prepareBuild } from './measured-build.mjs';

/** @typedef {import('./icets-rows.mjs').RowFigures} RowFigures */
/** @typedef {{ project: import('./measured-build.mjs').ProjectName, work: string, meter: string, jobs: number,
 *   quick: boolean, env: Record<string, string> }} PeerPlan */

/** @type {Readonly<Record<string, (plan: PeerPlan) => Promise<RowFigures>>>} */
export const peers = { distcc, pump, icecc, sccache };

/**
 * @param {PeerPlan} plan
 * @returns {Promise<RowFigures>}
 */
async function distcc(plan) {
  const server = await startDistccd(plan);
  try {
    const env = { ...plan.env, ...distccEnvironment(plan, `127.0.0.1:${server.port}/${plan.jobs},lzo`) };
    return await buildOnce(plan, 'distcc', ['distcc'], env, undefined);
  } finally {
    await end(server.pid);
  }
}

/**
 * Pump mode with an include server that has seen nothing; its start is not counted, its scanning is.
 * @param {PeerPlan} plan
 * @returns {Promise<RowFigures>}
 */
async function pump(plan) {
  const server = await startDistccd(plan);
  const folder = join(plan.work, 'pump');
  const mended = await mendIncludeServer(folder);
  const socket = join(folder, 'socket');
  const pidFile = join(folder, 'pid');
  const hosts = `127.0.0.1:${server.port}/${plan.jobs},cpp,lzo`;
  const env = { ...plan.env, ...distccEnvironment(plan, hosts), INCLUDE_SERVER_PORT: socket };
  /** @type {number | undefined} */
  let includeServer;
  try {
    const options = ['--port', socket, '--pid_file', pidFile, '-d1'];
    const program = ['/usr/bin/python3', '-O', join(mended.library, 'include_server/include_server.py'), ...options];
    // It goes into the background with its descriptors.
    await mustRun(['sh', '-c', 'exec "$@" >"$LOG" 2>&1 </dev/null', 'sh', ...program], {
      env: {
        ...env,
        PYTHONPATH: `${mended.library}:${join(mended.library, 'include_server')}`,
        LD_PRELOAD: mended.shim,
        LOG: join(folder, 'include-server.log'),
      },
    });
    includeServer = Number(readFileSync(pidFile, 'utf8'));
    return await buildOnce(plan, 'pump', ['distcc'], env, includeServer);
  } finally {
    if (includeServer !== undefined) await end(includeServer);
    await end(server.pid);
  }
}

/**
 * @param {PeerPlan} plan
 * @returns {Promise<RowFigures>}
 */
async function icecc(plan) {
  if (process.getuid?.() !== 0) throw new Error('needs root: iceccd changes its root folder for each compile');
  const folder = join(plan.work, `icecc-${plan.project}`);
  await mkdir(folder, { recursive: true });
  // The daemon gives root's rights up and becomes this user.
  await mustRun(['chown', 'icecc', folder]);
  await chmod(plan.work, 0o755);
  const [schedulerPort, port] = [await freePort(), await freePort()];
  const net = `icets-bench-${process.pid}`;
  const env = {
    ...plan.env,
    ICECC_TEST_SOCKET: join(folder, 'here.socket'),
    ICECC_TEST_REMOTEBUILD: '1',
    ICECC_TESTS: '1',
    ICECC_PREFERRED_HOST: 'there',
    ICECC_SCHEDULER: `127.0.0.1:${schedulerPort}`,
  };
  /** @type {number[]} */
  const pids = [];
  try {
    pids.push(start(['icecc-scheduler', '-n', net, '-p', String(schedulerPort), '-vv'], folder, 'scheduler', env));
    const daemon = (/** @type {string} */ name, /** @type {readonly string[]} */ more) =>
      start(
        [
          'iceccd',
          '-n',
          net,
          '-s',
          `127.0.0.1:${schedulerPort}`,
          '-N',
          name,
          '-b',
          join(folder, `${name}-env`),
          '-vv',
          ...more,
        ],
        ...[folder, name, { ...env, ICECC_TEST_SOCKET: join(folder, `${name}.socket`) }],
      );
    const here = daemon('here', ['--no-remote', '-m', String(plan.jobs)]);
    pids.push(here, daemon('there', ['-p', String(port), '-m', String(plan.jobs)]));
    for (const name of ['here', 'there']) await untilText(join(folder, `${name}.log`), 'Connected to scheduler');
    // The first compile of each language packs the compiler.
    await writeFile(join(folder, 'first.c'), 'int first;\n');
    for (const compiler of ['gcc', 'g++']) {
      await mustRun(['icecc', compiler, '-c', 'first.c', '-o', 'first.o'], { cwd: folder, env });
    }
    const row = await buildOnce(plan, 'icecc', ['icecc'], env, here);
    const said = await readFile(join(folder, 'there.log'), 'utf8');
    const there = said.split('\n').filter((line) => /Remote compilation completed/.test(line)).length;
    return there >= row.units ? row : { ...row, remark: `only ${there} compiled by the server` };
  } finally {
    for (const pid of pids.reverse()) await end(pid);
  }
}

/** @returns {Promise<RowFigures>} */
async function sccache() {
  const found = await runCommand(['sh', '-c', 'command -v sccache-dist']);
  throw new Error(found.code === 0 ? 'sccache-dist is there, but this bench does not know it' : 'no sccache-dist here');
}

/**
 * @param {PeerPlan} plan
 * @param {string} name
 * @param {readonly string[]} launcher
 * @param {Record<string, string>} env
 * @param {number | undefined} daemon number of the resident process that works for this build
 * @returns {Promise<RowFigures>}
 */
async function buildOnce(plan, name, launcher, env, daemon) {
  const build = await prepareBuild({ ...plan, name, launcher, env });
  await build.clean();
  const fromMs = daemon === undefined ? 0 : treeCpuMs(daemon);
  const { units, wallMs } = await build.build({});
  const daemonMs = daemon === undefined ? 0 : treeCpuMs(daemon) - fromMs;
  return { units: units.length, clientMs: totalCpuMs(units), daemonMs, wallMs, remark: '', metered: [...units] };
}

/** @param {PeerPlan} plan */
async function startDistccd({ work, jobs, env }) {
  await mkdir(join(work, 'distcc'), { recursive: true });
  const port = await freePort();
  const place = ['--listen', '127.0.0.1', '--port', String(port), '--allow', '127.0.0.1', '--enable-tcp-insecure'];
  const user = process.getuid?.() === 0 ? ['--user', 'distccd'] : [];
  const log = ['--log-stderr', '--log-level', 'notice'];
  const options = ['--no-detach', '--daemon', '--jobs', String(jobs + 1), ...place, ...user, ...log];
  const pid = start(['distccd', ...options], work, `distccd-${port}`, env);
  await untilConnected(port);
  return { pid, port };
}

/**
 * @param {PeerPlan} plan
 * @param {string} hosts
 */
function distccEnvironment({ work }, hosts) {
  return { DISTCC_DIR: join(work, 'distcc'), DISTCC_HOSTS: hosts, DISTCC_FALLBACK: '0', DISTCC_SKIP_LOCAL_RETRY: '1' };
}

/**
 * Debian 12's include server asks Python for lengths of a kind that Python no longer gives (PY_SSIZE_T_CLEAN is missing).
 * A copy of it calls a function of ours in place of PyArg_ParseTuple, which converts.
 * @param {string} folder
 */
export async function mendIncludeServer(folder) {
  const installed = '/usr/lib/python3/dist-packages/include_server';
  if (!existsSync(installed)) throw new Error('distcc-pump is not installed');
  const library = join(folder, 'library');
  const copy = join(library, 'include_server');
  await mkdir(library, { recursive: true });
  await cp(installed, copy, { recursive: true });
  for (const name of (await readdir(copy)).filter((each) => each.endsWith('.so'))) {
    const bytes = await readFile(join(copy, name));
    const at = bytes.indexOf('\0PyArg_ParseTuple\0');
    if (at < 0) throw new Error('this include server cannot be mended');
    bytes.write('PyArg_ParseTupl3', at + 1, 'latin1');
    await writeFile(join(copy, name), bytes);
  }
  const source = join(folder, 'mend.c');
  const shim = join(folder, 'mend.so');
  await writeFile(
    source,
    `#include <stdarg.h>
#include <string.h>
int _PyArg_ParseTuple_SizeT(void *, const char *, ...) __attribute__((weak));
int PyArg_VaParse(void *, const char *, va_list) __attribute__((weak));
int PyArg_ParseTupl3(void *values, const char *format, ...) {
  va_list rest;
  va_start(rest, format);
  int done;
  if (strcmp(format, "s#") == 0) {
    const char **text = va_arg(rest, const char **);
    int *length = va_arg(rest, int *);
    long wide = 0;
    done = _PyArg_ParseTuple_SizeT(values, format, text, &wide);
    *length = (int)wide;
  } else {
    done = PyArg_VaParse(values, format, rest);
  }
  va_end(rest);
  return done;
}
`,
  );
  await mustRun(['cc', '-shared', '-fPIC', '-O2', '-o', shim, source]);
  return { library, shim };
}

/**
 * Starts a server; what it says goes to `FOLDER/NAME.log`.
 * @param {readonly string[]} argv
 * @param {string} folder
 * @param {string} name
 * @param {Record<string, string>} env
 */
function start(argv, folder, name, env) {
  const log = openSync(join(folder, `${name}.log`), 'a');
  const child = spawn(argv[0] ?? '', argv.slice(1), { cwd: '/', env, stdio: ['ignore', log, log] });
  child.on('error', () => {});
  if (child.pid === undefined) throw new Error(`${argv[0]} is not installed`);
  child.unref();
  return child.pid;
}

/** @param {number} pid */
async function end(pid) {
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGKILL'])) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    for (const untilMs = Date.now() + 3000; Date.now() < untilMs && isRunning(pid);) await sleep(20);
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** @returns {Promise<number>} a port of the loopback that nobody listens on now */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** @param {number} port */
async function untilConnected(port) {
  for (const untilMs = Date.now() + 10_000; Date.now() < untilMs; await sleep(50)) {
    const tried = await runCommand(['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`]);
    if (tried.code === 0) return;
  }
  throw new Error(`nobody listens on port ${port}`);
}

/**
 * @param {string} file
 * @param {string} text
 */
async function untilText(file, text) {
  for (const untilMs = Date.now() + 60_000; Date.now() < untilMs; await sleep(200)) {
    if ((await readFile(file, 'utf8').catch(() => '')).includes(text)) return;
  }
  throw new Error(`its daemon did not say "${text}"`);
}
