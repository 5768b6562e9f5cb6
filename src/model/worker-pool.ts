// Port: the workers as the scheduler sees them, and a worker's side of the same conversation.

import type { Result } from '../base/result.ts';
import type { BlobStore } from './blob-store.ts';
import type { Digest } from './digest.ts';
import type { RemoteFailure } from './failure.ts';
import type { ActionResult, ExecutionHints, Timings } from './action.ts';
import type { WorkerInfo, WorkerState } from '../proto/generated/icets/link/v1/link.ts';

export { WorkerInfo, WorkerState } from '../proto/generated/icets/link/v1/link.ts';

export interface LeaseRequest {
  /** unique over the life of the scheduler */
  readonly id: string;
  readonly action: Digest;
  readonly hints: ExecutionHints;
  readonly timeoutMs: number;
}

export interface LeaseOutcome {
  /** outputs small enough travel in OutputFile.contents; all of them are in the scheduler's store as well */
  readonly result: ActionResult;
  readonly timings: Timings;
}

/** One connected worker. Made by the Link's server side (or by a test) and handed to `WorkerPool.join`. */
export interface WorkerHandle {
  readonly info: WorkerInfo;
  readonly name: string;
  /** `onRunning` tells that the compiler has started (the lease may have waited behind another one). */
  lease(
    request: LeaseRequest,
    onRunning: () => void,
    signal: AbortSignal,
  ): Promise<Result<LeaseOutcome, RemoteFailure>>;
}

/** What a joined worker's connection tells the scheduler. */
export interface WorkerMembership {
  stateChanged(state: WorkerState): void;
  /** The connection is gone; every lease of it has ended or will end with `disconnected`. */
  left(): void;
}

/** The scheduler's side. */
export interface WorkerPool {
  join(worker: WorkerHandle): WorkerMembership;
}

/** The worker's side: what its connection calls when a lease arrives. `blobs` is the scheduler's store. */
export interface LeaseRunner {
  run(
    request: LeaseRequest,
    blobs: BlobStore,
    onRunning: () => void,
    signal: AbortSignal,
  ): Promise<Result<LeaseOutcome, RemoteFailure>>;
}
