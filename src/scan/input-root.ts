// The whole input root of one compile: toolchain, the compiler's search directories as coarse trees, the closure's files.
// Unaware of actions and transports.

import { err, type Result } from '../base/result.ts';
import type { DirectorySnapshots, InputFailure, InputRoot, InputTrees, TreeBase } from '../model/inputs.ts';
import type { TreeNode } from '../model/tree.ts';
import type { Closure } from './scanner.ts';

export interface AssembledRoot {
  readonly root: InputRoot;
  readonly base: TreeBase;
  /** false once a coarse tree or the toolchain part of the base has changed */
  current(): Promise<boolean>;
}

export class InputRoots {
  constructor(
    readonly _trees: InputTrees,
    readonly _snapshots: DirectorySnapshots,
  ) {}

  /**
   * @param toolchain root of the toolchain package
   * @param extra further existing directories (working directory, output folders) and files (response files)
   */
  async assemble(
    _toolchain: TreeNode,
    _closure: Closure,
    _extra: { readonly directories: readonly string[]; readonly files: readonly string[] },
    _arrivedMs: number,
  ): Promise<Result<AssembledRoot, InputFailure>> {
    return err({ reason: 'unshippable-path', path: '/', message: 'not written yet' });
  }
}
