// The command that a worker runs for a compile: the user's own, plus a dependency list as proof where none was asked for.

import type { ParsedCompile } from './parsed-compile.ts';

/** Longer commands keep their response files (Linux takes 128 KiB in one argument, 2 MiB in all). */
const expandedLimitBytes = 100_000;

export interface RemoteCommand {
  /** without argv[0] */
  readonly argv: readonly string[];
  /** response files that must be there, as written */
  readonly responseFiles: readonly string[];
  /** the dependency list that the command writes, if any, and whether system headers are in it */
  readonly proof:
    | { readonly kind: 'none' }
    | { readonly kind: 'user-depfile' | 'scratch'; readonly file: string; readonly headers: 'all' | 'user' };
}

/**
 * @param scratchDepfile where the worker may write a dependency list that nobody asked for
 *
 * `-MD -MF` leaves the object of gcc 12 and clang 14 as it is (test/e2e/compiler-commands.test.ts) except where the
 * object records the command line; there nothing is added. Colours are never asked for: the worker's compiler has a
 * terminal when the user's has one.
 */
export function remoteCommand(compile: ParsedCompile, scratchDepfile: string): RemoteCommand {
  const sizeBytes = compile.argv.reduce((sum, argument) => sum + Buffer.byteLength(argument) + 1, 0);
  const expanded = sizeBytes <= expandedLimitBytes;
  const base = expanded ? compile.argv : compile.writtenArgv;
  const responseFiles = expanded ? [] : compile.responseFiles;
  const { dependency } = compile;
  if (dependency.kind === 'file') {
    const proof = { kind: 'user-depfile', file: dependency.file, headers: dependency.headers } as const;
    return { argv: base, responseFiles, proof };
  }
  if (compile.recordsCommandLine) return { argv: base, responseFiles, proof: { kind: 'none' } };
  return {
    argv: ['-MD', '-MF', scratchDepfile, ...base],
    responseFiles,
    proof: { kind: 'scratch', file: scratchDepfile, headers: 'all' },
  };
}
