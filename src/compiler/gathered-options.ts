// Walks over the arguments of a command and collects what each says. What it all means together is classify.ts's affair.

import { unreachable } from '../base/unreachable.ts';
import type { CommandReason } from '../model/failure.ts';
import type { CompilerFamily } from './compiler-family.ts';
import type { DependencyWord } from './dependency-request.ts';
import type { OptionNote } from './option-shape.ts';
import { parseArguments, type Argument } from './parse.ts';
import type { ColorOption, ForcedInclude, LocalCommand, SearchDirectory } from './parsed-compile.ts';
import { readPreprocessorWords, refuseLlvmWord } from './tool-arguments.ts';

type Mode = 'object' | 'assembly' | 'preprocess' | 'dependencies' | 'syntax';

/** What the options said, one after the other. */
export class GatheredOptions {
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
  compilationDirectory = false;

  refuse(reason: CommandReason, detail: string): void {
    this.refusals.push({ kind: 'local', reason, detail });
  }
}

/** Collects the arguments of an argv (response files expanded, without argv[0]). */
export function gatherOptions(argv: readonly string[], kind: CompilerFamily['kind']): GatheredOptions {
  const seen = new GatheredOptions();
  for (const argument of parseArguments(argv, kind)) gather(seen, argument, kind);
  return seen;
}

function gather(seen: GatheredOptions, argument: Argument, kind: CompilerFamily['kind']): void {
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
  seen: GatheredOptions,
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

function gatherNote(seen: GatheredOptions, note: OptionNote, value: string, text: string): void {
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
    case 'compilation-directory':
      seen.compilationDirectory = true;
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
  seen: GatheredOptions,
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

function takePreprocessorWords(seen: GatheredOptions, words: readonly string[], kind: CompilerFamily['kind']): void {
  const read = readPreprocessorWords(words, kind);
  if (read.kind === 'refused') {
    seen.refuse(read.refusal.reason, read.refusal.detail);
    return;
  }
  for (const word of read.words.dependencies) seen.dependencyWords.push({ ...word, through: 'preprocessor' });
  seen.lateMacros.push(...read.words.macros);
}
