// Port: something that runs actions elsewhere. The embedded scheduler is one (directly, or at the far end of a Link),
// a REAPI engine behind gRPC is another.

import type { Result } from '../base/result.ts';
import type { BlobStore } from './blob-store.ts';
import type { Digest } from './digest.ts';
import type { RemoteFailure } from './failure.ts';
import type { ActionResult, ExecutionHints, Timings } from './action.ts';

export interface ExecuteRequest {
  readonly action: Digest;
  /** run it even if its result is known; one that is running already may be shared all the same */
  readonly skipCacheLookup: boolean;
  /** `hints.resultKey`: under what the result is looked up, shared and kept in place of the action's digest */
  readonly hints: ExecutionHints;
}

export interface ExecuteOutcome {
  readonly result: ActionResult;
  readonly cached: boolean;
  /** name of the worker that ran it, as people know it */
  readonly worker: string;
  readonly timings: Timings;
  /** how many workers tried, 0 for a cached result */
  readonly attempts: number;
}

export type ExecuteStage =
  | { readonly kind: 'queued' }
  | { readonly kind: 'leased'; readonly worker: string }
  | { readonly kind: 'running'; readonly worker: string };

export interface QuarantineChange {
  readonly wasQuarantined: boolean;
  /** workers of this name that are connected */
  readonly connected: number;
}

export interface RemoteExecutor {
  readonly blobs: BlobStore;

  /** The result cached under an action's digest or a result key, or undefined. One whose outputs are gone is not cached. */
  getActionResult(key: Digest, signal?: AbortSignal): Promise<Result<ActionResult | undefined, RemoteFailure>>;

  /** Tells that the result under this key failed the caller's proof and is to be dropped. Not there where that cannot be. */
  rejectResult?(key: Digest, why: string): void;

  /**
   * Workers of this name get no further actions, and results that they left are not used, until that is lifted. Not there where
   * that cannot be.
   */
  quarantineWorker?(worker: string, why: string): Promise<Result<QuarantineChange, RemoteFailure>>;
  liftQuarantine?(worker: string): Promise<Result<QuarantineChange, RemoteFailure>>;

  /** Runs an action whose blobs are in `blobs`. A compiler's non-zero exit is a result, not a failure. */
  execute(
    request: ExecuteRequest,
    onStage: (stage: ExecuteStage) => void,
    signal?: AbortSignal,
  ): Promise<Result<ExecuteOutcome, RemoteFailure>>;
}
