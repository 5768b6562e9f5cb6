// From a command line to what the agent needs to know about it: one compile with everything it reads and writes,
// or the reason why it stays on this machine. Unaware of files and processes.

import type { CompilerFamily, DriverLanguage } from './compiler-family.ts';
import type { Classified } from './parsed-compile.ts';

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
export function classifyCommand(_input: CommandInput): Classified {
  return { kind: 'local', reason: 'not-a-compile', detail: 'not written yet' };
}
