// Builds the meter (meter.c) and reads its log: what each compile of a build cost the machine that started it.

import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../builds/command.mjs';

/**
 * One command that ran under the meter.
 * @typedef {object} Metered
 * @property {number} cpuMs of the command and of all it waited for
 * @property {number} wallMs
 * @property {number} exitCode
 * @property {string} cwd
 * @property {readonly string[]} argv launcher included
 */

/**
 * Compiles the meter into `folder`; answers its path.
 * @param {string} folder
 */
export async function buildMeter(folder) {
  const program = join(folder, 'meter');
  await mustRun(['cc', '-O2', '-static', '-o', program, join(dirname(fileURLToPath(import.meta.url)), 'meter.c')]);
  return program;
}

/**
 * The commands of a meter's log; none when there is no such file.
 * @param {string} path
 * @returns {Promise<Metered[]>}
 */
export async function readMeter(path) {
  if (!existsSync(path)) return [];
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [cpuUs, wallUs, exitCode, cwd = '', argv = ''] = line.split('\t');
    return {
      cpuMs: Number(cpuUs) / 1000,
      wallMs: Number(wallUs) / 1000,
      exitCode: Number(exitCode),
      cwd,
      argv: argv.split('\x1f'),
    };
  });
}

/**
 * Empties the log at `path`.
 * @param {string} path
 */
export function clearMeter(path) {
  return rm(path, { force: true });
}

const sources = /\.(c|cc|cpp|cxx)$/;

/**
 * Whether this is the compile of a translation unit, and not a link, a probe (redis tries foo.c) or a compile of assembler text.
 * @param {Metered} metered
 */
export function isUnit({ argv }) {
  return argv.includes('-c') && argv.some((word) => sources.test(word) && !word.startsWith('-') && word !== 'foo.c');
}

/** @param {readonly Metered[]} all */
export function totalCpuMs(all) {
  return all.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}
