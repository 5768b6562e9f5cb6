// A worker's conversation with its scheduler: leases in, results and the worker's state out. Unaware of how a lease is run.

import { ok, type Result } from '../base/result.ts';
import type { Timer } from '../model/clock.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { LeaseRunner, WorkerInfo, WorkerState } from '../model/worker-pool.ts';
import type { LinkConnection, RequestContext, RequestHandler } from './connection.ts';
import type { FrameBody, FrameValue } from './frame-codec.ts';
import { LinkBlobStore } from './link-blob-store.ts';
import { openLinkClient, type LinkClientOptions, type LinkState } from './link-client.ts';
import { asLeaseRequest } from './peer-service.ts';

export interface WorkerLinkOptions extends Omit<LinkClientOptions, 'role' | 'worker' | 'waitMs' | 'handle'> {
  readonly info: WorkerInfo;
  readonly runner: LeaseRunner;
  /** asked whenever the state is sent: at each connect, at `stateChanged`, and every `stateIntervalMs` */
  readonly state: () => WorkerState;
  /** 3,000 when not given */
  readonly stateIntervalMs?: number;
  /** hears about connecting, connected, refused */
  readonly onLinkState?: (state: LinkState) => void;
}

export interface WorkerLink {
  readonly linkState: LinkState;
  /** Tells the scheduler soon; several calls in one turn of the event loop are one notice. */
  stateChanged(): void;
  /** Aborts the leases in work and disconnects. */
  close(): Promise<void>;
}

/** Connects as a worker and stays connected until closed; leases in work when the connection is lost are aborted. */
export function runWorkerLink(options: WorkerLinkOptions): WorkerLink {
  const { info, runner, state, stateIntervalMs, onLinkState, ...clientOptions } = options;
  const client = openLinkClient({
    ...clientOptions,
    role: 'worker',
    worker: info,
    handle: (connection) => leaseHandler(connection, runner),
  });
  let timer: Timer | undefined;
  let soon = false;
  let current: LinkConnection | undefined;
  const send = () => {
    soon = false;
    timer?.cancel();
    timer = undefined;
    if (current === undefined || !current.open) return;
    current.notify({ $case: 'workerState', value: state() });
    timer = options.clock.after(stateIntervalMs ?? 3_000, send);
  };
  client.onStateChange((linkState) => {
    timer?.cancel();
    current = undefined;
    onLinkState?.(linkState);
    if (linkState.kind !== 'connected') return;
    void client.connection().then((connection) => {
      if (!connection.ok) return;
      current = connection.value;
      send();
    });
  });
  return {
    get linkState() {
      return client.state;
    },
    stateChanged() {
      if (soon) return;
      soon = true;
      setImmediate(send);
    },
    async close() {
      timer?.cancel();
      await client.close();
    },
  };
}

function leaseHandler(connection: LinkConnection, runner: LeaseRunner): RequestHandler {
  const blobs = new LinkBlobStore({ connection: () => Promise.resolve(ok(connection)) });
  return (body, context) => (body.$case === 'lease' ? runLease(body.value, runner, blobs, context) : undefined);
}

async function runLease(
  frame: FrameValue<'lease'>,
  runner: LeaseRunner,
  blobs: LinkBlobStore,
  context: RequestContext,
): Promise<Result<FrameBody, RemoteFailure>> {
  const request = asLeaseRequest(frame);
  if (!request.ok) return request;
  const outcome = await runner.run(request.value, blobs, () => context.stage('running', ''), context.signal);
  return outcome.ok ? ok({ $case: 'leaseReply', value: outcome.value }) : outcome;
}
