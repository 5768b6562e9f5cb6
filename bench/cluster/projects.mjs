// The two projects of the cluster bench: unpacked and configured once for each launcher, cleaned before each build. Unaware
// of boards.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebianSource } from '../../scripts/debian-source.mjs';
import { buildEnvironment, mustRun } from '../builds/command.mjs';

/** @typedef {'cxx' | 'c'} ProjectName */

/**
 * What stands in front of the compiler; `archives` are put in front of ar too, as far as the build lets us.
 * @typedef {object} Launcher
 * @property {string} name
 * @property {readonly string[]} argv
 * @property {boolean} [archives]
 */

/**
 * One configured tree.
 * @typedef {object} Tree
 * @property {string} version
 * @property {string} cwd where to run `command`
 * @property {(jobs: number) => string[]} command
 * @property {Readonly<Record<string, string>>} env
 * @property {() => Promise<void>} clean
 */

/**
 * @typedef {object} Project
 * @property {ProjectName} name
 * @property {string} title
 * @property {(folder: string, launcher: Launcher, slice: boolean) => Promise<Tree>} prepare
 * @property {(cwd: string) => number} phase of the build in which a step with this working directory runs; a later one
 *   begins when the one before is complete
 */

/** @type {Project} */
const cxx = {
  name: 'cxx',
  title: 'abseil, C++, CMake + Ninja, -O2',
  phase: () => 0,
  prepare: async (folder, launcher, slice) => {
    const { source, build, version } = await unpacked('abseil', folder);
    const words = launcher.argv.map((word) => word.replaceAll(';', '\\;'));
    const options = [`-DCMAKE_CXX_COMPILER_LAUNCHER=${words.join(';')}`];
    if (launcher.archives === true) {
      const rules = join(folder, 'launch-archives.cmake');
      await writeFile(rules, `set_property(GLOBAL PROPERTY RULE_LAUNCH_LINK "${launcher.argv.join(' ')}")\n`);
      options.push(`-DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=${rules}`);
    }
    await mustRun(
      [
        ...['cmake', '-G', 'Ninja', '-S', source, '-B', build, '-DCMAKE_BUILD_TYPE=None', '-DCMAKE_CXX_FLAGS=-O2'],
        ...[
          '-DABSL_BUILD_TESTING=OFF',
          '-DCMAKE_CXX_STANDARD=17',
          '-DCMAKE_C_COMPILER=gcc',
          '-DCMAKE_CXX_COMPILER=g++',
        ],
        ...options,
      ],
      { env: buildEnvironment() },
    );
    const targets = slice ? ['base', 'strings_internal'] : [];
    return {
      version,
      cwd: build,
      env: {},
      command: (jobs) => ['ninja', '-j', String(jobs), ...targets],
      clean: async () => {
        await mustRun(['ninja', '-C', build, '-t', 'clean'], { env: buildEnvironment() });
      },
    };
  },
};

/** @type {Project} */
const c = {
  name: 'c',
  title: 'redis, C, make, -O2',
  // Its libraries are complete before the first file of redis itself is compiled.
  phase: (cwd) => (cwd.includes('/source/deps') ? 0 : 1),
  prepare: async (folder, launcher, slice) => {
    const { source, version } = await unpacked('redis', folder);
    const compiler = [...launcher.argv, 'gcc'].join(' ');
    const variables = [`CC=${compiler}`, 'OPTIMIZATION=-O2', 'MALLOC=libc'];
    const target = slice ? ['-C', 'deps', 'hiredis', 'hdr_histogram'] : [];
    const clean = async () => {
      await mustRun(['make', 'distclean'], { cwd: source, env: buildEnvironment() });
    };
    return {
      version,
      cwd: source,
      // The date is part of redis' build id.
      env: { SOURCE_DATE_EPOCH: '1700000000' },
      command: (jobs) => ['make', '-j', String(jobs), ...variables, ...target],
      clean,
    };
  },
};

/** @type {readonly Project[]} */
export const projects = [cxx, c];

/**
 * @param {string} name Debian source package
 * @param {string} folder of this project and launcher
 */
async function unpacked(name, folder) {
  const source = join(folder, 'source');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { version } = await unpackDebianSource(name, source);
  const build = join(folder, 'build');
  await mkdir(build);
  return { source, build, version };
}
