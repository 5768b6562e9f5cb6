// From a command line to what the agent needs to know about it: one compile with everything it reads and writes,
// or the reason why it stays on this machine. Unaware of files and processes.

import type { CommandReason } from '../model/failure.ts';
import type { CompilerFamily, DriverLanguage } from './compiler-family.ts';
import { isCompilerCheck } from './compiler-check.ts';
import { dependencyRequest } from './dependency-request.ts';
import { findLocalVariable } from './environment.ts';
import { gatherOptions, type GatheredOptions } from './gathered-options.ts';
import { languageOf } from './language.ts';
import { companion, defaultOutput, hasStem, isDevicePath } from './outputs.ts';
import type { Classified, ForcedInclude, LocalCommand, OutputFile, SourceLanguage } from './parsed-compile.ts';
import { expandResponseFiles } from './response-file.ts';
import { refuseAssemblerWords, refuseCc1Words } from './tool-arguments.ts';

export interface CommandInput {
  readonly family: CompilerFamily;
  readonly driverLanguage: DriverLanguage;
  /** without argv[0] */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** the bytes of a response file named relative to the command's working directory; undefined: cannot be read */
  readonly readResponseFile: (path: string) => Uint8Array | undefined;
}

/** Classifies a command whose compiler is known. Never throws for any argv. */
export function classifyCommand(input: CommandInput): Classified {
  const { family } = input;
  const expanded = expandResponseFiles(input.argv, family.kind, input.readResponseFile);
  if (!expanded.ok) return local('response-file', expanded.error);
  const { argv, files } = expanded.value;
  const seen = gatherOptions(argv, family.kind);

  const early = findEarlyReason(seen);
  if (early !== undefined) return early;
  const [source] = seen.inputs;
  if (source === undefined) return local('no-input', argv.join(' ').slice(0, 80));
  const mode = seen.modes.has('assembly') ? 'assembly' : 'object';
  const verdict = languageOf(source.path, source.languageOption, family.kind, input.driverLanguage);
  const outputGiven = seen.outputs.length > 0;
  const output = seen.outputs[0] ?? defaultOutput(source.path, mainSuffix(mode, seen));

  const refusal =
    refuseSource(seen, source.path, output) ??
    (verdict.kind === 'local' ? local(verdict.reason, source.languageOption ?? source.path) : undefined) ??
    seen.refusals[0] ??
    refuseTools(seen) ??
    refuseOutput(seen, output, outputGiven) ??
    refuseIrreproducible(seen, family.kind, verdict.kind === 'language' ? verdict.language : 'c');
  if (refusal !== undefined) return refusal;
  if (verdict.kind === 'local') return local(verdict.reason, source.path);
  const { language } = verdict;
  // gcc prints preprocessed assembly to standard output here, clang passes it through its own assembler.
  if (language === 'assembler-with-cpp' && mode === 'assembly') return local('assembly-input', '-S');

  const dependency = dependencyRequest(seen.dependencyWords, family.kind, output);
  if (dependency === 'stray') return local('dependencies-only', 'depfile options without -MD or -MMD');
  const outputs: OutputFile[] = [{ role: mode === 'object' ? 'object' : 'assembly', path: output, optional: false }];
  if (dependency.kind === 'file') {
    if (dependency.file === '-') return local('stdout', '-MF -');
    if (isDevicePath(dependency.file) || dependency.file === '') return local('output-not-regular', dependency.file);
    outputs.push({ role: 'depfile', path: dependency.file, optional: false });
  }
  outputs.push(...sideOutputs(seen, family.kind, language, source.path, output));
  if (new Set(outputs.map((file) => file.path)).size !== outputs.length) {
    return local('output-not-regular', 'two outputs have the same name');
  }
  if (outputs.length > 1 && !hasStem(output)) return local('output-not-regular', output);
  const variable = findLocalVariable(input.env);
  if (variable !== undefined) return local('environment', variable);

  return {
    kind: 'compile',
    family,
    driverLanguage: input.driverLanguage,
    argv,
    writtenArgv: input.argv,
    responseFiles: files,
    language,
    mode,
    source: source.path,
    sourceIndex: source.index,
    output,
    outputGiven,
    search: {
      directories: seen.directories,
      forcedIncludes: seen.forcedIncludes,
      sysroot: seen.sysroot,
      headerSysroot: seen.headerSysroot,
      noStandardIncludes: seen.noStandardIncludes,
      noStandardCxxIncludes: seen.noStandardCxxIncludes,
      prefixed: seen.prefixed,
    },
    macros: [...seen.macros, ...seen.lateMacros],
    dependency,
    outputs,
    debugLevel: seen.debugLevel,
    color: seen.color,
    nativeFlags: seen.nativeFlags,
    extraInputs: seen.extraInputs,
    recordsCommandLine: seen.recordsCommandLine,
    precompiledCandidates: precompiledCandidates(seen.forcedIncludes, family.kind),
  };
}

function local(reason: CommandReason, detail: string): LocalCommand {
  return { kind: 'local', reason, detail };
}

/** The reasons that say what the command is, before anything about how it compiles. */
function findEarlyReason(seen: GatheredOptions): LocalCommand | undefined {
  const informative = seen.refusals.find((refusal) => refusal.reason === 'not-a-compile');
  if (informative !== undefined) return informative;
  const what = seen.inputs[0]?.path ?? '';
  if (seen.modes.has('preprocess')) return local('preprocess-only', what);
  if (seen.modes.has('dependencies')) return local('dependencies-only', what);
  if (seen.modes.has('syntax')) return local('syntax-only', what);
  if (seen.inputs.length === 0) return local('no-input', '');
  if (!seen.modes.has('object') && !seen.modes.has('assembly')) return local('link', seen.outputs[0] ?? 'a.out');
  return undefined;
}

function refuseSource(seen: GatheredOptions, source: string, output: string): LocalCommand | undefined {
  const standardInput = seen.inputs.find(({ path }) =>
    /^(-|\/dev\/stdin|\/dev\/fd\/\d+|\/proc\/.*\/fd\/.*)$/.test(path),
  );
  if (standardInput !== undefined) return local('stdin', standardInput.path);
  // What looks like a second input may be the value of an option that icets does not know.
  const unknown = seen.refusals.find((refusal) => refusal.reason === 'unknown-option');
  if (seen.inputs.length > 1 && unknown !== undefined) return unknown;
  if (seen.inputs.length > 1) return local('several-inputs', seen.inputs.map(({ path }) => path).join(' '));
  if (isCompilerCheck(source, output)) return local('compiler-check', source);
  if (source === '' || isDevicePath(source)) return local('unknown-language', source);
  return undefined;
}

function refuseTools(seen: GatheredOptions): LocalCommand | undefined {
  const refusal = refuseAssemblerWords(seen.assemblerWords) ?? refuseCc1Words(seen.cc1Words);
  return refusal === undefined ? undefined : { kind: 'local', ...refusal };
}

function refuseOutput(seen: GatheredOptions, output: string, outputGiven: boolean): LocalCommand | undefined {
  if (seen.outputs.length > 1) return local('output-not-regular', seen.outputs.join(' '));
  if (output === '-' || /^\/+dev\/(stdout|fd\/1)$/.test(output)) return local('stdout', output);
  if (output === '' || output.endsWith('/') || isDevicePath(output)) return local('output-not-regular', output);
  // clang puts a .dwo that has no -o to follow into that directory.
  if (seen.compilationDirectory && seen.splitDwarf === 'file' && !(outputGiven && seen.modes.has('object'))) {
    return local('output-not-regular', '-gsplit-dwarf with -fdebug-compilation-dir');
  }
  if (!outputGiven && !hasStem(output)) return local('output-not-regular', output);
  return undefined;
}

function refuseIrreproducible(
  seen: GatheredOptions,
  kind: CompilerFamily['kind'],
  language: SourceLanguage,
): LocalCommand | undefined {
  // gcc names its LTO sections with a random number; clang's bitcode has none.
  if (kind === 'gcc' && seen.lto && !seen.randomSeed && language !== 'assembler-with-cpp') {
    return local('not-reproducible', '-flto without -frandom-seed');
  }
  // The assembler's own debug information names the driver's temporary file.
  const debug = seen.assemblerWords.find((word) => /^-(g|-?gstabs.*|-?gdwarf-\d|-gen-debug)$/.test(word));
  if (debug !== undefined && (language !== 'assembler-with-cpp' || debug.includes('stabs'))) {
    return local('not-reproducible', `-Wa,${debug}`);
  }
  // Seen with clang 14: two plain compiles of one C++ file differ.
  if (seen.embedSource) return local('not-reproducible', '-gembed-source');
  return undefined;
}

function mainSuffix(mode: 'object' | 'assembly', seen: GatheredOptions): string {
  if (seen.emitLlvm) return mode === 'object' ? '.bc' : '.ll';
  return mode === 'object' ? '.o' : '.s';
}

function sideOutputs(
  seen: GatheredOptions,
  kind: CompilerFamily['kind'],
  language: SourceLanguage,
  source: string,
  output: string,
): OutputFile[] {
  const list: OutputFile[] = [];
  const assembly = seen.modes.has('assembly');
  if (seen.splitDwarf === 'file' && !seen.emitLlvm) {
    // gcc's driver extracts the file after assembling, whatever -g says; clang's code generator writes it, -S or not.
    if (kind === 'gcc' || language === 'assembler-with-cpp') {
      if (!assembly) list.push({ role: 'dwo', path: companion(output, '.dwo'), optional: false });
    } else if (seen.debugLevel > 0) {
      list.push({ role: 'dwo', path: clangSplitName(seen, source), optional: seen.lto || seen.unusualDebug });
    }
  }
  if (seen.stackUsage && language !== 'assembler-with-cpp') {
    list.push({ role: 'stack-usage', path: companion(output, '.su'), optional: seen.lto || seen.emitLlvm });
  }
  return list;
}

/** clang names it after `-o` only when `-c` is there as well, else after the source. */
function clangSplitName(seen: GatheredOptions, source: string): string {
  const [output] = seen.outputs;
  return output !== undefined && seen.modes.has('object') ? companion(output, '.dwo') : defaultOutput(source, '.dwo');
}

/** Where a precompiled form of an -include file would lie, as written; both compilers would silently use it. */
function precompiledCandidates(includes: readonly ForcedInclude[], kind: CompilerFamily['kind']): string[] {
  const suffixes = kind === 'gcc' ? ['.gch'] : ['.pch', '.gch'];
  return includes
    .filter((include) => include.option === 'include')
    .flatMap((include) => suffixes.map((suffix) => include.path + suffix));
}
