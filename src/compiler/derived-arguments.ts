// A compile's argv with some of its meanings left out: the base of every other command made from it.

import type { OptionMeaning, OptionNote } from './option-shape.ts';
import { parseArguments } from './parse.ts';
import type { ParsedCompile } from './parsed-compile.ts';
import { readPreprocessorWords } from './tool-arguments.ts';

export interface LeaveOut {
  readonly meanings: readonly OptionMeaning['kind'][];
  readonly notes: readonly OptionNote[];
  readonly source: boolean;
}

/** What asks for files other than the main output, and the main output itself. */
export const outputMeanings: LeaveOut = {
  meanings: ['mode', 'output', 'dependency'],
  notes: ['split-dwarf', 'no-split-dwarf', 'stack-usage', 'records-command-line', 'emit-llvm', 'embed-source'],
  source: false,
};

/** The arguments of `compile` in order, without those that `leaveOut` names; depfile words inside -Wp, go with `dependency`. */
export function argumentsWithout(compile: ParsedCompile, leaveOut: LeaveOut): string[] {
  const { kind } = compile.family;
  const list: string[] = [];
  for (const argument of parseArguments(compile.argv, kind)) {
    const length = argument.kind === 'option' ? argument.length : 1;
    const kept = compile.argv.slice(argument.index, argument.index + length);
    if (argument.kind === 'input' && leaveOut.source) continue;
    if (argument.kind === 'option') {
      const { meaning } = argument.spec;
      if (leaveOut.meanings.includes(meaning.kind)) continue;
      if (meaning.kind === 'note' && leaveOut.notes.includes(meaning.note)) continue;
      if (meaning.kind === 'tool-arguments' && meaning.tool === 'preprocessor') {
        const words = argument.spec.shape === 'comma' ? argument.value.split(',') : [argument.value];
        const read = readPreprocessorWords(words, kind);
        if (read.kind !== 'words' || leaveOut.meanings.includes('macro')) continue;
        list.push(...read.words.macros.map((macro) => `-Wp,${macro}`));
        continue;
      }
    }
    list.push(...kept);
  }
  return list;
}
