// The listening end of the Link: checks who connects and serves an executor, its blobs and a worker pool. Unaware of scheduling.

import type { Log } from '../base/log.ts';
import type { Result } from '../base/result.ts';
import type { Clock } from '../model/clock.ts';
import type { RemoteExecutor } from '../model/remote-executor.ts';
import type { WorkerPool } from '../model/worker-pool.ts';
import type { HeartbeatOptions } from './heartbeat.ts';
import type { LinkLimits } from './link-limits.ts';

export interface LinkServerOptions {
  readonly host: string;
  /** 0 for any free port */
  readonly port: number;
  /** what a peer must present as `Authorization: Bearer` */
  readonly token: string;
  /** of this machine, for people */
  readonly name: string;
  /** icets version, for people */
  readonly version: string;
  readonly executor: RemoteExecutor;
  readonly workers: WorkerPool;
  /** answers a status request; anything JSON can carry (ClusterStatus) */
  readonly status: () => unknown;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<LinkLimits>;
  readonly heartbeat?: Partial<HeartbeatOptions>;
}

export interface LinkServer {
  readonly host: string;
  readonly port: number;
  /** icets://host:port */
  readonly url: string;
  /** connected peers now */
  connectionCount(): number;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

export type ListenFailure = { readonly reason: 'address-in-use' | 'not-listening'; readonly message: string };

export async function startLinkServer(_options: LinkServerOptions): Promise<Result<LinkServer, ListenFailure>> {
  return Promise.reject(new Error('not written yet'));
}
