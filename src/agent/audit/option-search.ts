// Which option of a command makes its compile differ from run to run. Unaware of how compiles are run.

import { parseArguments } from '../../compiler/parse.ts';
import type { ParsedCompile } from '../../compiler/parsed-compile.ts';

/**
 * Halves the options until one is left without which the compile is reproducible; undefined when it takes more than one, or none.
 * Asks about twice the logarithm of their number, at most.
 * @param reproducible compiles a command some times and says whether the objects were equal; false when it does not compile
 */
export async function findOption(
  compile: ParsedCompile,
  reproducible: (compile: ParsedCompile) => Promise<boolean>,
): Promise<string | undefined> {
  const candidates = candidatesOf(compile);
  const without = (left: readonly Candidate[]) => reproducible(withoutOptions(compile, left));
  if (candidates.length === 0 || !(await without(candidates))) return undefined;
  // Without the first `enough` of them it is reproducible, without the first `few` it is not.
  let few = 0;
  let enough = candidates.length;
  while (enough - few > 1) {
    const middle = (few + enough) >> 1;
    if (await without(candidates.slice(0, middle))) enough = middle;
    else few = middle;
  }
  const found = candidates[few]!;
  return candidates.length === 1 || (await without([found])) ? found.words.join(' ') : undefined;
}

interface Candidate {
  readonly index: number;
  readonly words: readonly string[];
}

/** Options that say how to compile, not what: without them the same source still compiles, as a rule. */
function candidatesOf(compile: ParsedCompile): Candidate[] {
  const candidates: Candidate[] = [];
  for (const argument of parseArguments(compile.argv, compile.family.kind)) {
    if (argument.kind !== 'option') continue;
    const { meaning } = argument.spec;
    if (meaning.kind === 'pass' || meaning.kind === 'note' || isForTools(meaning)) {
      candidates.push({
        index: argument.index,
        words: compile.argv.slice(argument.index, argument.index + argument.length),
      });
    }
  }
  return candidates;
}

function isForTools(meaning: { readonly kind: string; readonly tool?: string }): boolean {
  return meaning.kind === 'tool-arguments' && meaning.tool !== 'preprocessor';
}

/** The outputs stay those of the whole command; an option may take one of them away. */
function withoutOptions(compile: ParsedCompile, left: readonly Candidate[]): ParsedCompile {
  const dropped = new Set(left.flatMap(({ index, words }) => words.map((_, at) => index + at)));
  return { ...compile, argv: compile.argv.filter((_, at) => !dropped.has(at)) };
}

/** Whether the command has the option that `findOption` named. */
export function hasOption(compile: ParsedCompile, option: string): boolean {
  return candidatesOf(compile).some(({ words }) => words.join(' ') === option);
}
