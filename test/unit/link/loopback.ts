// A Link server on a free port of loopback with fakes behind it, for tests of the Link.

import { once } from 'node:events';
import { silentLog } from '../../../src/base/log.ts';
import { err, ok } from '../../../src/base/result.ts';
import { systemClock } from '../../../src/host/system-clock.ts';
import { encodeFrame, type FrameBody } from '../../../src/link/frame-codec.ts';
import {
  openLinkClient,
  type LinkClient,
  type LinkClientOptions,
  type LinkState,
} from '../../../src/link/link-client.ts';
import { startLinkServer, type LinkServer, type LinkServerOptions } from '../../../src/link/link-server.ts';
import type { BlobStore } from '../../../src/model/blob-store.ts';
import type { RemoteExecutor } from '../../../src/model/remote-executor.ts';
import type { WorkerPool } from '../../../src/model/worker-pool.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { WebSocket } from 'ws';

export const token = 'a-token-for-tests';

export function memoryStore(limitBytes = 1024 * 1024 * 1024): MemoryStore {
  return new MemoryStore({ clock: systemClock, limitBytes });
}

/** An executor that has blobs and runs nothing. */
export function idleExecutor(blobs: BlobStore = memoryStore()): RemoteExecutor {
  return {
    blobs,
    getActionResult: async () => ok(undefined),
    execute: async () => err({ reason: 'no-worker', message: 'nothing runs here' }),
  };
}

export const idlePool: WorkerPool = { join: () => ({ stateChanged() {}, left() {} }) };

export async function startServer(options: Partial<LinkServerOptions> = {}): Promise<LinkServer> {
  const server = await startLinkServer({
    host: '127.0.0.1',
    port: 0,
    token,
    name: 'scheduler-of-the-test',
    version: '0.0.0',
    executor: idleExecutor(),
    workers: idlePool,
    status: () => ({ fine: true }),
    clock: systemClock,
    log: silentLog,
    ...options,
  });
  if (!server.ok) throw new Error(server.error.message);
  return server.value;
}

export function openClient(server: { readonly url: string }, options: Partial<LinkClientOptions> = {}): LinkClient {
  return openLinkClient({
    url: server.url,
    token,
    role: 'agent',
    name: 'agent-of-the-test',
    version: '0.0.0',
    clock: systemClock,
    log: silentLog,
    waitMs: 5_000,
    ...options,
  });
}

/** Waits until the client is in a state of this kind. */
export function stateOf<K extends LinkState['kind']>(
  client: LinkClient,
  kind: K,
): Promise<Extract<LinkState, { readonly kind: K }>> {
  return new Promise((resolve) => {
    const look = () => {
      if (client.state.kind !== kind) return;
      stop();
      resolve(client.state as Extract<LinkState, { readonly kind: K }>);
    };
    const stop = client.onStateChange(look);
    look();
  });
}

/** A bare WebSocket with the right token, for tests that send what a client never would. */
export async function bareSocket(server: LinkServer): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}/link`, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  });
  ws.on('error', () => {});
  await once(ws, 'open');
  return ws;
}

export function sendFrame(ws: WebSocket, body: FrameBody | undefined, id = 0, replyTo = 0): void {
  ws.send(encodeFrame({ id, replyTo, body }));
}

export const helloBody: FrameBody = {
  $case: 'hello',
  value: { protocol: 1, role: 'agent', name: 'bare', version: '0.0.0', features: [], worker: undefined },
};
