// Which environment variables reach a compiler on another machine, which keep the compile here, and which
// directories they add to the search. Unaware of the real environment.

import type { CompilerFamily } from './compiler-family.ts';
import type { SourceLanguage } from './parsed-compile.ts';

export type Environment = Readonly<Record<string, string>>;

/** Sent when set, empty or not. */
const sent = new Set([
  'CPATH',
  'C_INCLUDE_PATH',
  'CPLUS_INCLUDE_PATH',
  'GCC_COLORS',
  'GCC_EXTRA_DIAGNOSTIC_OUTPUT',
  'LANG',
  'LANGUAGE',
  'LD_LIBRARY_PATH',
  'OUTPUT_CHARSET',
  'PWD',
  'SOURCE_DATE_EPOCH',
  'TZ',
  'TZDIR',
]);

/** Sent as well when the compiler's standard error is a terminal. */
const sentToTerminals = new Set([
  'CLICOLOR',
  'CLICOLOR_FORCE',
  'COLORTERM',
  'COLUMNS',
  'FORCE_COLOR',
  'GCC_URLS',
  'LINES',
  'NO_COLOR',
  'TERM',
  'TERMINFO',
  'TERMINFO_DIRS',
  'TERM_PROGRAM',
  'TERM_URLS',
  'VTE_VERSION',
]);

/** They add outputs, inputs, programs or code that an action does not declare. */
const keepLocal = new Set([
  'AS_DEFAULT_OPTIONS',
  'CCC_ADD_ARGS',
  'CCC_OVERRIDE_OPTIONS',
  'CC_LOG_DIAGNOSTICS',
  'CC_LOG_DIAGNOSTICS_FILE',
  'CC_PRINT_HEADERS',
  'CC_PRINT_INTERNAL_STAT',
  'CC_PRINT_OPTIONS',
  'CC_PRINT_PROC_STAT',
  'COMPILER_PATH',
  'DEPENDENCIES_OUTPUT',
  'EXPERIMENTAL_SARIF_SOCKET',
  'GCC_COMPARE_DEBUG',
  'GCC_DIAGNOSTICS_LOG',
  'GCC_EXEC_PREFIX',
  'GCC_ROOT',
  'GCONV_PATH',
  'GNUTARGET',
  'LD_AUDIT',
  'LD_PRELOAD',
  'LOCPATH',
  'NLSPATH',
  'QA_OVERRIDE_GCC3_OPTIONS',
  'SUNPRO_DEPENDENCIES',
]);

/** The name of a variable that keeps this compile on this machine, or undefined. */
export function findLocalVariable(env: Environment): string | undefined {
  return Object.keys(env).find((name) => keepLocal.has(name) || name.startsWith('CLANG_CONFIG'));
}

/** Every name in the tables, for the test that the launchers send them all. */
export const compilerVariables: readonly string[] = [...sent, ...sentToTerminals, ...keepLocal];

/** Whether `name` can change what a compiler does: the launcher's side may drop all others. */
export function isCompilerVariable(name: string): boolean {
  return (
    sent.has(name) ||
    sentToTerminals.has(name) ||
    keepLocal.has(name) ||
    name.startsWith('LC_') ||
    name.startsWith('CLANG_CONFIG')
  );
}

/** The environment of the remote compiler, without PATH and HOME, which belong to the worker's toolchain. */
export function remoteEnvironment(env: Environment, stderrIsTerminal: boolean): Record<string, string> {
  const names = Object.keys(env).filter(
    (name) => sent.has(name) || name.startsWith('LC_') || (stderrIsTerminal && sentToTerminals.has(name)),
  );
  return Object.fromEntries(names.sort().map((name) => [name, env[name] ?? '']));
}

export interface EnvironmentDirectory {
  readonly variable: 'CPATH' | 'C_INCLUDE_PATH' | 'CPLUS_INCLUDE_PATH';
  /** an empty element means the working directory and is given as `.` */
  readonly path: string;
  /** searched after the -I directories, or after the -isystem ones */
  readonly after: 'I' | 'isystem';
}

/** The search directories that the environment adds, in order. gcc and clang agree, whatever the `family`. */
export function environmentDirectories(
  env: Environment,
  language: SourceLanguage,
  _family: CompilerFamily['kind'],
): EnvironmentDirectory[] {
  const system = language === 'c++' ? 'CPLUS_INCLUDE_PATH' : 'C_INCLUDE_PATH';
  const read = (variable: EnvironmentDirectory['variable'], after: EnvironmentDirectory['after']) => {
    const value = env[variable];
    if (value === undefined || value === '') return [];
    return value.split(':').map((path) => ({ variable, path: path === '' ? '.' : path, after }));
  };
  return [...read('CPATH', 'I'), ...read(system, 'isystem')];
}
