// A worker's conversation with its scheduler: leases in, results and the worker's state out. Unaware of how a lease is run.

import type { LeaseRunner, WorkerInfo, WorkerState } from '../model/worker-pool.ts';
import type { LinkClientOptions, LinkState } from './link-client.ts';

export interface WorkerLinkOptions extends Omit<LinkClientOptions, 'role' | 'worker' | 'waitMs'> {
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
export function runWorkerLink(_options: WorkerLinkOptions): WorkerLink {
  throw new Error('not written yet');
}
