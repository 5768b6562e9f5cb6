// How a compiler is asked for its search directories and predefined macros under the flags of a compile, and how its
// answer is read. Unaware of running it.

import { argumentsWithout, outputMeanings } from './derived-arguments.ts';
import type { ParsedCompile } from './parsed-compile.ts';

/**
 * argv (without argv[0]) that prints the predefined macros on standard output and the search list on standard error
 * (run it in the compile's working directory with LC_ALL=C). The compile's own macros, forced includes and source are
 * left out, its search options stay: equal answers for equal flags, so the argv is a good cache key.
 */
export function searchQueryCommand(compile: ParsedCompile): string[] {
  const flags = argumentsWithout(compile, {
    meanings: [...outputMeanings.meanings, 'macro', 'forced-include', 'language'],
    notes: [...outputMeanings.notes, 'color', 'no-color'],
    source: true,
  });
  return [...flags, '-E', '-dM', '-v', '-x', compile.language, '/dev/null'];
}

export interface SearchList {
  /** searched for `#include "..."` first */
  readonly quote: readonly string[];
  /** searched for both forms */
  readonly angle: readonly string[];
  /** asked for but not there: a directory that appears would change the search */
  readonly nonexistent: readonly string[];
}

/** Reads the standard error of the query; undefined when it has no search list. */
export function parseSearchList(stderr: string): SearchList | undefined {
  const quote: string[] = [];
  const angle: string[] = [];
  const nonexistent: string[] = [];
  let state: 'before' | 'quote' | 'angle' | 'after' = 'before';
  for (const line of stderr.split('\n')) {
    const missing = /^ignoring nonexistent directory "(.*)"$/.exec(line)?.[1];
    if (missing !== undefined) nonexistent.push(missing);
    else if (line === '#include "..." search starts here:') state = 'quote';
    else if (line === '#include <...> search starts here:') state = 'angle';
    else if (line === 'End of search list.') state = 'after';
    else if (line.startsWith(' ') && !line.endsWith(' (framework directory)')) {
      if (state === 'quote') quote.push(line.slice(1));
      else if (state === 'angle') angle.push(line.slice(1));
    }
  }
  return state === 'after' ? { quote, angle, nonexistent } : undefined;
}
