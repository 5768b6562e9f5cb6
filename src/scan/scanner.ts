// The port behind which a translation unit's input closure is found. Rungs: exact evaluation, then the compiler's -M.
// Unaware of how any rung works.

import type { Result } from '../base/result.ts';
import type { ParsedCompile } from '../compiler/parsed-compile.ts';
import type { InputReason } from '../model/failure.ts';
import type { FileRecord } from '../model/inputs.ts';
import type { UnclearReason } from './evaluation.ts';

export interface ScanUnit {
  readonly compile: ParsedCompile;
  /** absolute path of the driver as the command reaches it, links not followed */
  readonly compiler: string;
  /** argv[0] as the user wrote it */
  readonly invokedAs: string;
  /** names the compiler's content: search paths asked of it are kept under this */
  readonly compilerIdentity: string;
  readonly cwd: string;
  /** the environment that the plain compile would have */
  readonly env: Readonly<Record<string, string>>;
  /** when the command arrived, on the monotonic clock (performance.now()): older stats are made anew */
  readonly arrivedMs: number;
}

export type Rung = 'exact' | 'compiler';

export interface ClosureFile {
  /** absolute, as the compiler opens it: neither normalised nor resolved */
  readonly path: string;
  readonly record: FileRecord;
}

/**
 * Something whose existence the result depends on, beyond the files that are read: the operands of `__has_include` and
 * the like. Not the earlier directories in which an include was not found: those only say that this is the right closure.
 */
export interface ExistenceProbe {
  /** absolute; or words that are no path, of something else that is not to differ (`exists` is false then) */
  readonly path: string;
  readonly exists: boolean;
}

export interface Closure {
  readonly rung: Rung;
  /** everything that must be in the sandbox as a file, source first, each path once */
  readonly files: readonly ClosureFile[];
  /** existing directories that must exist in the sandbox, as written but absolute */
  readonly directories: readonly string[];
  /** physical paths of the compiler's own existing search directories: shipped as coarse trees, as far as they are used */
  readonly coarse: readonly string[];
  readonly probes: readonly ExistenceProbe[];
  /** prerequisites as the compiler's -M names them: the worker's depfile must equal this list */
  readonly dependencies: readonly string[];
  /** some file mentions `__DATE__` or `__TIME__`: the result depends on the clock and the time zone */
  readonly dateOrTime: boolean;
  /** some file mentions `__TIMESTAMP__`: the result depends on that file's modification time and the time zone */
  readonly timestamp: boolean;
  /** sum over `files` */
  readonly sourceBytes: number;
  /** the result depends on something in the coarse trees that neither `files` nor `probes` tell: they are part of its key */
  readonly restsOnTrees?: boolean;
  /** why a rung above this one did not give the closure */
  readonly whyNotExact?: { readonly reason: UnclearReason; readonly detail: string };
}

export interface ScanFailure {
  readonly reason: InputReason | 'precompiled-header' | 'cancelled';
  readonly message: string;
}

export interface ClosureScanner {
  scan(unit: ScanUnit, signal?: AbortSignal): Promise<Result<Closure, ScanFailure>>;

  /** The proof of a result did not agree with this closure: the same unit is scanned by a lower rung from now on. */
  distrust(closure: Closure): void;

  /**
   * Whether every file, directory and probe still is what the closure says. To be asked after the result has come.
   * @param notBeforeMs stats made at or after this moment of the monotonic clock will do; default: stat now
   */
  unchanged(closure: Closure, notBeforeMs?: number): Promise<boolean>;
}
