// One established Link connection: requests and replies multiplexed over a WebSocket, in both directions. Unaware of who the peer
// is, of reconnecting, and of what the requests mean.

import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { Clock, Timer } from '../model/clock.ts';
import { remoteFailureReasons, type RemoteFailure } from '../model/failure.ts';
import { BulkQueue } from './bulk-queue.ts';
import { decodeFrame, encodeFrame, type FrameBody, type FrameCase, type FrameValue } from './frame-codec.ts';
import { startHeartbeat, type HeartbeatOptions } from './heartbeat.ts';
import type { LinkLimits } from './link-limits.ts';

export interface RequestContext {
  /** Aborts when the peer cancels the request or goes away. */
  readonly signal: AbortSignal;
  /** Tells the peer how far the request is. */
  stage(stage: string, worker: string): void;
}

/** Answers a request of the peer; undefined for a request that this side does not serve. */
export type RequestHandler = (
  body: FrameBody,
  context: RequestContext,
) => Promise<Result<FrameBody, RemoteFailure>> | undefined;

export type CloseCause =
  /** this side ended it */
  | { readonly kind: 'closed'; readonly message: string }
  /** the peer closed it or went away */
  | { readonly kind: 'lost'; readonly message: string }
  /** nothing was heard from the peer for too long */
  | { readonly kind: 'silent'; readonly message: string }
  /** the peer broke the rules, or says that this side did */
  | { readonly kind: 'protocol-error'; readonly message: string };

export interface ConnectionOptions {
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: LinkLimits;
  readonly heartbeat: HeartbeatOptions;
  readonly handle: RequestHandler;
  /** notices other than those the connection itself understands */
  readonly onNotice: (body: FrameBody) => void;
  /** Called once. */
  readonly onClose: (cause: CloseCause) => void;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** `timeout` after so long; without it a request waits as long as the connection lives */
  readonly timeoutMs?: number;
  /** Waits while much is unsent, so that large frames do not pile up in front of small ones. */
  readonly bulk?: boolean;
  readonly onStage?: (stage: string, worker: string) => void;
}

interface PendingRequest {
  settle(result: Result<FrameBody | undefined, RemoteFailure>): void;
  readonly onStage: ((stage: string, worker: string) => void) | undefined;
}

interface ServedRequest {
  readonly bytes: number;
  abort: AbortController | undefined;
  cancelled: boolean;
}

const closeGraceMs = 1_000;

export class LinkConnection {
  #nextId = 1;
  #lastPeerId = 0;
  #cause: CloseCause | undefined;
  #corked = false;
  #servedBytes = 0;
  readonly #pending = new Map<number, PendingRequest>();
  readonly #served = new Map<number, ServedRequest>();
  readonly #bulkQueue: BulkQueue;
  readonly #bulkReplies: Semaphore;
  readonly #stopHeartbeat: () => void;
  #terminating: Timer | undefined;

  constructor(private readonly options: ConnectionOptions) {
    const { ws, socket, clock, limits, heartbeat } = options;
    this.#bulkReplies = new Semaphore(limits.maxBulkReplies);
    this.#bulkQueue = new BulkQueue(() => !this.open || ws.bufferedAmount <= limits.highWaterBytes);
    socket.setNoDelay(true);
    ws.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    ws.on('error', (error) => this.#end({ kind: 'protocol-error', message: error.message }));
    ws.on('close', (code, reason) => {
      this.#terminating?.cancel();
      const words = reason.length > 0 ? reason.toString() : `the connection was closed (${code})`;
      this.#end({ kind: 'lost', message: words });
    });
    socket.on('drain', () => this.#bulkQueue.flush());
    this.#stopHeartbeat = startHeartbeat(clock, heartbeat, {
      bytesRead: () => socket.bytesRead,
      paused: () => ws.isPaused,
      ping: () => this.notify({ $case: 'ping', value: {} }),
      dead: (silentMs) => {
        this.#end({ kind: 'silent', message: `nothing was heard for ${Math.round(silentMs)} ms` });
        ws.terminate();
      },
    });
  }

  get open(): boolean {
    return this.#cause === undefined;
  }

  /** requests of the peer in work, and bytes written but not yet taken by the network */
  figures(): { readonly served: number; readonly pending: number; readonly unsentBytes: number } {
    return { served: this.#served.size, pending: this.#pending.size, unsentBytes: this.options.ws.bufferedAmount };
  }

  /** Asks the peer; a reply of another case than `expected` is a failure. Aborting tells the peer to stop. */
  async request<C extends FrameCase>(
    body: FrameBody,
    expected: C,
    options: RequestOptions = {},
  ): Promise<Result<FrameValue<C>, RemoteFailure>> {
    if (options.signal?.aborted === true) return err(cancelled());
    const result = await this.#ask(body, options);
    if (!result.ok) return result;
    const reply = result.value;
    if (reply?.$case === expected) return ok(reply.value as FrameValue<C>);
    const got = reply?.$case ?? 'a message of another version';
    return err({ reason: 'incompatible', message: `the answer to ${body.$case} was ${got}` });
  }

  /** Sends a notice; does nothing on a closed connection. */
  notify(body: FrameBody): void {
    this.#send(encodeFrame({ id: 0, replyTo: 0, body }));
  }

  /** Closes in an orderly way; requests in work fail with `disconnected`. */
  close(message: string): void {
    this.#end({ kind: 'closed', message });
    this.#closeSocket(1000, message);
  }

  /** Tells the peer what it did wrong and closes. */
  reject(message: string): void {
    if (this.#cause !== undefined) return;
    this.notify({ $case: 'reject', value: { reason: 'protocol-error', message } });
    this.#end({ kind: 'protocol-error', message });
    this.#closeSocket(1002, message);
  }

  #ask(body: FrameBody, options: RequestOptions): Promise<Result<FrameBody | undefined, RemoteFailure>> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      /** 0 until the request has been sent */
      let id = 0;
      const settle = (result: Result<FrameBody | undefined, RemoteFailure>) => {
        if (id !== 0) this.#pending.delete(id);
        timer?.cancel();
        options.signal?.removeEventListener('abort', onAbort);
        resolve(result);
      };
      const start = () => {
        if (this.#cause !== undefined) return settle(err(this.#disconnected()));
        const bytes = encodeFrame({ id: this.#nextId, replyTo: 0, body });
        if (bytes.byteLength > this.options.limits.maxFrameBytes) {
          const message = `${body.$case} of ${bytes.byteLength} bytes is too large to send`;
          return settle(err({ reason: 'invalid-request', message }));
        }
        id = this.#nextId;
        this.#nextId += 1;
        this.#pending.set(id, { settle, onStage: options.onStage });
        this.#send(bytes);
      };
      const giveUp = (failure: RemoteFailure) => {
        if (id === 0) this.#bulkQueue.remove(start);
        else this.notify({ $case: 'cancel', value: { request: id } });
        settle(err(failure));
      };
      const onAbort = () => giveUp(cancelled());
      if (options.signal !== undefined)
        manyListeners(options.signal).addEventListener('abort', onAbort, { once: true });
      if (options.timeoutMs !== undefined) {
        const { timeoutMs } = options;
        timer = this.options.clock.after(timeoutMs, () =>
          giveUp({ reason: 'timeout', message: `no answer to ${body.$case} within ${timeoutMs} ms` }),
        );
      }
      if (options.bulk === true) this.#bulkQueue.add(start);
      else start();
    });
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#cause !== undefined) return;
    if (!isBinary || !Buffer.isBuffer(data)) return this.reject('a text message where frames are expected');
    const decoded = decodeFrame(data);
    if (!decoded.ok) return this.reject(decoded.error.message);
    const frame = decoded.value;
    switch (frame.kind) {
      case 'request':
        return this.#onRequest(frame.id, frame.body, data.byteLength);
      case 'reply':
        return this.#onReply(frame.to, frame.body);
      case 'notice':
        return this.#onNotice(frame.body);
    }
  }

  #onReply(to: number, body: FrameBody | undefined): void {
    if (to >= this.#nextId) return this.reject(`a reply to request ${to}, which was never made`);
    const pending = this.#pending.get(to);
    // A reply that crossed our Cancel on its way.
    if (pending === undefined) return;
    if (body === undefined || body.$case !== 'failure') return pending.settle(ok(body));
    const reason = remoteFailureReasons.find((known) => known === body.value.reason) ?? 'incompatible';
    pending.settle(err({ reason, message: body.value.message }));
  }

  #onNotice(body: FrameBody | undefined): void {
    if (body === undefined) return;
    switch (body.$case) {
      case 'pong':
        return;
      case 'ping':
        return this.notify({ $case: 'pong', value: {} });
      case 'cancel': {
        const served = this.#served.get(body.value.request);
        if (served === undefined) return;
        served.cancelled = true;
        served.abort?.abort();
        return;
      }
      case 'executeStage':
        this.#pending.get(body.value.request)?.onStage?.(body.value.stage, body.value.worker);
        return;
      case 'reject':
        this.#end({ kind: 'protocol-error', message: body.value.message });
        return this.#closeSocket(1000, '');
      case 'hello':
      case 'welcome':
        return this.reject(`a second ${body.$case}`);
      default:
        this.options.onNotice(body);
    }
  }

  #onRequest(id: number, body: FrameBody | undefined, bytes: number): void {
    if (id <= this.#lastPeerId) return this.reject(`request ${id} came after request ${this.#lastPeerId}`);
    this.#lastPeerId = id;
    const { limits, ws } = this.options;
    if (this.#served.size >= limits.maxRequests) {
      const message = `more than ${limits.maxRequests} requests at once`;
      return this.#reply(id, { $case: 'failure', value: { reason: 'limit-exceeded', message } });
    }
    const served: ServedRequest = { bytes, abort: undefined, cancelled: false };
    this.#served.set(id, served);
    this.#servedBytes += bytes;
    if (this.#servedBytes > limits.maxRequestBytes) ws.pause();
    void this.#serve(id, body, served).finally(() => {
      this.#served.delete(id);
      this.#servedBytes -= bytes;
      if (ws.isPaused && this.#servedBytes <= limits.maxRequestBytes / 2) ws.resume();
    });
  }

  async #serve(id: number, body: FrameBody | undefined, served: ServedRequest): Promise<void> {
    const bulk = body?.$case === 'batchRead' || body?.$case === 'readChunk';
    const permit = bulk ? (this.#bulkReplies.tryAcquire() ?? (await this.#bulkReplies.acquire())) : undefined;
    try {
      if (served.cancelled || !this.open) return;
      const result = await this.#answer(id, body, served);
      if (served.cancelled || !this.open) return;
      const reply = () => this.#reply(id, result.ok ? result.value : { $case: 'failure', value: result.error });
      if (!bulk) return reply();
      await new Promise<void>((sent) => {
        this.#bulkQueue.add(() => {
          reply();
          sent();
        });
      });
    } finally {
      permit?.release();
    }
  }

  async #answer(
    id: number,
    body: FrameBody | undefined,
    served: ServedRequest,
  ): Promise<Result<FrameBody, RemoteFailure>> {
    const context: RequestContext = {
      get signal() {
        served.abort ??= new AbortController();
        return manyListeners(served.abort.signal);
      },
      stage: (stage, worker) => {
        if (!served.cancelled) this.notify({ $case: 'executeStage', value: { request: id, stage, worker } });
      },
    };
    try {
      const answer = body === undefined ? undefined : this.options.handle(body, context);
      if (answer !== undefined) return await answer;
      return err({ reason: 'incompatible', message: `${body?.$case ?? 'an unknown request'} is not served here` });
    } catch (error) {
      this.options.log.error({ error, request: body?.$case }, 'a request handler threw');
      return err({ reason: 'worker-failed', message: 'an internal error while answering' });
    }
  }

  #reply(id: number, body: FrameBody): void {
    const bytes = encodeFrame({ id: 0, replyTo: id, body });
    if (bytes.byteLength <= this.options.limits.maxFrameBytes) return this.#send(bytes);
    const message = `the answer of ${bytes.byteLength} bytes is too large to send`;
    this.#reply(id, { $case: 'failure', value: { reason: 'limit-exceeded', message } });
  }

  #send(bytes: Uint8Array): void {
    if (this.#cause !== undefined) return;
    const { ws, socket, limits } = this.options;
    if (!this.#corked) {
      // Frames of one turn of the event loop leave in one system call.
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    ws.send(bytes, { binary: true, compress: false });
    if (ws.bufferedAmount <= limits.maxUnsentBytes) return;
    this.#end({ kind: 'lost', message: `the peer does not read: ${ws.bufferedAmount} bytes are unsent` });
    ws.terminate();
  }

  #closeSocket(code: number, message: string): void {
    const { ws, clock } = this.options;
    // At most 123 bytes of UTF-8 fit into a close frame; ASCII is one byte each.
    const reason = message.replace(/[^\x20-\x7e]/g, '?').slice(0, 120);
    if (ws.isPaused) ws.resume();
    ws.close(code, reason);
    this.#terminating = clock.after(closeGraceMs, () => ws.terminate());
  }

  #end(cause: CloseCause): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    this.#stopHeartbeat();
    for (const pending of [...this.#pending.values()]) pending.settle(err(this.#disconnected()));
    for (const served of this.#served.values()) {
      served.cancelled = true;
      served.abort?.abort();
    }
    this.#bulkQueue.flush();
    this.options.onClose(cause);
  }

  #disconnected(): RemoteFailure {
    return { reason: 'disconnected', message: this.#cause?.message ?? 'the connection is closed' };
  }
}

function cancelled(): RemoteFailure {
  return { reason: 'cancelled', message: 'no longer wanted' };
}

/** One signal may end many requests; Node's warning about a leak at the eleventh listener is none here. */
export function manyListeners(signal: AbortSignal): AbortSignal {
  setMaxListeners(0, signal);
  return signal;
}
