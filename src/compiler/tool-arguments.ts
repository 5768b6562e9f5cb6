// What may be handed through the driver to the assembler, the preprocessor, clang's cc1 and LLVM (-Wa, -Wp, -Xclang,
// -mllvm ...) in a compile that leaves this machine. Allow-lists: a thing not known to be harmless is named.

import type { CommandReason } from '../model/failure.ts';
import type { CompilerFamily } from './compiler-family.ts';
import { findOption } from './options.ts';

export interface Refusal {
  readonly reason: CommandReason;
  readonly detail: string;
}

/** Dependency words and macros found behind -Wp, and -Xpreprocessor, in order. */
export interface PreprocessorWords {
  readonly dependencies: readonly { readonly part: 'MD' | 'MMD' | 'MF' | 'MT' | 'MQ' | 'MP'; readonly value: string }[];
  readonly macros: readonly string[];
}

/** The words after -Wa, and -Xassembler of the whole command, in order; undefined when all are harmless. */
export function refuseAssemblerWords(words: readonly string[]): Refusal | undefined {
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '--defsym') {
      index += 1;
      continue;
    }
    // Listings go to standard output or a file, @ and -I read files, a bare word is another input.
    const harmful = /^(@|-a|-I|-o|-MD|--MD|--statistics|--version|-v$|--verbose|--help|--target-help|-Z$)/.test(word);
    if (harmful || !word.startsWith('-')) return { reason: 'assembler-option', detail: `-Wa,${word}` };
  }
  return undefined;
}

/** Reads the words of one -Wp, (or of all -Xpreprocessor together). */
export function readPreprocessorWords(
  words: readonly string[],
  kind: CompilerFamily['kind'],
):
  | { readonly kind: 'words'; readonly words: PreprocessorWords }
  | { readonly kind: 'refused'; readonly refusal: Refusal } {
  const dependencies: { part: 'MD' | 'MMD' | 'MF' | 'MT' | 'MQ' | 'MP'; value: string }[] = [];
  const macros: string[] = [];
  const refused = (detail: string) =>
    ({ kind: 'refused', refusal: { reason: 'unknown-option', detail: `-Wp,${detail}` } }) as const;
  // clang's driver turns exactly `-Wp,-MD,file` into `-MD -MF file`; with more words it forgets the file.
  if (kind === 'clang' && (words[0] === '-MD' || words[0] === '-MMD')) {
    const [style, file] = words;
    if (words.length !== 2 || file === undefined) return refused(words.join(','));
    dependencies.push({ part: style === '-MD' ? 'MD' : 'MMD', value: file });
    return { kind: 'words', words: { dependencies, macros } };
  }
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (/^-[DU]./.test(word)) {
      macros.push(word);
    } else if (kind === 'gcc' && word === '-MP') {
      dependencies.push({ part: 'MP', value: '' });
    } else if (kind === 'gcc' && /^-(MD|MMD|MF|MT|MQ)$/.test(word)) {
      const value = words[index + 1];
      if (value === undefined || value === '') return refused(words.join(','));
      dependencies.push({ part: word.slice(1) as 'MD' | 'MMD' | 'MF' | 'MT' | 'MQ', value });
      index += 1;
    } else {
      return refused(words.join(','));
    }
  }
  return { kind: 'words', words: { dependencies, macros } };
}

/** The words after -Xclang of the whole command, in order. */
export function refuseCc1Words(words: readonly string[]): Refusal | undefined {
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const detail = `-Xclang ${word}`;
    if (/^-(load|add-plugin|plugin)/.test(word)) return { reason: 'plugin', detail };
    if (/^-(include-pch|emit-pch|building-pch|pch-through)/.test(word)) return { reason: 'precompiled-header', detail };
    if (/^-(emit-module|fmodule)/.test(word)) return { reason: 'modules', detail };
    if (word === '-mllvm') {
      const refusal = refuseLlvmWord(words[index + 1] ?? '');
      if (refusal !== undefined) return refusal;
      index += 1;
    } else if (word === '-target-feature' || word === '-target-cpu') {
      index += 1;
    } else if (
      !/^-(disable-(llvm-(passes|verifier|optzns)|O0-optnone)|no-opaque-pointers|opaque-pointers)$/.test(word)
    ) {
      // A word of -f or -W that the driver would accept too is as harmless behind -Xclang.
      const spec = /^-[fW]/.test(word) ? findOption(word, 'clang') : undefined;
      if (spec === undefined || spec.meaning.kind !== 'pass' || spec.shape !== 'joined') {
        return { reason: 'unknown-option', detail };
      }
    }
  }
  return undefined;
}

/** One word for LLVM's own option parser: refused when its name smells of files, output or time. */
export function refuseLlvmWord(word: string): Refusal | undefined {
  if (
    !/file|output|dump|view|print|stats|time|debug-only|dot-|record|load|remark|path|dir\b|profile|trace/.test(word)
  ) {
    return undefined;
  }
  return { reason: 'dump-files', detail: `-mllvm ${word}` };
}
