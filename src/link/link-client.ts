// The connecting end of the Link: one connection to a scheduler, made again whenever it is lost. Unaware of what travels over it.

import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { WorkerInfo } from '../proto/generated/icets/link/v1/link.ts';
import type { CloseCause, LinkConnection, RequestHandler } from './connection.ts';
import { dial, type DialFailure } from './dial.ts';
import { linkFeatures, linkProtocol, type LinkRole } from './handshake.ts';
import { defaultHeartbeat, type HeartbeatOptions } from './heartbeat.ts';
import type { ConnectionSource } from './link-blob-store.ts';
import { defaultLinkLimits, type LinkLimits } from './link-limits.ts';
import { parseLinkUrl } from './link-url.ts';

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
  /** a number from 0 up to 1 that spreads reconnects in time; Math.random when not given */
  readonly random?: () => number;
  /** whether the scheduler shall tell how far an execute is (`onStage`); true when not given. Each notice wakes this process. */
  readonly stages?: boolean;
  /** answers what the scheduler asks (leases); nothing when not given */
  readonly handle?: (connection: LinkConnection) => RequestHandler;
}

export interface LinkClient extends ConnectionSource {
  readonly state: LinkState;
  /** Calls back after each change, not for the present state; answers a function that ends it. */
  onStateChange(listener: (state: LinkState) => void): () => void;
  /** The present connection, if there is one; otherwise waits `waitMs`, and fails with `disconnected` (`unauthorised`, `incompatible`) after it. */
  connection(signal?: AbortSignal): Promise<Result<LinkConnection, RemoteFailure>>;
  /** Waits up to `waitMs` for a connection, whatever the client's own `waitMs` is. */
  connected(waitMs: number, signal?: AbortSignal): Promise<Result<LinkConnection, RemoteFailure>>;
  close(): Promise<void>;
}

const minBackoffMs = 100;
const maxBackoffMs = 5_000;
/** a connection that held for so long starts the backoff anew */
const steadyMs = 2_000;

/** Starts connecting at once. A malformed URL is refused with the reason `bad-url` and not tried. */
export function openLinkClient(options: LinkClientOptions): LinkClient {
  return new ReconnectingClient(options);
}

class ReconnectingClient implements LinkClient {
  #state: LinkState = { kind: 'connecting', attempts: 0, message: 'connecting' };
  #connection: LinkConnection | undefined;
  #connectedAtMs = 0;
  #attempts = 0;
  #retry: Timer | undefined;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #ending = new AbortController();

  constructor(private readonly options: LinkClientOptions) {
    const address = parseLinkUrl(options.url);
    if (!address.ok) this.#state = { kind: 'refused', reason: 'bad-url', message: address.error };
    else void this.#try();
  }

  get state(): LinkState {
    return this.#state;
  }

  onStateChange(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async connection(signal?: AbortSignal): Promise<Result<LinkConnection, RemoteFailure>> {
    if (this.#connection !== undefined) return ok(this.#connection);
    return this.connected(this.options.waitMs ?? 0, signal);
  }

  async connected(waitMs: number, signal?: AbortSignal): Promise<Result<LinkConnection, RemoteFailure>> {
    if (this.#connection !== undefined) return ok(this.#connection);
    if (waitMs <= 0 || this.#state.kind === 'closed') return err(this.#failure());
    return new Promise((resolve) => {
      const finish = (result: Result<LinkConnection, RemoteFailure>) => {
        timer.cancel();
        stop();
        signal?.removeEventListener('abort', onAbort);
        resolve(result);
      };
      const onAbort = () => finish(err({ reason: 'cancelled', message: 'no longer wanted' }));
      const timer = this.options.clock.after(waitMs, () => finish(err(this.#failure())));
      const stop = this.onStateChange((state) => {
        if (this.#connection !== undefined) finish(ok(this.#connection));
        else if (state.kind === 'closed') finish(err(this.#failure()));
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted === true) onAbort();
    });
  }

  async close(): Promise<void> {
    if (this.#state.kind === 'closed') return;
    this.#ending.abort();
    this.#retry?.cancel();
    const connection = this.#connection;
    this.#connection = undefined;
    this.#become({ kind: 'closed' });
    connection?.close('the client is ending');
  }

  async #try(): Promise<void> {
    const { options } = this;
    const address = parseLinkUrl(options.url);
    if (!address.ok) return;
    this.#attempts += 1;
    const dialled = await dial(
      {
        address: address.value,
        token: options.token,
        hello: {
          protocol: linkProtocol,
          role: options.role,
          name: options.name,
          version: options.version,
          features: linkFeatures.filter((feature) => options.stages !== false || feature !== 'execute-stage'),
          worker: options.worker,
        },
        clock: options.clock,
        log: options.log,
        limits: { ...defaultLinkLimits, ...options.limits },
        heartbeat: { ...defaultHeartbeat, ...options.heartbeat },
        handle: (connection) => options.handle?.(connection) ?? (() => undefined),
        onClose: (connection, cause) => this.#onClose(connection, cause),
      },
      this.#ending.signal,
    );
    if (this.#ending.signal.aborted) {
      if (dialled.ok) dialled.value.connection.close('the client is ending');
      return;
    }
    if (!dialled.ok) return this.#onFailure(dialled.error);
    const { connection, welcome } = dialled.value;
    if (!connection.open) return this.#onFailure({ kind: 'unreachable', message: 'the connection was lost at once' });
    this.#connection = connection;
    this.#connectedAtMs = options.clock.monotonicMs();
    this.#become({
      kind: 'connected',
      session: welcome.session,
      peerName: welcome.name,
      peerVersion: welcome.version,
      features: linkFeatures.filter((feature) => welcome.features.includes(feature)),
    });
  }

  #onFailure(failure: DialFailure): void {
    switch (failure.kind) {
      case 'unreachable':
        this.#become({ kind: 'connecting', attempts: this.#attempts, message: failure.message });
        return this.#tryLater(Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(10, this.#attempts - 1)));
      case 'refused':
        this.#become(failure);
        return this.#tryLater(maxBackoffMs);
    }
  }

  #onClose(connection: LinkConnection, cause: CloseCause): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    const steady = this.options.clock.monotonicMs() - this.#connectedAtMs >= steadyMs;
    if (steady) this.#attempts = 0;
    this.#become({ kind: 'connecting', attempts: this.#attempts, message: cause.message });
    if (steady) this.#tryLater(0);
    else this.#tryLater(Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(10, this.#attempts)));
  }

  /** Somewhere between half of the time and all of it, so that many peers do not come back at once. */
  #tryLater(delayMs: number): void {
    const random = this.options.random ?? Math.random;
    this.#retry = this.options.clock.after(delayMs * (0.5 + random() / 2), () => void this.#try());
  }

  #become(state: LinkState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  #failure(): RemoteFailure {
    const state = this.#state;
    switch (state.kind) {
      case 'connecting':
      case 'connected':
        return {
          reason: 'disconnected',
          message: `no connection to ${this.options.url}: ${'message' in state ? state.message : 'just lost'}`,
        };
      case 'refused':
        return {
          reason: state.reason === 'unauthorised' ? 'unauthorised' : 'incompatible',
          message: `${this.options.url} refused: ${state.message}`,
        };
      case 'closed':
        return { reason: 'disconnected', message: 'the connection was ended here' };
    }
  }
}
