// The real projects of the identity bench: where their sources come from, how each is configured and built, plainly or
// through a launcher.

import { mustRun } from './command.mjs';

/**
 * @typedef {object} Configuration
 * @property {'gcc' | 'clang'} compiler
 * @property {string} flags of optimisation and debug information
 */

/**
 * One build in one folder.
 * @typedef {object} BuildPlan
 * @property {string} source
 * @property {string} build
 * @property {Configuration} configuration
 * @property {string | undefined} launcher path of icets, undefined for the plain build
 * @property {number} jobs
 * @property {boolean} quick
 * @property {Record<string, string>} env
 * @property {(line: string) => void} [onLine]
 */

/**
 * @typedef {object} Project
 * @property {string} name Debian source package
 * @property {string} tool
 * @property {boolean} depsInNinja whether Ninja keeps the dependencies itself
 * @property {(plan: BuildPlan) => Promise<void>} configure
 * @property {(plan: BuildPlan) => Promise<void>} make
 */

/** @param {'gcc' | 'clang'} compiler */
const cOf = (compiler) => (compiler === 'gcc' ? 'gcc' : 'clang');
/** @param {'gcc' | 'clang'} compiler */
const cxxOf = (compiler) => (compiler === 'gcc' ? 'g++' : 'clang++');

/**
 * @param {BuildPlan} plan
 * @param {string} generator
 * @param {readonly string[]} options
 */
async function configureCmake(plan, generator, options) {
  const { compiler, flags } = plan.configuration;
  const launcher =
    plan.launcher === undefined
      ? []
      : [`-DCMAKE_C_COMPILER_LAUNCHER=${plan.launcher}`, `-DCMAKE_CXX_COMPILER_LAUNCHER=${plan.launcher}`];
  await mustRun(
    [
      ...['cmake', '-G', generator, '-S', plan.source, '-B', plan.build, '-DCMAKE_BUILD_TYPE=None'],
      ...[`-DCMAKE_C_COMPILER=${cOf(compiler)}`, `-DCMAKE_CXX_COMPILER=${cxxOf(compiler)}`],
      ...[`-DCMAKE_C_FLAGS=${flags}`, `-DCMAKE_CXX_FLAGS=${flags}`],
      ...launcher,
      ...options,
    ],
    { env: plan.env },
  );
}

/** @type {readonly Project[]} */
export const projects = [
  {
    name: 'abseil',
    tool: 'CMake + Ninja',
    depsInNinja: true,
    configure: (plan) => configureCmake(plan, 'Ninja', ['-DABSL_BUILD_TESTING=OFF', '-DCMAKE_CXX_STANDARD=17']),
    make: async (plan) => {
      const targets = plan.quick ? ['strings', 'throw_delegate'] : [];
      // Ninja removes depfiles once it has read them; here they shall stay to be compared.
      await mustRun(['ninja', '-d', 'keepdepfile', '-j', String(plan.jobs), '-C', plan.build, ...targets], {
        env: plan.env,
        onLine: plan.onLine,
      });
    },
  },
  {
    name: 'protobuf',
    tool: 'CMake + Makefiles',
    depsInNinja: false,
    configure: (plan) =>
      configureCmake(plan, 'Unix Makefiles', ['-Dprotobuf_BUILD_TESTS=OFF', '-Dprotobuf_WITH_ZLIB=OFF']),
    make: async (plan) => {
      const targets = plan.quick ? ['libprotobuf-lite'] : [];
      await mustRun(['make', '-j', String(plan.jobs), '-C', plan.build, ...targets], {
        env: plan.env,
        onLine: plan.onLine,
      });
    },
  },
  {
    name: 'redis',
    tool: 'make',
    depsInNinja: false,
    // Builds inside its source folder, without a configure step.
    configure: async () => {},
    make: async (plan) => {
      const { compiler, flags } = plan.configuration;
      const cc = plan.launcher === undefined ? cOf(compiler) : `${plan.launcher} ${cOf(compiler)}`;
      const target = plan.quick ? ['-C', 'deps', 'hiredis', 'linenoise', 'lua', 'hdr_histogram'] : ['MALLOC=libc'];
      await mustRun(['make', '-j', String(plan.jobs), `CC=${cc}`, `OPTIMIZATION=${flags}`, ...target], {
        cwd: plan.source,
        // The date is part of redis' build id.
        env: { ...plan.env, SOURCE_DATE_EPOCH: '1700000000' },
        onLine: plan.onLine,
      });
    },
  },
];
