// Works out which depfile a command writes from its -M options, including those smuggled through -Wp. The two
// compilers combine them differently; test/e2e/compiler-outputs.test.ts asks both.

import type { CompilerFamily } from './compiler-family.ts';
import { companion } from './outputs.ts';
import type { DependencyRequest } from './parsed-compile.ts';

export interface DependencyWord {
  readonly part: 'MD' | 'MMD' | 'MF' | 'MT' | 'MQ' | 'MP';
  readonly value: string;
  /** `driver`: an option of the command; `preprocessor`: came through -Wp, or -Xpreprocessor */
  readonly through: 'driver' | 'preprocessor';
}

/** @returns the request, or `stray` when -MF and friends come without -MD or -MMD (gcc refuses, clang warns) */
export function dependencyRequest(
  words: readonly DependencyWord[],
  kind: CompilerFamily['kind'],
  output: string,
): DependencyRequest | 'stray' {
  const ordered = kind === 'gcc' ? inGccOrder(words) : words;
  const style = ordered.findLast((word) => word.part === 'MD' || word.part === 'MMD');
  if (style === undefined) return words.length === 0 ? { kind: 'none' } : 'stray';
  const named = ordered.findLast((word) => word.part === 'MF' || (isStyle(word) && word.through === 'preprocessor'));
  return {
    kind: 'file',
    headers: style.part === 'MD' ? 'all' : 'user',
    file: named?.value ?? companion(output, '.d'),
    targets: words.filter((word) => word.part === 'MT' || word.part === 'MQ').map((word) => word.value),
    phony: words.some((word) => word.part === 'MP'),
  };
}

function isStyle(word: DependencyWord): boolean {
  return word.part === 'MD' || word.part === 'MMD';
}

/** gcc's driver hands over -MD, then -MMD, then -MF, and the words of -Wp at the end. */
function inGccOrder(words: readonly DependencyWord[]): DependencyWord[] {
  const rank = (word: DependencyWord) =>
    word.through === 'preprocessor' ? 3 : word.part === 'MD' ? 0 : word.part === 'MMD' ? 1 : 2;
  return [...words].sort((a, b) => rank(a) - rank(b));
}
