// The listening end of the Link: checks who connects and serves an executor, its blobs and a worker pool. Unaware of scheduling.

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Clock } from '../model/clock.ts';
import type { RemoteExecutor } from '../model/remote-executor.ts';
import type { WorkerPool } from '../model/worker-pool.ts';
import { LinkConnection, type CloseCause } from './connection.ts';
import { encodeFrame } from './frame-codec.ts';
import { linkFeatures, linkPath, linkProtocol, readHello, type Peer } from './handshake.ts';
import { defaultHeartbeat, type HeartbeatOptions } from './heartbeat.ts';
import { defaultLinkLimits, type LinkLimits } from './link-limits.ts';
import { formatLinkUrl } from './link-url.ts';
import { serveClient, serveWorker, type CacheTrimmer, type PeerService } from './peer-service.ts';

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
  /** not given: requests to trim the cache fail with `incompatible` */
  readonly trimCache?: CacheTrimmer;
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
  /** peers connected now, those that have not said Hello yet included */
  connectionCount(): number;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

export type ListenFailure = { readonly reason: 'address-in-use' | 'not-listening'; readonly message: string };

const maxHeaderBytes = 8 * 1024;
const maxConnections = 4096;

/** Listens; the server is ready when this returns. */
export async function startLinkServer(options: LinkServerOptions): Promise<Result<LinkServer, ListenFailure>> {
  const server = new Listener(options);
  const listening = await server.listen();
  return listening.ok ? ok(server) : listening;
}

class Listener implements LinkServer {
  readonly host: string;
  port = 0;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #limits: LinkLimits;
  readonly #heartbeat: HeartbeatOptions;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<LinkConnection>();
  readonly #workerConnections = new Map<string, LinkConnection>();
  readonly #tokenHash: Buffer;
  readonly #session = randomUUID();

  constructor(private readonly options: LinkServerOptions) {
    this.host = options.host;
    this.#limits = { ...defaultLinkLimits, ...options.limits };
    this.#heartbeat = { ...defaultHeartbeat, ...options.heartbeat };
    this.#tokenHash = sha256(options.token);
    this.#ws = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#limits.maxFrameBytes,
    });
    this.#http = createServer({
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: this.#limits.helloMs,
      requestTimeout: this.#limits.helloMs,
      connectionsCheckingInterval: 1_000,
    });
    this.#http.maxConnections = maxConnections;
    this.#http.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    });
    this.#http.on('request', (request, response) => this.#onRequest(request, response));
    this.#http.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
    this.#http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const tooLong = error.code === 'HPE_HEADER_OVERFLOW';
      refuse(socket, tooLong ? '431 Request Header Fields Too Large' : '400 Bad Request', 'not a request for icets');
    });
  }

  get url(): string {
    return formatLinkUrl({ host: this.host, port: this.port });
  }

  async listen(): Promise<Result<void, ListenFailure>> {
    const { host, port } = this.options;
    return new Promise((resolve) => {
      const onError = (error: NodeJS.ErrnoException) => {
        const reason = error.code === 'EADDRINUSE' ? 'address-in-use' : 'not-listening';
        resolve(err({ reason, message: `cannot listen on ${formatLinkUrl({ host, port })}: ${error.message}` }));
      };
      this.#http.once('error', onError);
      this.#http.listen({ host, port }, () => {
        this.#http.off('error', onError);
        this.#http.on('error', (error) => this.options.log.error({ error: error.message }, 'the Link server failed'));
        this.port = (this.#http.address() as AddressInfo).port;
        resolve(ok(undefined));
      });
    });
  }

  connectionCount(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const connection of [...this.#connections]) connection.close('the scheduler is ending');
    // Close frames get one turn to leave; nobody is waited for.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const ended = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    for (const socket of this.#sockets) socket.destroySoon();
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([closed, ...ended]);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const text = 'this is the Link of an icets scheduler; connect with icets\n';
    response.writeHead(request.url === linkPath ? 426 : 404, { 'content-type': 'text/plain', connection: 'close' });
    response.end(text);
  }

  #onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const socket = stream as Socket;
    if (request.url !== linkPath) return refuse(socket, '404 Not Found', `icets listens at ${linkPath}`);
    if (!this.#authorised(request.headers.authorization)) {
      this.options.log.warn({ peer: socket.remoteAddress }, 'a peer without the cluster token was refused');
      return refuse(socket, '401 Unauthorized', 'the cluster token is missing or wrong');
    }
    this.#ws.handleUpgrade(request, socket, head, (ws) => this.#awaitHello(ws, socket));
  }

  #authorised(header: string | undefined): boolean {
    const match = /^Bearer +(\S+)$/i.exec(header ?? '');
    return timingSafeEqual(sha256(match?.[1] ?? ''), this.#tokenHash) && match !== null;
  }

  #awaitHello(ws: WebSocket, socket: Socket): void {
    const impatience = this.options.clock.after(this.#limits.helloMs, () => {
      ws.close(1002, 'no Hello came');
      ws.terminate();
    });
    ws.on('error', () => ws.terminate());
    ws.once('close', () => impatience.cancel());
    ws.once('message', (data, isBinary) => {
      impatience.cancel();
      const bytes = isBinary && Buffer.isBuffer(data) ? data : new Uint8Array(0);
      const peer = readHello(bytes);
      if (peer.ok) return this.#welcome(ws, socket, peer.value);
      this.options.log.warn({ peer: socket.remoteAddress, reject: peer.error }, 'a peer was rejected');
      ws.send(encodeFrame({ id: 0, replyTo: 0, body: { $case: 'reject', value: peer.error } }));
      ws.close(1002, peer.error.reason);
      this.options.clock.after(1_000, () => ws.terminate());
    });
  }

  #welcome(ws: WebSocket, socket: Socket, peer: Peer): void {
    const { clock, executor, workers, status, trimCache } = this.options;
    const limits = this.#limits;
    const log = this.options.log.child({ peer: peer.name, role: peer.role, address: socket.remoteAddress });
    let service: PeerService | undefined;
    const connection = new LinkConnection({
      ws,
      socket,
      clock,
      log,
      limits,
      heartbeat: this.#heartbeat,
      handle: (body, context) => service?.handle(body, context),
      onNotice: (body) => service?.onNotice(body),
      onClose: (cause) => {
        this.#connections.delete(connection);
        logClose(log, cause);
        service?.close();
      },
    });
    this.#connections.add(connection);
    connection.notify({
      $case: 'welcome',
      value: {
        protocol: linkProtocol,
        name: this.options.name,
        version: this.options.version,
        features: peer.features.filter((feature) => linkFeatures.includes(feature)),
        session: this.#session,
      },
    });
    log.info({ version: peer.version }, 'connected');
    if (peer.role !== 'worker') {
      const stages = peer.features.includes('execute-stage');
      service = serveClient({ executor, status, trimCache, stages, limits, clock });
      return;
    }
    this.#replaceWorker(peer.worker.id, connection, log);
    service = serveWorker({ connection, peer, blobs: executor.blobs, workers, limits, clock });
  }

  /** A worker that connects again is known to have lost its former connection, even if nobody told us. */
  #replaceWorker(id: string, connection: LinkConnection, log: Log): void {
    const former = this.#workerConnections.get(id);
    this.#workerConnections.set(id, connection);
    if (former === undefined || !former.open) return;
    log.warn({ worker: id }, 'a worker connected again; its former connection is closed');
    former.close('replaced by a newer connection of the same worker');
  }
}

function logClose(log: Log, cause: CloseCause): void {
  if (cause.kind === 'protocol-error') log.warn({ cause }, 'disconnected');
  else log.info({ cause }, 'disconnected');
}

function refuse(socket: Duplex, status: string, line: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${line}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
