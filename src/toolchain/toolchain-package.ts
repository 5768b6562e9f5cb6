// What is known about a compiler and shipped with it. Types only.

import type { CompilerFamily, DriverLanguage } from '../compiler/compiler-family.ts';
import type { Toolchain } from '../model/action.ts';
import type { Digest } from '../model/digest.ts';
import type { InputBlob } from '../model/inputs.ts';
import type { TreeNode } from '../model/tree.ts';

export interface CompilerIdentity {
  readonly family: CompilerFamily;
  readonly driverLanguage: DriverLanguage;
  /** absolute path by which the command reaches it */
  readonly path: string;
  /** every path from `path` to the real program, links included, in order */
  readonly chain: readonly string[];
  /** real path of the program */
  readonly program: string;
  /** first line of `--version`, for people */
  readonly name: string;
  /** changes when the program, a link on the way to it or LD_LIBRARY_PATH changes */
  readonly identity: string;
}

export type ToolchainFailure = {
  readonly reason: 'unknown-compiler' | 'compiler-wrapper' | 'toolchain-not-shippable';
  readonly message: string;
};

export interface ToolchainPackage {
  /** digest of the encoded Toolchain message */
  readonly id: Digest;
  readonly message: Toolchain;
  readonly compiler: CompilerIdentity;
  readonly name: string;
  /** as `uname -m` */
  readonly arch: string;
  /** all its files at their absolute paths, its include directories complete; the start of the input tree */
  readonly root: TreeNode;
  /** to be put into the action's environment: PATH, and LD_LIBRARY_PATH where the programs need it */
  readonly environment: Readonly<Record<string, string>>;
  /** physical paths of its complete include directories */
  readonly coarse: readonly string[];
  /** the Toolchain message, the probe's action, command and input root, all Directory messages, all files */
  blobs(): readonly InputBlob[];
}

export interface ToolchainRequest {
  /** argv[0] as written */
  readonly compiler: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}
