// What the scheduler's end of a connection does for its peer: for an agent it executes, for a worker it hands out leases; blobs for
// both. Unaware of sockets and of the scheduling itself.

import { err, ok, type Result } from '../base/result.ts';
import { unreachable } from '../base/unreachable.ts';
import type { BlobStore } from '../model/blob-store.ts';
import type { CacheLimits, ClusterRemoval } from '../model/cache-limits.ts';
import type { Clock } from '../model/clock.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { zeroTimings } from '../model/action.ts';
import type { ExecuteStage, RemoteExecutor } from '../model/remote-executor.ts';
import type {
  LeaseOutcome,
  LeaseRequest,
  WorkerHandle,
  WorkerMembership,
  WorkerPool,
  WorkerState,
} from '../model/worker-pool.ts';
import { BlobService } from './blob-service.ts';
import type { LinkConnection, RequestContext } from './connection.ts';
import type { FrameBody, FrameValue } from './frame-codec.ts';
import { printable, type Peer } from './handshake.ts';
import type { LinkLimits } from './link-limits.ts';
import { checkedActionResult, checkedDigest, checkedHints } from './message-check.ts';

export interface PeerService {
  handle(body: FrameBody, context: RequestContext): Promise<Result<FrameBody, RemoteFailure>> | undefined;
  onNotice(body: FrameBody): void;
  /** The connection is gone. */
  close(): void;
}

/** Makes the cluster's results and blobs fewer. */
export type CacheTrimmer = (limits: CacheLimits) => Promise<Result<ClusterRemoval, RemoteFailure>>;

export interface ClientServiceOptions {
  readonly executor: RemoteExecutor;
  readonly status: () => unknown;
  readonly trimCache: CacheTrimmer | undefined;
  /** whether this peer wants to hear how far its executes are */
  readonly stages: boolean;
  readonly limits: LinkLimits;
  readonly clock: Clock;
}

/** Serves an agent or a command. */
export function serveClient(options: ClientServiceOptions): PeerService {
  const { executor } = options;
  const blobs = new BlobService(executor.blobs, options.limits, options.clock);
  return {
    handle(body, context) {
      switch (body.$case) {
        case 'execute':
          return execute(executor, body.value, context, options.stages);
        case 'getActionResult':
          return getActionResult(executor, body.value, context);
        case 'status':
          return Promise.resolve(ok({ $case: 'statusReply', value: { json: JSON.stringify(options.status()) } }));
        case 'quarantineWorker':
          return quarantineWorker(executor, body.value);
        case 'trimCache':
          return trimCache(options.trimCache, body.value);
        default:
          return blobs.handle(body, context);
      }
    },
    onNotice(body) {
      if (body.$case !== 'rejectResult') return;
      const key = checkedDigest(body.value.key);
      if (key.ok) executor.rejectResult?.(key.value, printable(body.value.why, 400));
    },
    close: () => blobs.close(),
  };
}

async function getActionResult(
  executor: RemoteExecutor,
  request: FrameValue<'getActionResult'>,
  context: RequestContext,
): Promise<Result<FrameBody, RemoteFailure>> {
  const action = checkedDigest(request.action);
  if (!action.ok) return action;
  const found = await executor.getActionResult(action.value, context.signal);
  return found.ok ? ok({ $case: 'actionResultReply', value: { result: found.value } }) : found;
}

async function quarantineWorker(
  executor: RemoteExecutor,
  { worker, why, lift }: FrameValue<'quarantineWorker'>,
): Promise<Result<FrameBody, RemoteFailure>> {
  const name = printable(worker, 128);
  if (name === '' || name !== worker) return err({ reason: 'invalid-request', message: 'no name of a worker' });
  const changed = lift
    ? await executor.liftQuarantine?.(name)
    : await executor.quarantineWorker?.(name, printable(why, 400));
  if (changed === undefined) return err({ reason: 'incompatible', message: 'no worker can be quarantined here' });
  return changed.ok ? ok({ $case: 'quarantineWorkerReply', value: changed.value }) : changed;
}

async function trimCache(
  trim: CacheTrimmer | undefined,
  { maxBytes, unusedForMs }: FrameValue<'trimCache'>,
): Promise<Result<FrameBody, RemoteFailure>> {
  if (trim === undefined) return err({ reason: 'incompatible', message: 'there is no cache to trim here' });
  if ((maxBytes ?? 0) < 0 || (unusedForMs ?? 0) < 0 || (maxBytes ?? unusedForMs) === undefined) {
    return err({ reason: 'invalid-request', message: 'a limit of bytes or of age is needed' });
  }
  const removed = await trim({ maxBytes, unusedForMs });
  if (!removed.ok) return removed;
  const { results, blobs } = removed.value;
  return ok({
    $case: 'trimCacheReply',
    value: { results: results.entries, resultBytes: results.bytes, blobs: blobs.entries, blobBytes: blobs.bytes },
  });
}

async function execute(
  executor: RemoteExecutor,
  request: FrameValue<'execute'>,
  context: RequestContext,
  stages: boolean,
): Promise<Result<FrameBody, RemoteFailure>> {
  const action = checkedDigest(request.action);
  if (!action.ok) return action;
  const hints = checkedHints(request.hints);
  if (!hints.ok) return hints;
  const { skipCacheLookup } = request;
  const onStage = (stage: ExecuteStage) => {
    if (stages) context.stage(stage.kind, 'worker' in stage ? stage.worker : '');
  };
  const outcome = await executor.execute(
    { action: action.value, skipCacheLookup, hints: hints.value },
    onStage,
    context.signal,
  );
  return outcome.ok ? ok({ $case: 'executeReply', value: outcome.value }) : outcome;
}

export interface WorkerServiceOptions {
  readonly connection: LinkConnection;
  readonly peer: Extract<Peer, { readonly role: 'worker' }>;
  readonly blobs: BlobStore;
  readonly workers: WorkerPool;
  readonly limits: LinkLimits;
  readonly clock: Clock;
}

/** Joins the worker to the pool and serves it blobs. It leaves the pool when its connection closes. */
export function serveWorker(options: WorkerServiceOptions): PeerService {
  const { connection, peer, workers } = options;
  const blobs = new BlobService(options.blobs, options.limits, options.clock);
  const handle: WorkerHandle = {
    info: peer.worker,
    name: peer.name,
    lease: (request, onRunning, signal) => lease(connection, request, onRunning, signal),
  };
  const membership: WorkerMembership = workers.join(handle);
  return {
    handle: (body, context) => blobs.handle(body, context),
    onNotice(body) {
      if (body.$case !== 'workerState') return;
      const state = readWorkerState(body.value);
      if (state !== undefined) membership.stateChanged(state);
    },
    close() {
      blobs.close();
      membership.left();
    },
  };
}

async function lease(
  connection: LinkConnection,
  request: LeaseRequest,
  onRunning: () => void,
  signal: AbortSignal,
): Promise<Result<LeaseOutcome, RemoteFailure>> {
  const { id, action, hints, timeoutMs } = request;
  const reply = await connection.request(
    { $case: 'lease', value: { id, action, hints, timeoutMs: Math.ceil(timeoutMs) } },
    'leaseReply',
    {
      signal,
      onStage: (stage) => {
        if (stage === 'running') onRunning();
      },
    },
  );
  if (!reply.ok) return reply;
  const result = checkedActionResult(reply.value.result);
  return result.ok ? ok({ result: result.value, timings: reply.value.timings ?? zeroTimings }) : result;
}

/** A worker's figures as far as they make sense; undefined when they do not. */
function readWorkerState(state: WorkerState): WorkerState | undefined {
  if (!Number.isFinite(state.load) || state.load < 0 || state.freeMemoryBytes < 0) return undefined;
  const hash = /^[0-9a-f]{64}$/;
  if (![...state.toolchains, ...state.brokenToolchains].every((one) => hash.test(one))) return undefined;
  return state;
}

/** An ExecuteStage as it came over the wire. */
export function readStage(stage: string, worker: string): ExecuteStage | undefined {
  const kind = (['queued', 'leased', 'running'] as const).find((known) => known === stage);
  switch (kind) {
    case undefined:
      return undefined;
    case 'queued':
      return { kind };
    case 'leased':
    case 'running':
      return { kind, worker };
    default:
      return unreachable(kind);
  }
}

export function asLeaseRequest(frame: FrameValue<'lease'>): Result<LeaseRequest, RemoteFailure> {
  const action = checkedDigest(frame.action);
  if (!action.ok) return action;
  const hints = checkedHints(frame.hints);
  if (!hints.ok) return hints;
  if (frame.timeoutMs <= 0) return err({ reason: 'invalid-request', message: 'a lease without a time limit' });
  return ok({ id: frame.id, action: action.value, hints: hints.value, timeoutMs: frame.timeoutMs });
}
