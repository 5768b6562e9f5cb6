// Clean builds of abseil and redis with something in front of the compiler, the meter before it. Unaware of what that
// something is and of what else its machinery costs.

import { cp, mkdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebianSource } from '../../scripts/debian-source.mjs';
import { mustRun } from '../builds/command.mjs';
import { clearMeter, isUnit, readMeter, totalCpuMs } from './meter.mjs';

/** @typedef {import('./meter.mjs').Metered} Metered */

/** @typedef {'abseil' | 'redis'} ProjectName */

/**
 * A folder in which one project can be built again and again with the same launcher.
 * @typedef {object} MeasuredBuild
 * @property {string} folder
 * @property {() => Promise<void>} clean removes everything that was built; nothing of this is measured
 * @property {(env: Record<string, string>) => Promise<BuildFigures>} build
 */

/**
 * @typedef {object} BuildFigures
 * @property {readonly Metered[]} units
 * @property {number} otherCpuMs of what else ran through the launcher: links, probes
 * @property {number} wallMs of the whole build
 */

/** @type {Readonly<Record<ProjectName, { language: string, plain: string, quick: readonly string[] }>>} */
export const projectFacts = {
  abseil: { language: 'C++', plain: 'g++ -O2', quick: ['strings', 'throw_delegate'] },
  redis: { language: 'C', plain: 'gcc -O2', quick: ['-C', 'deps', 'hiredis', 'linenoise', 'lua', 'hdr_histogram'] },
};

/**
 * @param {{ project: ProjectName, work: string, meter: string, name: string, launcher: readonly string[], jobs: number,
 *   quick: boolean, env: Record<string, string> }} plan `launcher` stands between the meter and the compiler
 * @returns {Promise<MeasuredBuild>}
 */
export async function prepareBuild({ project, work, meter, name, launcher, jobs, quick, env }) {
  const pristine = join(work, `${project}-pristine`);
  if (!existsSync(pristine)) await unpackDebianSource(project, pristine, (line) => console.log(line));
  const log = join(work, `${project}-${name}.meter`);
  const folder = join(work, `${project}-${name}`);
  const prefix = [meter, log, ...launcher];
  const targets = quick ? projectFacts[project].quick : [];
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });

  /** @type {readonly string[]} */
  let make;
  /** @type {() => Promise<void>} */
  let clean;
  if (project === 'abseil') {
    const flags = ['-DCMAKE_BUILD_TYPE=None', '-DCMAKE_CXX_COMPILER=g++', '-DCMAKE_CXX_FLAGS=-O2'];
    const options = ['-DABSL_BUILD_TESTING=OFF', '-DCMAKE_CXX_STANDARD=17', '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON'];
    const through = `-DCMAKE_CXX_COMPILER_LAUNCHER=${prefix.join(';')}`;
    await mustRun(['cmake', '-G', 'Ninja', '-S', pristine, '-B', folder, ...flags, ...options, through], { env });
    make = ['ninja', '-j', String(jobs), '-C', folder, ...targets];
    clean = async () => void (await mustRun(['ninja', '-C', folder, '-t', 'clean'], { env }));
  } else {
    await cp(pristine, folder, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    const variables = [`CC=${[...prefix, 'gcc'].join(' ')}`, 'OPTIMIZATION=-O2', 'MALLOC=libc'];
    make = ['make', '-C', folder, '-j', String(jobs), ...variables, ...targets];
    clean = async () => void (await mustRun(['make', '-C', folder, 'CC=gcc', 'distclean'], { env }));
  }
  return {
    folder,
    clean: async () => {
      await clean();
      await clearMeter(log);
    },
    build: async (extra) => {
      // The date is part of redis' build id.
      const built = await mustRun(make, { env: { ...env, ...extra, SOURCE_DATE_EPOCH: '1700000000' } });
      const all = await readMeter(log);
      const units = all.filter(isUnit);
      return { units, otherCpuMs: totalCpuMs(all) - totalCpuMs(units), wallMs: built.wallMs };
    },
  };
}

/**
 * Runs the preprocessor of each unit under the meter, one after the other; answers CPU in milliseconds for each.
 * @param {{ units: readonly Metered[], meter: string, work: string, launcherWords: number, env: Record<string, string> }} plan
 * `launcherWords` is how many words of each command stand before the compiler
 */
export async function preprocessorCpuMs({ units, meter, work, launcherWords, env }) {
  const log = join(work, 'preprocessor.meter');
  await clearMeter(log);
  for (const { argv, cwd } of units) {
    await mustRun([meter, log, ...preprocessing(argv.slice(launcherWords))], { cwd, env });
  }
  return (await readMeter(log)).map(({ cpuMs }) => cpuMs);
}

/**
 * The command with `-c -o FILE` replaced by `-E -o /dev/null`, its dependency output left out.
 * @param {readonly string[]} argv
 */
export function preprocessing(argv) {
  /** @type {string[]} */
  const kept = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '-c' || /^-(MD|MMD|MP)$/.test(word)) continue;
    if (/^-(o|MF|MT|MQ)$/.test(word)) i += 1;
    else kept.push(word);
  }
  return [...kept, '-E', '-o', '/dev/null'];
}
