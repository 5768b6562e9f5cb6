// The command with which the compiler itself lists every file that a compile reads, system headers included.

import { argumentsWithout, outputMeanings } from './derived-arguments.ts';
import type { ParsedCompile } from './parsed-compile.ts';

/**
 * argv (without argv[0]) of the compiler's own `-M` run for this compile: same search and macros, none of its outputs.
 * The list is one make rule with the target `icets`, on standard output or in `file`. Both compilers imply -E and -w
 * with -M; a missing header is an error of the run. The list names neither `.incbin` and `#embed` files nor probes.
 */
export function dependencyCommand(compile: ParsedCompile, file?: string): string[] {
  const request = ['-M', '-MT', 'icets'];
  if (file !== undefined) request.push('-MF', file);
  return [...request, ...argumentsWithout(compile, outputMeanings)];
}
