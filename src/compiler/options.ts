// The table of compiler options: shape and meaning of each. Anything not here is unknown, and unknown means local.
// The longest name that fits wins, so the broad prefixes at the end (-f, -m, -W, -O, -g) only take what is left.

import type { CommandReason } from '../model/failure.ts';
import type { CompilerFamily } from './compiler-family.ts';
import type { OptionMeaning, OptionShape, OptionSpec } from './option-shape.ts';

type Only = 'gcc' | 'clang';

function many(shape: OptionShape, meaning: OptionMeaning, names: string, only?: Only): OptionSpec[] {
  const list = names.split(/\s+/).filter((name) => name !== '');
  return list.map((name) => ({ name, shape, meaning, ...(only === undefined ? {} : { only }) }));
}

const pass: OptionMeaning = { kind: 'pass' };
const local = (reason: CommandReason): OptionMeaning => ({ kind: 'local', reason });
const note = (what: Extract<OptionMeaning, { kind: 'note' }>['note']): OptionMeaning => ({ kind: 'note', note: what });

const modes: OptionSpec[] = [
  { name: '-c', shape: 'flag', meaning: { kind: 'mode', mode: 'object' } },
  { name: '-S', shape: 'flag', meaning: { kind: 'mode', mode: 'assembly' } },
  { name: '-E', shape: 'flag', meaning: { kind: 'mode', mode: 'preprocess' } },
  { name: '-M', shape: 'flag', meaning: { kind: 'mode', mode: 'dependencies' } },
  { name: '-MM', shape: 'flag', meaning: { kind: 'mode', mode: 'dependencies' } },
  { name: '-fsyntax-only', shape: 'flag', meaning: { kind: 'mode', mode: 'syntax' } },
  { name: '-o', shape: 'either', meaning: { kind: 'output' } },
  { name: '-x', shape: 'either', meaning: { kind: 'language' } },
];

const search: OptionSpec[] = [
  { name: '-I', shape: 'either', meaning: { kind: 'directory', option: 'I' } },
  { name: '-isystem', shape: 'either', meaning: { kind: 'directory', option: 'isystem' } },
  { name: '-iquote', shape: 'either', meaning: { kind: 'directory', option: 'iquote' } },
  { name: '-idirafter', shape: 'either', meaning: { kind: 'directory', option: 'idirafter' } },
  { name: '-cxx-isystem', shape: 'either', meaning: { kind: 'directory', option: 'cxx-isystem' }, only: 'clang' },
  { name: '-isystem-after', shape: 'either', meaning: { kind: 'directory', option: 'isystem-after' }, only: 'clang' },
  { name: '-include', shape: 'either', meaning: { kind: 'forced-include', option: 'include' } },
  { name: '-imacros', shape: 'either', meaning: { kind: 'forced-include', option: 'imacros' } },
  { name: '--sysroot', shape: 'separate', meaning: { kind: 'sysroot' } },
  { name: '--sysroot=', shape: 'joined', meaning: { kind: 'sysroot' } },
  { name: '-isysroot', shape: 'either', meaning: { kind: 'header-sysroot' } },
  { name: '-nostdinc', shape: 'flag', meaning: { kind: 'no-standard-includes' } },
  { name: '-nostdinc++', shape: 'flag', meaning: { kind: 'no-standard-cxx-includes' } },
  ...many('either', { kind: 'prefixed-search' }, '-iprefix -iwithprefix -iwithprefixbefore'),
  ...many('either', { kind: 'macro' }, '-D -U -A'),
];

const dependencies: OptionSpec[] = [
  { name: '-MD', shape: 'flag', meaning: { kind: 'dependency', part: 'MD' } },
  { name: '-MMD', shape: 'flag', meaning: { kind: 'dependency', part: 'MMD' } },
  { name: '-MF', shape: 'either', meaning: { kind: 'dependency', part: 'MF' } },
  { name: '-MT', shape: 'either', meaning: { kind: 'dependency', part: 'MT' } },
  { name: '-MQ', shape: 'either', meaning: { kind: 'dependency', part: 'MQ' } },
  { name: '-MP', shape: 'flag', meaning: { kind: 'dependency', part: 'MP' } },
  // Missing headers count as generated ones: the list would depend on what is absent.
  { name: '-MG', shape: 'flag', meaning: local('dependencies-only') },
  // The depfile in the syntax of another make.
  { name: '-MV', shape: 'flag', meaning: local('dependencies-only'), only: 'clang' },
];

const noted: OptionSpec[] = [
  ...many('flag', note('lto'), '-flto'),
  ...many('joined', note('lto'), '-flto='),
  ...many('flag', note('no-lto'), '-fno-lto'),
  ...many('joined', note('random-seed'), '-frandom-seed='),
  ...many('flag', note('no-random-seed'), '-fno-random-seed'),
  ...many('flag', note('split-dwarf'), '-gsplit-dwarf'),
  ...many('joined', note('split-dwarf'), '-gsplit-dwarf=', 'clang'),
  ...many('flag', note('no-split-dwarf'), '-gno-split-dwarf'),
  ...many('flag', note('debug'), '-g -g0 -g1 -g2 -g3 -ggdb -ggdb0 -ggdb1 -ggdb2 -ggdb3 -glldb -gline-tables-only'),
  ...many('flag', note('debug'), '-gmlt -gline-directives-only -gcodeview -gdbx -gsce -gstabs -gstabs+ -gvms'),
  ...many('joined', note('debug'), '-gdwarf -gstabs -gvms'),
  ...many('flag', note('stack-usage'), '-fstack-usage'),
  ...many('flag', note('color'), '-fdiagnostics-color -fcolor-diagnostics'),
  ...many('joined', note('color'), '-fdiagnostics-color='),
  ...many('flag', note('no-color'), '-fno-diagnostics-color -fno-color-diagnostics'),
  ...many('flag', note('records-command-line'), '-frecord-gcc-switches -frecord-command-line -grecord-command-line'),
  // gcc means the options of cc1 that change code, which is its default; clang means the whole command line.
  ...many('flag', note('records-command-line'), '-grecord-gcc-switches', 'clang'),
  ...many('flag', note('emit-llvm'), '-emit-llvm', 'clang'),
  ...many('flag', note('embed-source'), '-gembed-source', 'clang'),
  ...many('joined', note('compilation-directory'), '-fdebug-compilation-dir= -ffile-compilation-dir=', 'clang'),
  ...many('separate', note('compilation-directory'), '-fdebug-compilation-dir', 'clang'),
  ...many('joined', note('native-capable'), '-march= -mtune= -mcpu='),
  ...many('joined', { kind: 'diagnostics-format' }, '-fdiagnostics-format='),
];

const tools: OptionSpec[] = [
  { name: '-Wa,', shape: 'comma', meaning: { kind: 'tool-arguments', tool: 'assembler' } },
  { name: '-Xassembler', shape: 'separate', meaning: { kind: 'tool-arguments', tool: 'assembler' } },
  { name: '-Wp,', shape: 'comma', meaning: { kind: 'tool-arguments', tool: 'preprocessor' } },
  { name: '-Xpreprocessor', shape: 'separate', meaning: { kind: 'tool-arguments', tool: 'preprocessor' } },
  { name: '-Xclang', shape: 'separate', meaning: { kind: 'tool-arguments', tool: 'cc1' }, only: 'clang' },
  { name: '-mllvm', shape: 'separate', meaning: { kind: 'tool-arguments', tool: 'llvm' }, only: 'clang' },
  { name: '-mllvm=', shape: 'joined', meaning: { kind: 'tool-arguments', tool: 'llvm' }, only: 'clang' },
  { name: '-Wl,', shape: 'comma', meaning: pass },
  { name: '-Xlinker', shape: 'separate', meaning: pass },
];

const extraInputs: OptionSpec[] = many(
  'joined',
  { kind: 'extra-input' },
  `-fsanitize-blacklist= -fsanitize-ignorelist= -fsanitize-system-blacklist= -fsanitize-system-ignorelist=
   -fsanitize-coverage-allowlist= -fsanitize-coverage-whitelist= -fsanitize-coverage-ignorelist=
   -fsanitize-coverage-blacklist= -fxray-attr-list= -fxray-always-instrument= -fxray-never-instrument=`,
  'clang',
);

const localFlags: OptionSpec[] = [
  ...many('flag', local('not-a-compile'), '-### --version -v --help -help --help-hidden --target-help -dumpversion'),
  ...many('flag', local('not-a-compile'), '-dumpmachine -dumpfullversion -dumpspecs -fversion -ftarget-help --verbose'),
  ...many('joined', local('not-a-compile'), '--help= -fhelp= --print- -print- --completion= --autocomplete='),
  ...many('flag', local('not-a-compile'), '-march=help -mtune=help -mcpu=help -mcpu=? -march=? -mtune=? --analyze'),
  ...many('joined', local('not-a-compile'), '-fself-test'),
  ...many('joined', local('save-temps'), '-save-temps -save-temps= --save-temps -save-stats'),
  ...many('flag', local('coverage'), '--coverage -coverage -ftest-coverage -fprofile-arcs -fcoverage-mapping'),
  ...many('flag', local('coverage'), '-fcondition-coverage -fpath-coverage -fcoverage-mcdc'),
  ...many('joined', local('profile'), '-fprofile -fauto-profile -fbranch-probabilities -fcs-profile -fmemory-profile'),
  ...many('joined', local('dump-files'), '-fdump- -fcallgraph-info -fsave-optimization-record -foptimization-record'),
  ...many('joined', local('dump-files'), '-fcompare-debug -fdiagnostics-add-output= -fdiagnostics-set-output='),
  ...many('joined', local('dump-files'), '-foptimization-record-file= -fvtv-debug -fvtv-counts -d'),
  ...many('separate', local('dump-files'), '-aux-info -dumpbase -dumpbase-ext -dumpdir --dumpbase --dumpbase-ext'),
  ...many('separate', local('dump-files'), '--dumpdir --dump'),
  ...many('joined', local('dump-files'), '-aux-info='),
  ...many('flag', local('dump-files'), '-H'),
  ...many('separate', local('dump-files'), '-MJ -dependency-dot -dependency-file -serialize-diagnostics', 'clang'),
  ...many('separate', local('dump-files'), '--serialize-diagnostics -gen-cdb-fragment-path', 'clang'),
  ...many('flag', local('dump-files'), '-gen-reproducer -print-stats', 'clang'),
  ...many('joined', local('dump-files'), '-gen-reproducer= -fcrash-diagnostics= -fopenmp-dump', 'clang'),
  ...many('joined', local('time-report'), '-ftime- -fmem-report -fpre-ipa-mem-report -fpost-ipa-mem-report -time'),
  ...many('flag', local('time-report'), '-Q -fstats -fdbg-cnt-list'),
  ...many('joined', local('time-report'), '-fproc-stat-report', 'clang'),
  ...many('either', local('toolchain-search-option'), '-B'),
  ...many('separate', local('toolchain-search-option'), '-wrapper -imultilib -imultiarch --config --gcc-toolchain'),
  ...many('separate', local('toolchain-search-option'), '-gcc-toolchain -resource-dir -ccc-install-dir'),
  ...many('separate', local('toolchain-search-option'), '-ccc-gcc-name -ccc-arcmt-migrate -ccc-objcmt-migrate'),
  ...many('joined', local('toolchain-search-option'), '--gcc-toolchain= --gcc-install-dir= --config= --driver-mode='),
  ...many('joined', local('toolchain-search-option'), '--config-system-dir= --config-user-dir= --rsp-quoting= -ccc-'),
  ...many('joined', local('toolchain-search-option'), '-resource-dir= --prefix= --gcc-triple='),
  ...many('flag', local('toolchain-search-option'), '--no-default-config --ccc-debug'),
  ...many('joined', local('specs'), '-specs= --specs='),
  ...many('separate', local('specs'), '-specs --specs'),
  ...many('joined', local('plugin'), '-fplugin -fpass-plugin -iplugindir='),
  ...many('joined', local('modules'), '-fmodule -fno-module -fcxx-modules -fno-cxx-modules -fimplicit-module'),
  ...many('joined', local('modules'), '-fno-implicit-module -fprebuilt-module -fprebuilt-implicit-modules'),
  ...many(
    'joined',
    local('modules'),
    '-fbuild-session -fbuiltin-module-map -fapinotes -gmodules -fdeps- -fheader-unit',
  ),
  ...many('separate', local('modules'), '-fmodules-user-build-path -module-dependency-dir', 'clang'),
  ...many('flag', local('modules'), '--precompile', 'clang'),
  ...many('joined', local('precompiled-header'), '-fpch-preprocess -fpch-instantiate -fpch-codegen -fpch-debuginfo'),
  ...many('joined', local('precompiled-header'), '-fpch-validate -fvalidate-pch'),
  ...many('either', local('precompiled-header'), '-include-pch', 'clang'),
  ...many('flag', local('precompiled-header'), '-relocatable-pch --relocatable-pch -verify-pch -emit-pch', 'clang'),
  ...many('joined', local('charset'), '-finput-charset -fexec-charset -fwide-exec-charset'),
  ...many('joined', local('offload'), '-fopenmp-targets= -foffload -fno-offload -fembed-offload-object --offload'),
  ...many(
    'joined',
    local('offload'),
    '--cuda --hip --rocm --libomptarget -Xarch -Xopenmp-target -Xcuda -fgpu',
    'clang',
  ),
  ...many('joined', local('offload'), '-fopenmp-is- -fopenmp-offload -fopenmp-host -fsycl -fcuda', 'clang'),
  ...many('separate', local('multiple-architectures'), '-arch'),
  ...many('flag', local('objective-c'), '-ObjC -ObjC++', 'clang'),
  ...many('flag', local('language-option'), '-fpreprocessed -fdirectives-only'),
  ...many('joined', local('unknown-option'), '-gnat -multi -framework -filelist -force_load -final_output -fltrans'),
  ...many('joined', local('unknown-option'), '-fwpa -fresolution= -fthinlto-index= -fdepfile-entry= -frepo -I-'),
  ...many('joined', local('unknown-option'), '-flinker-output= -mdump- -fintrinsic-modules-path -fminimize-whitespace'),
  ...many('joined', local('unknown-option'), '-frewrite -fno-integrated-cpp -fuse-ctor-homing=file -mlinker-version='),
];

const harmless: OptionSpec[] = [
  ...many(
    'flag',
    pass,
    '-pipe -pthread -pthreads -ansi -w -p -pg -s -static -shared -rdynamic -nostdlib -nodefaultlibs',
  ),
  ...many(
    'flag',
    pass,
    '-nostartfiles -nolibc -pie -no-pie -static-pie -static-libgcc -static-libstdc++ -shared-libgcc',
  ),
  ...many('flag', pass, '-symbolic -undef -trigraphs -traditional -traditional-cpp -pass-exit-codes -r -t'),
  ...many(
    'flag',
    pass,
    '-static-libasan -static-libtsan -static-libubsan -static-liblsan -nodefaultrpaths -nostdlib++',
  ),
  ...many('flag', pass, '-no-canonical-prefixes -canonical-prefixes --pedantic --pedantic-errors'),
  ...many(
    'flag',
    pass,
    '-Qunused-arguments -Qn -Qy -integrated-as -no-integrated-as -nobuiltininc -nostdlibinc',
    'clang',
  ),
  ...many('flag', pass, '--start-no-unused-arguments --end-no-unused-arguments -static-libsan -shared-libsan', 'clang'),
  ...many('flag', pass, '-static-openmp -ibuiltininc -nogpuinc -nogpulib', 'clang'),
  ...many('separate', pass, '--param'),
  ...many('separate', pass, '-target -mthread-model -meabi', 'clang'),
  ...many('joined', pass, '--param= --std= -std -pedantic'),
  ...many('joined', pass, '--target= -rtlib= -unwindlib= --rtlib= --unwindlib= --stdlib= --dyld-prefix=', 'clang'),
  ...many('joined', pass, '--system-header-prefix= --no-system-header-prefix= -Rpass -Rno', 'clang'),
  ...many('either', { kind: 'directory', option: 'isystem' }, '-stdlib++-isystem', 'clang'),
  // Words for the linker, which does not run.
  ...many('either', pass, '-L -l -T -u -z'),
  ...many('separate', pass, '-e'),
  ...many('joined', { kind: 'optimizer-report' }, '-fopt-info'),
  ...many('joined', pass, '-fprofile-update= -fprofile-reproducible= -fprofile-prefix-map='),
  ...many('flag', pass, '-fprofile-values -fprofile-correction -fprofile-reorder-functions -fprofile-abs-path'),
  ...many('flag', pass, '-fprofile-partial-training'),
  // The broad prefixes: code generation and messages. Unknown ones of these are the compiler's to refuse.
  ...many('joined', pass, '-f -m -W -O -g'),
];

export const optionTable: readonly OptionSpec[] = [
  ...modes,
  ...search,
  ...dependencies,
  ...noted,
  ...tools,
  ...extraInputs,
  ...localFlags,
  ...harmless,
];

interface Index {
  /** flag, separate and either by the whole argument */
  readonly whole: ReadonlyMap<string, OptionSpec>;
  /** joined, either and comma by their first two characters, longest name first */
  readonly prefixes: ReadonlyMap<string, readonly OptionSpec[]>;
}

function buildIndex(kind: CompilerFamily['kind']): Index {
  const whole = new Map<string, OptionSpec>();
  const prefixes = new Map<string, OptionSpec[]>();
  for (const spec of optionTable) {
    if (spec.only !== undefined && spec.only !== kind) continue;
    if (spec.shape === 'flag' || spec.shape === 'separate' || spec.shape === 'either') whole.set(spec.name, spec);
    if (spec.shape === 'joined' || spec.shape === 'either' || spec.shape === 'comma') {
      const key = spec.name.slice(0, 2);
      const list = prefixes.get(key);
      if (list === undefined) prefixes.set(key, [spec]);
      else list.push(spec);
    }
  }
  for (const list of prefixes.values()) list.sort((a, b) => b.name.length - a.name.length);
  return { whole, prefixes };
}

const indexes = { gcc: buildIndex('gcc'), clang: buildIndex('clang') };

/** The option that an argument (starting with `-`) is, or undefined when the table does not know it. */
export function findOption(argument: string, kind: CompilerFamily['kind']): OptionSpec | undefined {
  const index = indexes[kind];
  const exact = index.whole.get(argument);
  if (exact !== undefined) return exact;
  return index.prefixes.get(argument.slice(0, 2))?.find((spec) => argument.startsWith(spec.name));
}
