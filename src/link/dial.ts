// One attempt to connect: TCP, WebSocket upgrade with the token, Hello and Welcome. Unaware of trying again.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { err, ok, type Result } from '../base/result.ts';
import type { Log } from '../base/log.ts';
import type { Clock } from '../model/clock.ts';
import type { Hello, Welcome } from '../proto/generated/icets/link/v1/link.ts';
import { LinkConnection, type CloseCause, type RequestHandler } from './connection.ts';
import { encodeFrame } from './frame-codec.ts';
import { linkPath, printable, readWelcome } from './handshake.ts';
import type { HeartbeatOptions } from './heartbeat.ts';
import type { LinkLimits } from './link-limits.ts';
import { bracketed, type LinkAddress } from './link-url.ts';

export type DialFailure =
  /** nobody answered, or not in the way a scheduler does */
  | { readonly kind: 'unreachable'; readonly message: string }
  /** a scheduler answered and does not want this peer */
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string };

export interface DialOptions {
  readonly address: LinkAddress;
  readonly token: string;
  readonly hello: Hello;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: LinkLimits;
  readonly heartbeat: HeartbeatOptions;
  /** answers what the scheduler asks over the new connection */
  readonly handle: (connection: LinkConnection) => RequestHandler;
  readonly onClose: (connection: LinkConnection, cause: CloseCause) => void;
}

export interface Dialled {
  readonly connection: LinkConnection;
  readonly welcome: Welcome;
}

/** Connects once, within `limits.helloMs`; aborting gives up. */
export function dial(options: DialOptions, signal: AbortSignal): Promise<Result<Dialled, DialFailure>> {
  return new Promise((resolve) => {
    const { address, limits } = options;
    const ws = new WebSocket(`ws://${bracketed(address.host)}:${address.port}${linkPath}`, {
      headers: { authorization: `Bearer ${options.token}` },
      perMessageDeflate: false,
      maxPayload: limits.maxFrameBytes,
      handshakeTimeout: limits.helloMs,
      // Masks protect proxies from scripts in browsers. A mask of zeros spares both ends a pass over every byte.
      generateMask: () => {},
    });
    let socket: Socket | undefined;
    let done = false;
    const finish = (result: Result<Dialled, DialFailure>) => {
      if (done) return;
      done = true;
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      ws.off('message', onMessage);
      if (!result.ok) ws.terminate();
      resolve(result);
    };
    const unreachable = (message: string) => finish(err({ kind: 'unreachable', message: printable(message, 400) }));
    const onAbort = () => unreachable('given up');
    const timer = options.clock.after(limits.helloMs, () => unreachable(`no answer within ${limits.helloMs} ms`));
    const onMessage = (data: unknown) => {
      const welcome = readWelcome(Buffer.isBuffer(data) ? data : new Uint8Array(0));
      if (!welcome.ok) return finish(err({ kind: 'refused', ...welcome.error }));
      if (socket === undefined) return unreachable('no socket');
      const connection: LinkConnection = new LinkConnection({
        ws,
        socket,
        clock: options.clock,
        log: options.log,
        limits,
        heartbeat: options.heartbeat,
        handle: (body, context) => handler(body, context),
        onNotice: () => {},
        onClose: (cause) => options.onClose(connection, cause),
      });
      const handler = options.handle(connection);
      finish(ok({ connection, welcome: welcome.value }));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    ws.on('upgrade', (response: IncomingMessage) => (socket = response.socket));
    ws.on('open', () => ws.send(encodeFrame({ id: 0, replyTo: 0, body: { $case: 'hello', value: options.hello } })));
    ws.on('message', onMessage);
    ws.on('error', (error) => unreachable(error.message));
    ws.on('close', (code) => unreachable(`the connection was closed (${code}) before a Welcome`));
    ws.on('unexpected-response', (_request, response) => {
      void firstLine(response).then((line) => {
        const message = printable(line === '' ? `HTTP status ${response.statusCode}` : line, 400);
        if (response.statusCode === 401) finish(err({ kind: 'refused', reason: 'unauthorised', message }));
        else unreachable(`not an icets scheduler: HTTP ${response.statusCode}: ${message}`);
      });
    });
    if (signal.aborted) onAbort();
  });
}

/** The first line of a short answer; whatever comes after 1 KiB is not read. */
function firstLine(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const end = () => resolve(text.split('\n', 1)[0] ?? '');
    response.setEncoding('latin1');
    response.on('data', (part: string) => {
      text += part;
      if (text.length < 1024) return;
      end();
      response.destroy();
    });
    response.on('end', end);
    response.on('close', end);
    response.on('error', end);
  });
}
