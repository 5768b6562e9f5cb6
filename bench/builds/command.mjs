// Runs programs for the benches and the demo: output kept or passed on line by line, whole process groups ended on request.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/**
 * @typedef {object} Finished
 * @property {number | null} code exit status, null when a signal ended the program
 * @property {NodeJS.Signals | null} signal
 * @property {Buffer} stdout
 * @property {Buffer} stderr
 * @property {number} wallMs
 */

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

/** Variables that would change what a build does, or how fast Node starts. */
const unwanted =
  /^(NODE_EXTRA_CA_CERTS|NODE_OPTIONS|MAKE|MAKEFLAGS|MFLAGS|MAKEFILES|MAKELEVEL|CC|CXX|CPP|LD|AR|[A-Z]*FLAGS|CMAKE_.*|CCACHE_.*|ICETS_.*|npm_.*|DEPENDENCIES_OUTPUT|CPATH|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|LIBRARY_PATH|GCC_.*|COLUMNS|LINES|LC_.*|LANGUAGE|PWD|OLDPWD)$/;

/**
 * This process's environment without what a build must not see, plus `extra`.
 * @param {Readonly<Record<string, string>>} [extra]
 * @returns {Record<string, string>}
 */
export function buildEnvironment(extra = {}) {
  /** @type {Record<string, string>} */
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !unwanted.test(name)) env[name] = value;
  }
  return { ...env, LANG: 'C.UTF-8', ...extra };
}

/**
 * Runs one program in its own process group (so that it can be ended with all it started). Never rejects for an exit
 * status; rejects when the program cannot be started.
 * @param {readonly string[]} argv
 * @param {{ cwd?: string, env?: Record<string, string>, onLine?: (line: string) => void }} [options]
 * @returns {Promise<Finished>}
 */
export function runCommand(argv, options = {}) {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const child = spawn(/** @type {string} */ (argv[0]), argv.slice(1), {
      cwd: options.cwd,
      env: options.env ?? buildEnvironment(),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    /** @type {Buffer[]} */
    const stdout = [];
    /** @type {Buffer[]} */
    const stderr = [];
    let partial = '';
    child.stdout.on('data', (chunk) => {
      stdout.push(chunk);
      if (options.onLine === undefined) return;
      const lines = (partial + String(chunk)).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) options.onLine(line);
    });
    child.stderr.on('data', (chunk) => stderr.push(chunk));
    child.on('error', (error) => {
      running.delete(child);
      reject(error);
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve({
        code,
        signal,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr),
        wallMs: performance.now() - startMs,
      });
    });
  });
}

/**
 * Runs a program that has to succeed; throws with the end of its output when it does not.
 * @param {readonly string[]} argv
 * @param {{ cwd?: string, env?: Record<string, string>, onLine?: (line: string) => void }} [options]
 */
export async function mustRun(argv, options = {}) {
  const finished = await runCommand(argv, options);
  if (finished.code !== 0) {
    const tail = `${finished.stdout}\n${finished.stderr}`.trim().split('\n').slice(-30).join('\n');
    throw new Error(`${argv.join(' ')} ended with ${finished.code ?? finished.signal}:\n${tail}`);
  }
  return finished;
}

/** Ends everything that is still running: asked first, killed after `patienceMs`. */
export async function endRunning(patienceMs = 3000) {
  const gone = [...running].map(
    (child) => new Promise((resolve) => (child.exitCode === null ? child.once('close', resolve) : resolve(undefined))),
  );
  signalAll('SIGINT');
  const timer = setTimeout(() => signalAll('SIGKILL'), patienceMs);
  await Promise.all(gone);
  clearTimeout(timer);
}

/** @param {NodeJS.Signals} signal */
function signalAll(signal) {
  for (const child of running) {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // already gone
    }
  }
}

/** CPU of all finished and waited-for descendants of this process, in milliseconds (10 ms steps). */
export function childrenCpuMs() {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // cutime and cstime are fields 16 and 17 of proc(5); the first two have been cut off; USER_HZ is 100 everywhere.
  return (Number(fields[13]) + Number(fields[14])) * 10;
}
