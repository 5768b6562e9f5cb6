// The messages of the Remote Execution API v2 under the names the rest of icets uses, and how they are made into blobs.
// REAPI v2 wants lists sorted (Directory by name, environment by name, output paths), so that equal content has one digest.

import {
  Action,
  ActionResult,
  Command,
  Directory,
  type FileNode,
  type OutputFile,
} from '../proto/generated/build/bazel/remote/execution/v2/remote_execution.ts';
import { ExecutionHints, Timings, Toolchain } from '../proto/generated/icets/link/v1/link.ts';
import { digestOf, type Digest } from './digest.ts';

export { Action, ActionResult, Command, Directory, ExecutionHints, Timings, Toolchain };
export type { FileNode, OutputFile };

export interface Blob {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

export function blobOf(bytes: Uint8Array): Blob {
  return { digest: digestOf(bytes), bytes };
}

export function encodeDirectory(directory: Directory): Blob {
  return blobOf(Directory.encode(directory).finish());
}

export function encodeCommand(command: Command): Blob {
  return blobOf(Command.encode(command).finish());
}

export function encodeAction(action: Action): Blob {
  return blobOf(Action.encode(action).finish());
}

/** Order of names in a Directory: by the bytes of their UTF-8 form (REAPI v2, message Directory). */
export function compareNames(a: { readonly name: string }, b: { readonly name: string }): number {
  // JavaScript compares UTF-16 units, which differs from byte order only where surrogates meet U+E000..U+FFFF.
  if (a.name === b.name) return 0;
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

/** Property of Command.platform: standard error is a terminal of `COLUMNSxROWS` cells. */
export const stderrTerminalProperty = 'icets-stderr-terminal';

export const zeroTimings: Timings = Timings.fromPartial({});
