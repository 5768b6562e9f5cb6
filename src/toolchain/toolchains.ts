// Toolchains by compiler and environment: asked and packaged once, checked again before every result is accepted.

import { err, type Result } from '../base/result.ts';
import type { DirectorySnapshots, FileDigests, InputTrees } from '../model/inputs.ts';
import type { Processes } from '../model/processes.ts';
import type { CompilerIdentity, ToolchainFailure, ToolchainPackage, ToolchainRequest } from './toolchain-package.ts';

export interface ToolchainsOptions {
  readonly processes: Processes;
  readonly digests: FileDigests;
  readonly snapshots: DirectorySnapshots;
  readonly trees: InputTrees;
  /** folder for what was learned; made when missing */
  readonly cacheFolder: string;
}

export class Toolchains {
  constructor(readonly _options: ToolchainsOptions) {}

  /** What this compiler is. Costs a few stats when it is known. */
  async identify(_request: ToolchainRequest): Promise<Result<CompilerIdentity, ToolchainFailure>> {
    return err({ reason: 'unknown-compiler', message: 'not written yet' });
  }

  /** The package of an identified compiler for this environment (locale, LD_LIBRARY_PATH and PATH matter). */
  async package(
    _compiler: CompilerIdentity,
    _env: Readonly<Record<string, string>>,
  ): Promise<Result<ToolchainPackage, ToolchainFailure>> {
    return err({ reason: 'unknown-compiler', message: 'not written yet' });
  }

  /** Whether every program and library of the package is still what was packaged (stats only). */
  stillCurrent(_toolchain: ToolchainPackage): boolean {
    return false;
  }
}
