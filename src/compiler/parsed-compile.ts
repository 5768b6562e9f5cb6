// What a command line says, once it is known to be one compile that may leave this machine. Types only.
// Every path is as written in the command (relative to the working directory of the command, never normalised).

import type { CommandReason } from '../model/failure.ts';
import type { CompilerFamily, DriverLanguage } from './compiler-family.ts';

export type SourceLanguage = 'c' | 'c++' | 'assembler-with-cpp';

/** One directory given on the command line, in the order of the command line. */
export interface SearchDirectory {
  readonly option: 'I' | 'isystem' | 'iquote' | 'idirafter' | 'cxx-isystem' | 'isystem-after';
  /** as written; gcc and clang put the sysroot in the place of a leading `=` (also `$SYSROOT` in gcc) */
  readonly path: string;
}

/** `-include` or `-imacros`, in the order of the command line (the compiler reads all imacros first). */
export interface ForcedInclude {
  readonly option: 'include' | 'imacros';
  readonly path: string;
}

export interface SearchOptions {
  readonly directories: readonly SearchDirectory[];
  readonly forcedIncludes: readonly ForcedInclude[];
  /** `--sysroot`, the last one */
  readonly sysroot: string | undefined;
  /** `-isysroot`, the last one */
  readonly headerSysroot: string | undefined;
  readonly noStandardIncludes: boolean;
  readonly noStandardCxxIncludes: boolean;
  /** `-iprefix`, `-iwithprefix`, `-iwithprefixbefore`: the argv elements as written */
  readonly prefixed: readonly string[];
}

export type DependencyRequest =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'file';
      /** `all` is -MD, `user` is -MMD (system headers left out) */
      readonly headers: 'all' | 'user';
      /** as the compiler will name it, given or defaulted */
      readonly file: string;
      /** `-MT`/`-MQ`, in order; empty means the compiler's default target */
      readonly targets: readonly string[];
      /** `-MP` */
      readonly phony: boolean;
    };

export type OutputRole = 'object' | 'assembly' | 'depfile' | 'dwo' | 'stack-usage';

export interface OutputFile {
  readonly role: OutputRole;
  readonly path: string;
  /** a successful compile may leave this file unwritten */
  readonly optional: boolean;
}

export type ColorOption = 'auto' | 'always' | 'never';

export interface ParsedCompile {
  readonly kind: 'compile';
  readonly family: CompilerFamily;
  readonly driverLanguage: DriverLanguage;
  /** argv without argv[0], response files expanded */
  readonly argv: readonly string[];
  /** argv without argv[0], as the user wrote it */
  readonly writtenArgv: readonly string[];
  /** response files that were read, in order, as written (inputs when `writtenArgv` is what a worker runs) */
  readonly responseFiles: readonly string[];
  readonly language: SourceLanguage;
  readonly mode: 'object' | 'assembly';
  readonly source: string;
  /** index of the source in `argv` */
  readonly sourceIndex: number;
  /** the main output, given or defaulted */
  readonly output: string;
  readonly outputGiven: boolean;
  readonly search: SearchOptions;
  /** `-D`, `-U`, `-A` as argv elements, in order */
  readonly macros: readonly string[];
  readonly dependency: DependencyRequest;
  /** every file that a successful command writes, the main output first */
  readonly outputs: readonly OutputFile[];
  /** 0 to 3; what `-g` options leave switched on in the end */
  readonly debugLevel: number;
  readonly color: ColorOption;
  /** elements of `argv` like `-march=native` that mean the machine the compiler runs on */
  readonly nativeFlags: readonly string[];
  /** files other than headers that options make the compiler read (sanitizer lists and the like) */
  readonly extraInputs: readonly string[];
  /** the object records the command line: nothing may be added to it */
  readonly recordsCommandLine: boolean;
  /** where gcc (or clang) would look for a precompiled form of an `-include` file: local when one of them exists */
  readonly precompiledCandidates: readonly string[];
}

export interface LocalCommand {
  readonly kind: 'local';
  readonly reason: CommandReason;
  /** the option or path that decided, for people */
  readonly detail: string;
}

export type Classified = ParsedCompile | LocalCommand;
