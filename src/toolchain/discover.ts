// Finds every file that a compiler needs in an empty root. Unaware of digests and trees.

import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { Processes } from '../model/processes.ts';
import { readElfHeader } from './elf.ts';
import { ask, askingEnvironment, type CompilerAnswers } from './identify.ts';
import { findLibraries } from './libraries.ts';
import { localeFiles } from './locale-files.ts';
import { findProgram, isFile } from './program-path.ts';
import type { ToolchainFailure } from './toolchain-package.ts';

export interface Discovery {
  readonly arch: string;
  /** literal paths */
  readonly files: readonly string[];
  /** literal paths of directories that must exist */
  readonly directories: readonly string[];
  /** physical paths of complete directories */
  readonly coarse: readonly string[];
  /** paths where nothing is, and where the compiler would find another program or spec file first */
  readonly absent: readonly string[];
  /** those of `files` that belong to the locale */
  readonly locale: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface DiscoveryRequest {
  readonly processes: Processes;
  /** absolute path by which the command reaches the driver */
  readonly compiler: string;
  readonly answers: CompilerAnswers;
  readonly env: Readonly<Record<string, string>>;
  /** an existing folder to run the compiler in */
  readonly workFolder: string;
}

type Env = Readonly<Record<string, string>>;

export async function discover(request: DiscoveryRequest): Promise<Result<Discovery, ToolchainFailure>> {
  const { answers, compiler, env } = request;
  const arch = readElfHeader(answers.program)?.arch;
  if (arch === undefined) return notShippable(`${answers.program} cannot be read`);
  const parts = answers.family.kind === 'gcc' ? await gccParts(request) : await clangParts(request);
  if (!parts.ok) return parts;
  const { programs, files, directories, coarse } = parts.value;
  const absent = await rivals(request, programs);
  const linked = await findLibraries(request.processes, [answers.program, ...programs.map(({ path }) => path)], env);
  if (!linked.ok) return notShippable(linked.error);
  const locale = activeLocaleFiles(env, answers, linked.value.files);
  const environment: Record<string, string> = { PATH: sandboxPath(compiler, programs, env) };
  const libraryPath = [
    ...(env['LD_LIBRARY_PATH'] ?? '')
      .split(/[:;]/)
      .filter((folder) => linked.value.files.some((file) => posix.dirname(file) === folder)),
    ...linked.value.unusualFolders,
  ];
  if (libraryPath.length > 0) environment['LD_LIBRARY_PATH'] = [...new Set(libraryPath)].join(':');
  return ok({
    arch,
    files: distinct([
      compiler,
      answers.program,
      ...programs.map(({ path }) => path),
      ...answers.readFiles,
      ...files,
      ...linked.value.files,
      ...locale,
    ]),
    directories: distinct(directories),
    coarse: distinct(coarse),
    absent,
    locale,
    environment,
  });
}

/**
 * What decides a discovery besides the files it names: the loader's cache and search path, the folders in which clang looks
 * for a gcc, the files that name the distribution.
 */
export function surroundings(answers: CompilerAnswers, env: Env): string[] {
  return [
    '/etc/ld.so.cache',
    '/etc/ld.so.preload',
    ...(env['LD_LIBRARY_PATH'] ?? '').split(/[:;]/).filter((folder) => folder.startsWith('/')),
    ...(answers.family.kind === 'clang' ? distributionFiles : []),
    ...answers.gccInstallations
      .filter((path) => path.startsWith('/'))
      .flatMap((path) => [posix.dirname(path), posix.dirname(posix.dirname(path))]),
  ];
}

/**
 * The files of the locale that this environment chooses.
 * @param libraries among them the C library, beside which its conversions lie
 */
export function activeLocaleFiles(env: Env, answers: CompilerAnswers, libraries: readonly string[]): string[] {
  const folders = libraries
    .filter((path) => /\/libc\.so\.\d+$/.test(path))
    .flatMap((path) => [posix.dirname(path), `/usr${posix.dirname(path)}`]);
  return localeFiles(env, catalogues(answers), folders, ownCatalogueFolders(answers.program));
}

/** Distribution and version decide some of clang's defaults. */
const distributionFiles = [
  '/etc/os-release',
  '/usr/lib/os-release',
  '/etc/lsb-release',
  '/etc/debian_version',
  '/etc/redhat-release',
  '/etc/SuSE-release',
];

interface Helper {
  readonly name: string;
  readonly path: string;
  /** found through PATH, so PATH must find it again */
  readonly throughPath: boolean;
}

interface Parts {
  readonly programs: readonly Helper[];
  readonly files: readonly string[];
  readonly directories: readonly string[];
  readonly coarse: readonly string[];
}

async function gccParts(request: DiscoveryRequest): Promise<Result<Parts, ToolchainFailure>> {
  const programs = await helpers(
    request,
    ['cc1', 'cc1plus', 'collect2', 'lto-wrapper', 'as', 'objcopy'],
    request.answers.driverLanguage === 'c++' ? ['cc1plus', 'as'] : ['cc1', 'as'],
  );
  if (!programs.ok) return programs;
  const named = await Promise.all(
    ['specs', 'include', 'include-fixed', 'liblto_plugin.so'].map((name) => print(request, `-print-file-name=${name}`)),
  );
  const [specs, include, fixed, plugin] = named.map((path) =>
    path?.startsWith('/') && existsSync(path) ? path : undefined,
  );
  const files = [specs].filter((path) => path !== undefined);
  const directories = [include, fixed].filter((path) => path !== undefined);
  return ok({
    programs:
      plugin === undefined
        ? programs.value
        : [...programs.value, { name: 'liblto_plugin.so', path: plugin, throughPath: false }],
    files,
    directories,
    coarse: directories.map((path) => realpathSync(path)),
  });
}

async function clangParts(request: DiscoveryRequest): Promise<Result<Parts, ToolchainFailure>> {
  const programs = await helpers(request, ['as', 'objcopy'], []);
  if (!programs.ok) return programs;
  const resources = await print(request, '-print-resource-dir');
  if (resources === undefined || !existsSync(`${resources}/include`)) {
    return notShippable(`${request.compiler} has no resource directory`);
  }
  const installations = request.answers.gccInstallations.filter((path) => path.startsWith('/') && existsSync(path));
  const files = [
    ...distributionFiles,
    ...entries(`${resources}/share`),
    // without its crtbegin.o an installation is none, and the choice would fall on another one
    ...installations.flatMap((path) => [path, ...entries(path)].map((folder) => `${folder}/crtbegin.o`)),
  ].filter(isFile);
  return ok({
    programs: programs.value,
    files,
    directories: [`${resources}/include`, ...installations],
    coarse: [realpathSync(`${resources}/include`)],
  });
}

async function helpers(
  request: DiscoveryRequest,
  names: readonly string[],
  needed: readonly string[],
): Promise<Result<readonly Helper[], ToolchainFailure>> {
  const printed = await Promise.all(names.map((name) => print(request, `-print-prog-name=${name}`)));
  const found: Helper[] = [];
  for (const [at, name] of names.entries()) {
    const answer = printed[at];
    const absolute = answer !== undefined && answer.startsWith('/');
    const path = absolute
      ? [answer].find(isFile)
      : findProgram(answer ?? name, request.workFolder, absoluteFolders(request.env).join(':'));
    if (path !== undefined) found.push({ name, path, throughPath: !absolute });
    else if (needed.includes(name)) return notShippable(`${request.compiler} has no ${name}`);
  }
  return ok(found);
}

/** Where the driver looks before it comes to what it uses now. A folder that is not there stands for all names in it. */
async function rivals(request: DiscoveryRequest, programs: readonly Helper[]): Promise<string[]> {
  const printed = (await print(request, '-print-search-dirs')) ?? '';
  const listed = (what: string) => {
    const line = new RegExp(`^${what}: =(.*)$`, 'm').exec(printed)?.[1] ?? '';
    return line.split(':').flatMap((folder) => (folder.startsWith('/') ? [folder.replace(/(.)\/$/, '$1')] : []));
  };
  const absent: string[] = [];
  const look = (folders: readonly string[], name: string, found: string | undefined): void => {
    for (const folder of folders) {
      const path = `${folder}/${name}`;
      if (found !== undefined && posix.normalize(path) === posix.normalize(found)) return;
      if (existsSync(path)) continue; // a second spec file, or a program that the driver passed over
      absent.push(existsSync(folder) ? path : folder);
    }
  };
  const folders = listed('programs');
  for (const { name, path, throughPath } of programs) {
    look(throughPath ? [...folders, ...absoluteFolders(request.env)] : folders, name, path);
  }
  if (request.answers.family.kind === 'gcc') look([...folders, ...listed('libraries')], 'specs', undefined);
  return distinct(absent);
}

async function print(request: DiscoveryRequest, option: string): Promise<string | undefined> {
  const answer = await ask(
    request.processes,
    [request.compiler, option],
    askingEnvironment(request.env),
    request.workFolder,
  );
  const line = answer?.code === 0 ? answer.stdout.trim() : '';
  return line === '' ? undefined : line;
}

/** The user's PATH without the folders in which nothing was found that the compiler uses. */
function sandboxPath(compiler: string, programs: readonly Helper[], env: Env): string {
  const used = new Set([
    posix.dirname(compiler),
    ...programs.filter(({ throughPath }) => throughPath).map(({ path }) => posix.dirname(path)),
  ]);
  const folders = absoluteFolders(env).filter((folder) => used.has(posix.normalize(folder).replace(/(.)\/$/, '$1')));
  return (folders.length > 0 ? distinct(folders) : [...used]).join(':');
}

function absoluteFolders(env: Env): string[] {
  return (env['PATH'] ?? '/usr/bin:/bin').split(':').filter((folder) => folder.startsWith('/'));
}

/** Names under which the compiler, binutils and the C library keep their translations. */
function catalogues(answers: CompilerAnswers): string[] {
  const { major } = answers.family;
  return ['gcc', `gcc-${major}`, 'cpplib', `cpplib-${major}`, 'gas', 'bfd', 'opcodes', 'binutils', 'libc', 'libstdc++'];
}

/** `share/locale` beside the driver's `bin`, for a compiler in a prefix of its own. */
function ownCatalogueFolders(program: string): string[] {
  const folder = posix.join(posix.dirname(program), '../share/locale');
  return existsSync(folder) ? [folder] : [];
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}

function distinct(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}

function notShippable(message: string): Result<never, ToolchainFailure> {
  return err({ reason: 'toolchain-not-shippable', message });
}
