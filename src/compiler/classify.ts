// From a command line to what the agent needs to know about it: one compile with everything it reads and writes,
// or the reason why it stays on this machine. Unaware of files and processes.

import { unreachable } from '../base/unreachable.ts';
import type { CommandReason } from '../model/failure.ts';
import type { CompilerFamily, DriverLanguage } from './compiler-family.ts';
import { isCompilerCheck } from './compiler-check.ts';
import { dependencyRequest, type DependencyWord } from './dependency-request.ts';
import { findLocalVariable } from './environment.ts';
import { languageOf } from './language.ts';
import type { OptionNote } from './option-shape.ts';
import { companion, defaultOutput, hasStem, isDevicePath } from './outputs.ts';
import { parseArguments, type Argument } from './parse.ts';
import type {
  Classified,
  ColorOption,
  ForcedInclude,
  LocalCommand,
  OutputFile,
  SearchDirectory,
  SourceLanguage,
} from './parsed-compile.ts';
import { expandResponseFiles } from './response-file.ts';
import { readPreprocessorWords, refuseAssemblerWords, refuseCc1Words, refuseLlvmWord } from './tool-arguments.ts';

export interface CommandInput {
  readonly family: CompilerFamily;
  readonly driverLanguage: DriverLanguage;
  /** without argv[0] */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** the bytes of a response file named relative to the command's working directory; undefined: cannot be read */
  readonly readResponseFile: (path: string) => Uint8Array | undefined;
}

type Mode = 'object' | 'assembly' | 'preprocess' | 'dependencies' | 'syntax';

/** What the options said, one after the other. */
class Gathered {
  readonly modes = new Set<Mode>();
  readonly inputs: { readonly path: string; readonly index: number; readonly languageOption: string | undefined }[] =
    [];
  readonly outputs: string[] = [];
  readonly refusals: LocalCommand[] = [];
  readonly directories: SearchDirectory[] = [];
  readonly forcedIncludes: ForcedInclude[] = [];
  readonly prefixed: string[] = [];
  readonly macros: string[] = [];
  readonly lateMacros: string[] = [];
  readonly dependencyWords: DependencyWord[] = [];
  readonly extraInputs: string[] = [];
  readonly nativeFlags: string[] = [];
  readonly assemblerWords: string[] = [];
  readonly preprocessorWords: string[] = [];
  readonly cc1Words: string[] = [];
  languageOption: string | undefined;
  sysroot: string | undefined;
  headerSysroot: string | undefined;
  noStandardIncludes = false;
  noStandardCxxIncludes = false;
  lto = false;
  randomSeed = false;
  debugLevel = 0;
  /** debug information that is not quite DWARF's: whether a .dwo comes of it is left open */
  unusualDebug = false;
  splitDwarf: 'none' | 'file' | 'inside' = 'none';
  stackUsage = false;
  color: ColorOption = 'auto';
  recordsCommandLine = false;
  emitLlvm = false;
  embedSource = false;

  refuse(reason: CommandReason, detail: string): void {
    this.refusals.push({ kind: 'local', reason, detail });
  }
}

/** Classifies a command whose compiler is known. Never throws for any argv. */
export function classifyCommand(input: CommandInput): Classified {
  const { family } = input;
  const expanded = expandResponseFiles(input.argv, family.kind, input.readResponseFile);
  if (!expanded.ok) return local('response-file', expanded.error);
  const { argv, files } = expanded.value;
  const seen = new Gathered();
  for (const argument of parseArguments(argv, family.kind)) gather(seen, argument, family.kind);

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
  outputs.push(...sideOutputs(seen, family.kind, language, mode, output));
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

function gather(seen: Gathered, argument: Argument, kind: CompilerFamily['kind']): void {
  switch (argument.kind) {
    case 'input':
      seen.inputs.push({ path: argument.path, index: argument.index, languageOption: seen.languageOption });
      return;
    case 'unknown':
      seen.refuse('unknown-option', argument.text);
      return;
    case 'incomplete':
      seen.refuse('unknown-option', `${argument.text} without its value`);
      return;
    case 'option':
      gatherOption(seen, argument, kind);
      return;
    default:
      unreachable(argument);
  }
}

function gatherOption(
  seen: Gathered,
  argument: Extract<Argument, { kind: 'option' }>,
  kind: CompilerFamily['kind'],
): void {
  const { value, text } = argument;
  const { meaning } = argument.spec;
  switch (meaning.kind) {
    case 'pass':
      return;
    case 'local':
      seen.refuse(meaning.reason, argument.length === 1 ? text : `${text} ${value}`);
      return;
    case 'mode':
      seen.modes.add(meaning.mode);
      return;
    case 'output':
      seen.outputs.push(value);
      return;
    case 'language':
      seen.languageOption = value;
      return;
    case 'directory':
      seen.directories.push({ option: meaning.option, path: value });
      return;
    case 'forced-include':
      seen.forcedIncludes.push({ option: meaning.option, path: value });
      return;
    case 'sysroot':
      seen.sysroot = value;
      return;
    case 'header-sysroot':
      seen.headerSysroot = value;
      return;
    case 'no-standard-includes':
      seen.noStandardIncludes = true;
      return;
    case 'no-standard-cxx-includes':
      seen.noStandardCxxIncludes = true;
      return;
    case 'prefixed-search':
      seen.prefixed.push(argument.spec.name, value);
      return;
    case 'macro':
      seen.macros.push(argument.spec.name + value);
      return;
    case 'dependency':
      seen.dependencyWords.push({ part: meaning.part, value, through: 'driver' });
      return;
    case 'extra-input':
      seen.extraInputs.push(value);
      return;
    case 'diagnostics-format':
      if (!/^(text|json|json-stderr|sarif-stderr|clang|msvc|vi)$/.test(value)) seen.refuse('dump-files', text);
      return;
    case 'optimizer-report':
      if (text.includes('=')) seen.refuse('dump-files', text);
      return;
    case 'note':
      gatherNote(seen, meaning.note, value, text);
      return;
    case 'tool-arguments':
      gatherToolArguments(seen, argument, meaning.tool, kind);
      return;
    default:
      unreachable(meaning);
  }
}

function gatherNote(seen: Gathered, note: OptionNote, value: string, text: string): void {
  switch (note) {
    case 'lto':
      seen.lto = true;
      return;
    case 'no-lto':
      seen.lto = false;
      return;
    case 'random-seed':
      seen.randomSeed = true;
      return;
    case 'no-random-seed':
      seen.randomSeed = false;
      return;
    case 'debug':
      seen.debugLevel = debugLevelAfter(text, seen.debugLevel);
      if (/directives|codeview|stabs|vms|dbx/.test(text)) seen.unusualDebug = true;
      return;
    case 'split-dwarf':
      seen.splitDwarf = value === 'single' ? 'inside' : 'file';
      return;
    case 'no-split-dwarf':
      seen.splitDwarf = 'none';
      return;
    case 'stack-usage':
      seen.stackUsage = true;
      return;
    case 'color':
      seen.color = value === 'auto' ? 'auto' : value === 'never' ? 'never' : 'always';
      return;
    case 'no-color':
      seen.color = 'never';
      return;
    case 'records-command-line':
      seen.recordsCommandLine = true;
      return;
    case 'emit-llvm':
      seen.emitLlvm = true;
      return;
    case 'embed-source':
      seen.embedSource = true;
      return;
    case 'native-capable':
      if (/^native(\+|$)/.test(value)) seen.nativeFlags.push(text);
      return;
    default:
      unreachable(note);
  }
}

/** The level that an option of the -g family leaves, given the level before it. */
function debugLevelAfter(text: string, before: number): number {
  if (/^-g(gdb|line-directives-only|line-tables-only|mlt|codeview|lldb|sce|dbx)?$/.test(text)) {
    return /line|mlt/.test(text) ? 1 : Math.max(before, 2);
  }
  const level = /^-g(?:gdb|stabs\+?|vms|xcoff\+?)?([0-3])$/.exec(text);
  if (level !== null) return Number(level[1]);
  return /^-gdwarf(-\d)?$/.test(text) ? Math.max(before, 2) : before;
}

function gatherToolArguments(
  seen: Gathered,
  argument: Extract<Argument, { kind: 'option' }>,
  tool: 'assembler' | 'preprocessor' | 'cc1' | 'llvm',
  kind: CompilerFamily['kind'],
): void {
  const words = argument.spec.shape === 'comma' ? argument.value.split(',') : [argument.value];
  switch (tool) {
    case 'assembler':
      seen.assemblerWords.push(...words);
      return;
    case 'cc1':
      seen.cc1Words.push(...words);
      return;
    case 'llvm': {
      const refusal = refuseLlvmWord(argument.value);
      if (refusal !== undefined) seen.refuse(refusal.reason, refusal.detail);
      return;
    }
    case 'preprocessor': {
      // The words of several -Xpreprocessor belong together; those of one -Wp, do so by themselves.
      if (argument.spec.shape === 'comma') takePreprocessorWords(seen, words, kind);
      else if (/^-[DU]./.test(argument.value)) seen.lateMacros.push(argument.value);
      else seen.refuse('unknown-option', `-Xpreprocessor ${argument.value}`);
      return;
    }
    default:
      unreachable(tool);
  }
}

function takePreprocessorWords(seen: Gathered, words: readonly string[], kind: CompilerFamily['kind']): void {
  const read = readPreprocessorWords(words, kind);
  if (read.kind === 'refused') {
    seen.refuse(read.refusal.reason, read.refusal.detail);
    return;
  }
  for (const word of read.words.dependencies) seen.dependencyWords.push({ ...word, through: 'preprocessor' });
  seen.lateMacros.push(...read.words.macros);
}

/** The reasons that say what the command is, before anything about how it compiles. */
function findEarlyReason(seen: Gathered): LocalCommand | undefined {
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

function refuseSource(seen: Gathered, source: string, output: string): LocalCommand | undefined {
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

function refuseTools(seen: Gathered): LocalCommand | undefined {
  const refusal = refuseAssemblerWords(seen.assemblerWords) ?? refuseCc1Words(seen.cc1Words);
  return refusal === undefined ? undefined : { kind: 'local', ...refusal };
}

function refuseOutput(seen: Gathered, output: string, outputGiven: boolean): LocalCommand | undefined {
  if (seen.outputs.length > 1) return local('output-not-regular', seen.outputs.join(' '));
  if (output === '-' || /^\/+dev\/(stdout|fd\/1)$/.test(output)) return local('stdout', output);
  if (output === '' || output.endsWith('/') || isDevicePath(output)) return local('output-not-regular', output);
  if (!outputGiven && !hasStem(output)) return local('output-not-regular', output);
  return undefined;
}

function refuseIrreproducible(
  seen: Gathered,
  kind: CompilerFamily['kind'],
  language: SourceLanguage,
): LocalCommand | undefined {
  // gcc names its LTO sections with a random number; clang's bitcode has none.
  if (kind === 'gcc' && seen.lto && !seen.randomSeed && language !== 'assembler-with-cpp') {
    return local('not-reproducible', '-flto without -frandom-seed');
  }
  // Seen with clang 14: two plain compiles of one C++ file differ.
  if (seen.embedSource) return local('not-reproducible', '-gembed-source');
  return undefined;
}

function mainSuffix(mode: 'object' | 'assembly', seen: Gathered): string {
  if (seen.emitLlvm) return mode === 'object' ? '.bc' : '.ll';
  return mode === 'object' ? '.o' : '.s';
}

function sideOutputs(
  seen: Gathered,
  kind: CompilerFamily['kind'],
  language: SourceLanguage,
  mode: 'object' | 'assembly',
  output: string,
): OutputFile[] {
  const list: OutputFile[] = [];
  if (seen.splitDwarf === 'file' && !seen.emitLlvm) {
    const path = companion(output, '.dwo');
    // gcc's driver extracts the file after assembling, whatever -g says; clang's code generator writes it, -S or not.
    if (kind === 'gcc' || language === 'assembler-with-cpp') {
      if (mode === 'object') list.push({ role: 'dwo', path, optional: false });
    } else if (seen.debugLevel > 0) {
      list.push({ role: 'dwo', path, optional: seen.lto || seen.unusualDebug });
    }
  }
  if (seen.stackUsage && language !== 'assembler-with-cpp') {
    list.push({ role: 'stack-usage', path: companion(output, '.su'), optional: seen.lto || seen.emitLlvm });
  }
  return list;
}

/** Where a precompiled form of an -include file would lie, as written; both compilers would silently use it. */
function precompiledCandidates(includes: readonly ForcedInclude[], kind: CompilerFamily['kind']): string[] {
  const suffixes = kind === 'gcc' ? ['.gch'] : ['.pch', '.gch'];
  return includes
    .filter((include) => include.option === 'include')
    .flatMap((include) => suffixes.map((suffix) => include.path + suffix));
}
