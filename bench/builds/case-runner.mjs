// Runs a few commands plainly and through icets in one and the same folder, and says how what they leave and print differs.

import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileDigest } from './compare.mjs';
import { runCommand } from './command.mjs';
import { icetsProgram } from './private-cluster.mjs';

/**
 * @typedef {object} CaseStep
 * @property {readonly string[]} argv the plain command
 * @property {string} [cwd] default: the case's folder
 * @property {Record<string, string>} [env] on top of the cluster's
 * @property {string} [umask] octal
 * @property {{ columns: number, rows: number }} [terminal] all output goes to a terminal of this size
 */

/**
 * @typedef {object} IdentityCase
 * @property {string} name
 * @property {string} root absolute; made for the case and removed after it
 * @property {Record<string, string>} files content by path relative to root
 * @property {Record<string, number>} [mtimes] seconds since the epoch by path; default one fixed time for all
 * @property {(root: string) => Promise<void>} [prepare] once the files are there
 * @property {readonly CaseStep[]} steps
 * @property {number} [failing] how many of the steps must fail, default none
 */

/**
 * @typedef {object} CaseOutcome
 * @property {string} name
 * @property {number} steps
 * @property {number} compared files and outputs that were equal
 * @property {string[]} different
 * @property {string[]} notReproducible differs between two plain runs as well
 * @property {string[]} broken the case itself does not do what it is meant to do
 */

const fixedSeconds = 1_600_000_000;

/**
 * @param {IdentityCase} subject
 * @param {Record<string, string>} env
 * @returns {Promise<CaseOutcome>}
 */
export async function runCase(subject, env) {
  try {
    const plain = await observe(subject, env, []);
    const through = await observe(subject, env, [icetsProgram]);
    const different = differences(plain, through);
    const again = different.length > 0 ? await observe(subject, env, []) : plain;
    const unstable = new Set(differences(plain, again));
    const failed = [...plain].filter(([what, value]) => what.endsWith('exit status') && value !== '0').length;
    const broken =
      failed === (subject.failing ?? 0) ? [] : [`${failed} of the plain commands failed: ${firstFailure(plain)}`];
    return {
      name: subject.name,
      steps: subject.steps.length,
      compared: new Set([...plain.keys(), ...through.keys()]).size - different.length,
      different: different.filter((what) => !unstable.has(what)).map((what) => describe(what, plain, through)),
      notReproducible: different.filter((what) => unstable.has(what)),
      broken,
    };
  } finally {
    await rm(subject.root, { recursive: true, force: true });
  }
}

/** @typedef {Map<string, string>} Observation what was seen, by its name */

/**
 * @param {IdentityCase} subject
 * @param {Record<string, string>} env
 * @param {readonly string[]} launcher
 * @returns {Promise<Observation>}
 */
async function observe(subject, env, launcher) {
  const { root } = subject;
  await rm(root, { recursive: true, force: true });
  for (const [path, content] of Object.entries(subject.files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  await subject.prepare?.(root);
  for (const path of Object.keys(subject.files)) {
    const mtime = subject.mtimes?.[path] ?? fixedSeconds;
    await utimes(join(root, path), mtime, mtime);
  }
  /** @type {Observation} */
  const seen = new Map();
  for (const [i, step] of subject.steps.entries()) {
    const cwd = step.cwd ?? root;
    const finished = await runCommand(wrapped([...launcher, ...step.argv], step), {
      cwd,
      env: { ...env, PWD: cwd, ...step.env },
    });
    seen.set(`step ${i + 1} exit status`, String(finished.code ?? finished.signal));
    seen.set(`step ${i + 1} stdout`, finished.stdout.toString('latin1'));
    seen.set(`step ${i + 1} stderr`, finished.stderr.toString('latin1'));
  }
  for await (const path of everything(root)) {
    // A clang that crashed leaves its temporary object, named by chance.
    const name = relative(root, path).replace(/-[0-9a-f]{8}(\.o\.tmp)$/, '-RANDOM$1');
    seen.set(`file ${name}`, await fingerprint(path));
  }
  return seen;
}

/**
 * @param {readonly string[]} argv
 * @param {CaseStep} step
 */
function wrapped(argv, step) {
  if (step.terminal === undefined && step.umask === undefined) return argv;
  const quoted = argv.map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`).join(' ');
  const umask = step.umask === undefined ? '' : `umask ${step.umask}; `;
  if (step.terminal === undefined) return ['sh', '-c', `${umask}exec ${quoted}`];
  const { columns, rows } = step.terminal;
  const inTerminal = `stty cols ${columns} rows ${rows}; ${umask}exec ${quoted}`;
  return ['script', '--quiet', '--return', '--command', inTerminal, '/dev/null'];
}

/**
 * @param {string} folder
 * @returns {AsyncGenerator<string>}
 */
async function* everything(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* everything(path);
    else yield path;
  }
}

/** @param {string} path */
async function fingerprint(path) {
  const stats = await lstat(path);
  if (stats.isSymbolicLink()) return `link to ${await readlink(path)}`;
  // Depfiles are small and worth showing; of everything else the digest is enough.
  const content = path.endsWith('.d') ? await readFile(path, 'latin1') : await fileDigest(path);
  return `mode ${(stats.mode & 0o7777).toString(8)}, ${stats.nlink} links, ${content}`;
}

/**
 * @param {Observation} a
 * @param {Observation} b
 */
function differences(a, b) {
  return [...new Set([...a.keys(), ...b.keys()])].filter((what) => a.get(what) !== b.get(what));
}

/**
 * @param {string} what
 * @param {Observation} plain
 * @param {Observation} through
 */
function describe(what, plain, through) {
  const short = (/** @type {string | undefined} */ text) =>
    text === undefined
      ? 'nothing'
      : JSON.stringify(text.length > 400 ? `${text.slice(0, 400)}... (${sum(text)})` : text);
  return `${what}: plain ${short(plain.get(what))}, through icets ${short(through.get(what))}`;
}

/** @param {string} text */
function sum(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** @param {Observation} seen */
function firstFailure(seen) {
  for (const [what, value] of seen) {
    if (what.endsWith('exit status') && value !== '0') {
      return `${what} ${value}: ${seen.get(what.replace('exit status', 'stderr'))?.slice(0, 300) ?? ''}`;
    }
  }
  return 'none failed';
}

/**
 * Makes a file with a mode, for `prepare`.
 * @param {string} path
 * @param {string} content
 * @param {number} mode
 */
export async function writeWithMode(path, content, mode) {
  await writeFile(path, content);
  await chmod(path, mode);
}
