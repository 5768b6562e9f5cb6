// The real projects of the exactness bench: how their compile commands, and the headers that they generate, come about.

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildEnvironment, mustRun, runCommand } from '../builds/command.mjs';
import { cmakeCommands, makeRecorders, recordedCommands, type RecordedCommand } from './recording.ts';

export interface ProjectFolders {
  /** unpacked Debian source */
  readonly source: string;
  readonly build: string;
  /** for what belongs to neither */
  readonly own: string;
}

export interface ScanProject {
  readonly name: string;
  /** Debian source package, or a binary package that holds an archive of sources */
  readonly from: { readonly source: string } | { readonly archive: string };
  /** Debian packages that have to be installed */
  readonly needs: readonly string[];
  /** whether clang is asked with the same commands */
  readonly clang: boolean;
  commands(folders: ProjectFolders): Promise<RecordedCommand[]>;
}

const jobs = '-j2';

async function cmake({ source, build }: ProjectFolders, options: readonly string[], targets: readonly string[] = []) {
  const common = ['-G', 'Ninja', '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON', '-DCMAKE_BUILD_TYPE=Release'];
  const compilers = ['-DCMAKE_C_COMPILER=gcc', '-DCMAKE_CXX_COMPILER=g++'];
  await mustRun(['cmake', '-S', source, '-B', build, ...common, ...compilers, ...options]);
  if (targets.length > 0) await mustRun(['ninja', jobs, '-C', build, ...targets]);
  return cmakeCommands(build);
}

/** Asks make for the commands; what cannot go on with empty objects is passed over. */
async function make(
  folders: ProjectFolders,
  cwd: string,
  compiler: string,
  words: (recorder: string) => readonly string[],
) {
  const { bin, records } = makeRecorders(folders.own, [compiler]);
  const argv = ['make', '-k', '-i', jobs, ...words(join(bin, compiler))];
  await runCommand(argv, { cwd, env: buildEnvironment({ ICETS_RECORD_ONLY: '1' }) });
  return recordedCommands(records);
}

function sourcesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sourcesBelow(path, pattern);
      return pattern.test(entry.name) ? [path] : [];
    })
    .sort();
}

function foldersNamed(folder: string, name: string, depth: number): string[] {
  if (depth === 0) return [];
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.name === name ? [path] : foldersNamed(path, name, depth - 1);
  });
}

function kernel(arch: 'x86' | 'arm64', prefix: string): ScanProject {
  return {
    name: `linux-6.1 ${arch}`,
    from: { archive: 'linux-source-6.1' },
    needs: ['flex', 'bison', 'bc', 'libelf-dev', 'libssl-dev'],
    clang: false,
    async commands(folders) {
      const compiler = `${prefix}gcc`;
      const { bin } = makeRecorders(folders.own, [compiler]);
      // the recorder is the compiler from the start: another CC would configure anew
      const common = ['-C', folders.source, `O=${folders.build}`, `ARCH=${arch}`, `CROSS_COMPILE=${prefix}`];
      const cc = `CC=${join(bin, compiler)}`;
      await mustRun(['make', ...common, cc, 'defconfig']);
      await mustRun(['make', jobs, ...common, cc, 'prepare']);
      const slice =
        arch === 'x86'
          ? ['arch/x86/kernel/', 'kernel/', 'mm/', 'lib/', 'crypto/']
          : ['kernel/', 'mm/', 'lib/', 'block/'];
      return make(folders, folders.source, compiler, (recorder) => [...common.slice(2), `CC=${recorder}`, ...slice]);
    },
  };
}

export const scanProjects: readonly ScanProject[] = [
  {
    name: 'abseil',
    from: { source: 'abseil' },
    needs: [],
    clang: true,
    commands: (folders) => cmake(folders, ['-DABSL_BUILD_TESTING=OFF', '-DCMAKE_CXX_STANDARD=17']),
  },
  {
    name: 'protobuf',
    from: { source: 'protobuf' },
    needs: [],
    clang: true,
    commands: (folders) => cmake(folders, ['-Dprotobuf_BUILD_TESTS=OFF']),
  },
  {
    name: 'freetype',
    from: { source: 'freetype' },
    needs: [],
    clang: true,
    commands: (folders) => cmake(folders, []),
  },
  {
    name: 'kcoreaddons',
    from: { source: 'kcoreaddons' },
    needs: ['qtbase5-dev', 'qttools5-dev', 'extra-cmake-modules'],
    clang: true,
    async commands(folders) {
      const options = ['-DBUILD_TESTING=OFF', '-DBUILD_QCH=OFF', '-DCMAKE_DISABLE_FIND_PACKAGE_FAM=ON'];
      await cmake(folders, options);
      const listed = await mustRun(['ninja', '-C', folders.build, '-t', 'targets', 'all']);
      const autogen = [...String(listed.stdout).matchAll(/^(\S*_autogen): phony$/gm)].map((match) => match[1] ?? '');
      await mustRun(['ninja', jobs, '-C', folders.build, ...autogen]);
      return cmakeCommands(folders.build);
    },
  },
  {
    name: 'boost',
    from: { source: 'boost1.74' },
    needs: [],
    clang: true,
    async commands({ source, build }) {
      // the headers in one folder, as a build of Boost links them
      const headers = join(build, 'headers');
      mkdirSync(headers, { recursive: true });
      for (const include of foldersNamed(join(source, 'libs'), 'include', 3)) {
        if (existsSync(join(include, 'boost'))) await mustRun(['cp', '-al', join(include, 'boost'), headers]);
      }
      const libraries = ['preprocessor', 'mpl', 'fusion', 'phoenix', 'filesystem', 'serialization', 'regex', 'vmd'];
      const files = libraries.flatMap((name) => {
        const folders = name === 'filesystem' || name === 'serialization' || name === 'regex' ? ['src'] : ['test'];
        const found = folders.map((each) => join(source, 'libs', name, each)).filter((each) => existsSync(each));
        const limit = { fusion: 120, phoenix: 60, vmd: 60 }[name] ?? 1000;
        return found.flatMap((folder) => sourcesBelow(folder, /\.(cpp|cxx|c)$/)).slice(0, limit);
      });
      const commands = files.map((file): RecordedCommand => {
        const c = file.endsWith('.c');
        const argv = [
          c ? 'gcc' : 'g++',
          ...(c ? [] : ['-std=c++14']),
          `-I${headers}`,
          `-I${source}`,
          '-O1',
          '-c',
          file,
        ];
        return { cwd: build, argv: [...argv, '-o', 'unit.o'] };
      });
      return commands;
    },
  },
  {
    name: 'redis',
    from: { source: 'redis' },
    needs: [],
    clang: true,
    commands: (folders) => make(folders, folders.source, 'gcc', (recorder) => ['MALLOC=libc', `CC=${recorder}`]),
  },
  {
    name: 'git',
    from: { source: 'git' },
    needs: ['zlib1g-dev'],
    clang: true,
    commands: (folders) =>
      make(folders, folders.source, 'gcc', (recorder) => [
        ...['NO_CURL=1', 'NO_EXPAT=1', 'NO_GETTEXT=1', 'NO_TCLTK=1', 'NO_PERL=1', 'NO_PYTHON=1'],
        `CC=${recorder}`,
      ]),
  },
  {
    name: 'ffmpeg',
    from: { source: 'ffmpeg' },
    needs: [],
    clang: true,
    async commands(folders) {
      mkdirSync(folders.build, { recursive: true });
      const configure = ['--disable-x86asm', '--disable-doc', '--disable-programs', '--disable-autodetect'];
      await mustRun([join(folders.source, 'configure'), ...configure], { cwd: folders.build });
      return make(folders, folders.build, 'gcc', (recorder) => [`CC=${recorder}`]);
    },
  },
  kernel('x86', ''),
  kernel('arm64', 'aarch64-linux-gnu-'),
];
