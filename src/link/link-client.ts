// The connecting end of the Link: one connection to a scheduler, made again whenever it is lost. Unaware of what travels over it.

import type { Log } from '../base/log.ts';
import type { Clock } from '../model/clock.ts';
import type { HeartbeatOptions } from './heartbeat.ts';
import type { LinkLimits } from './link-limits.ts';
import type { WorkerInfo } from '../proto/generated/icets/link/v1/link.ts';

export type LinkRole = 'agent' | 'cli' | 'worker';

export type LinkState =
  | { readonly kind: 'connecting'; readonly attempts: number; readonly message: string }
  | {
      readonly kind: 'connected';
      readonly session: string;
      readonly peerName: string;
      readonly peerVersion: string;
      readonly features: readonly string[];
    }
  /** The scheduler does not want this peer; it is asked again now and then, in case it was mended there. */
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string }
  | { readonly kind: 'closed' };

export interface LinkClientOptions {
  /** icets://host[:port] */
  readonly url: string;
  readonly token: string;
  readonly role: LinkRole;
  /** of this machine, for people */
  readonly name: string;
  readonly version: string;
  /** role worker only */
  readonly worker?: WorkerInfo;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<LinkLimits>;
  readonly heartbeat?: Partial<HeartbeatOptions>;
  /** how long a request waits for a connection that is being made; 0 (the default) fails at once with `disconnected` */
  readonly waitMs?: number;
}

export interface LinkClient {
  readonly state: LinkState;
  /** Calls back after each change, not for the present state; answers a function that ends it. */
  onStateChange(listener: (state: LinkState) => void): () => void;
  close(): Promise<void>;
}

export function openLinkClient(_options: LinkClientOptions): LinkClient {
  throw new Error('not written yet');
}
