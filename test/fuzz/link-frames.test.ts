// A hostile peer that has the token: whatever it sends, it gets an error or nothing, the others are served, and memory stays bounded.

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WebSocket } from 'ws';
import { ok } from '../../src/base/result.ts';
import { decodeFrame, encodeFrame, type FrameBody } from '../../src/link/frame-codec.ts';
import { readHello, readWelcome } from '../../src/link/handshake.ts';
import type { LinkClient } from '../../src/link/link-client.ts';
import { linkRemoteExecutor } from '../../src/link/link-remote-executor.ts';
import type { LinkServer } from '../../src/link/link-server.ts';
import { digestOf } from '../../src/model/digest.ts';
import { Frame } from '../../src/proto/generated/icets/link/v1/link.ts';
import type { MemoryStore } from '../../src/store/memory-store.ts';
import {
  bareSocket,
  helloBody,
  idleExecutor,
  memoryStore,
  openClient,
  sendFrame,
  startServer,
  stateOf,
} from '../unit/link/loopback.ts';

const budgetMs = Number(process.env.ICETS_FUZZ_MS ?? 5000);
const action = digestOf(Buffer.from('an action'));

function budget(): { numRuns: number; interruptAfterTimeLimit: number; markInterruptAsFailure: boolean } {
  return { numRuns: 1_000_000, interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false };
}

const digest = fc.oneof(
  fc.constant(action),
  fc.record({
    hash: fc.oneof(
      fc.string(),
      fc.constantFrom('../../etc/passwd', 'A'.repeat(64), '0'.repeat(64), '0'.repeat(63), `${'0'.repeat(63)}\n`),
    ),
    sizeBytes: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, 10, 2 ** 40, Number.MAX_SAFE_INTEGER)),
  }),
);
const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const offset = fc.oneof(fc.constantFrom(0, 1, -1, 2 ** 40), fc.maxSafeInteger());

const bodies: fc.Arbitrary<FrameBody> = fc.oneof(
  fc.constant(helloBody),
  fc.constant<FrameBody>({ $case: 'ping', value: {} }),
  fc.constant<FrameBody>({ $case: 'pong', value: {} }),
  fc.constant<FrameBody>({ $case: 'status', value: {} }),
  fc.constant<FrameBody>({
    $case: 'welcome',
    value: { protocol: 1, name: '', version: '', features: [], session: '' },
  }),
  fc.record({ request: fc.nat(50) }).map((value): FrameBody => ({ $case: 'cancel', value })),
  fc.record({ reason: fc.string(), message: fc.string() }).map((value): FrameBody => ({ $case: 'failure', value })),
  fc
    .record({ instanceName: fc.string(), blobDigests: fc.array(digest, { maxLength: 5 }) })
    .map((value): FrameBody => ({ $case: 'findMissing', value })),
  fc
    .record({ instanceName: fc.string(), digests: fc.array(digest, { maxLength: 5 }) })
    .map((value): FrameBody => ({ $case: 'batchRead', value })),
  fc
    .record({ instanceName: fc.string(), requests: fc.array(fc.record({ digest, data }), { maxLength: 5 }) })
    .map((value): FrameBody => ({ $case: 'batchUpdate', value })),
  fc.record({ digest, offset, limit: offset }).map((value): FrameBody => ({ $case: 'readChunk', value })),
  fc
    .record({
      digest,
      upload: fc.constantFrom('a', 'b', '', 'x'.repeat(100)),
      offset: fc.oneof(fc.constant(0), offset),
      data,
      finish: fc.boolean(),
      abort: fc.boolean(),
    })
    .map((value): FrameBody => ({ $case: 'writeChunk', value })),
  fc.record({ action: digest }).map((value): FrameBody => ({ $case: 'getActionResult', value })),
  fc
    .record({ request: fc.nat(50), stage: fc.string(), worker: fc.string() })
    .map((value): FrameBody => ({ $case: 'executeStage', value })),
  fc
    .record({
      load: fc.oneof(fc.double({ min: 1e-9 }), fc.constantFrom(0, -1, NaN, Infinity)),
      freeMemoryBytes: offset,
      toolchains: fc.array(fc.string()),
    })
    .map((value): FrameBody => ({ $case: 'workerState', value: { ...value, brokenToolchains: [], draining: false } })),
);

const frames = fc.record({
  id: fc.oneof(fc.nat(20), fc.constant(0)),
  replyTo: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(5) }),
  body: fc.option(bodies, { nil: undefined }),
});

/** Bytes that were a frame once: cut off, lengthened, with other bytes in them. */
const damaged = fc
  .tuple(frames, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }), fc.nat(100))
  .map(([frame, changes, cut]) => {
    const bytes = encodeFrame(frame);
    for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return Buffer.from(bytes.subarray(0, Math.max(0, bytes.length - (cut % 7 === 0 ? cut : 0))));
  });

describe('reading frames', () => {
  test('never throws, whatever the bytes', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 400 }), damaged);
    fc.assert(
      fc.property(bytes, (one) => {
        decodeFrame(one);
        readHello(one);
        readWelcome(one);
      }),
      budget(),
    );
  });

  test('gives back what was written', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const whole = Frame.fromPartial(frame);
        const decoded = decodeFrame(encodeFrame(whole));
        if (whole.id !== 0 && whole.replyTo !== 0) expect(decoded.ok).toBe(false);
        else if (decoded.ok) expect(decoded.value.body).toEqual(whole.body);
        else throw new Error(decoded.error.message);
      }),
      budget(),
    );
  });
});

describe('a hostile peer', () => {
  let store: MemoryStore;
  let server: LinkServer;
  let witness: LinkClient;

  beforeAll(async () => {
    store = memoryStore(1e8);
    server = await startServer({ executor: idleExecutor(store), limits: { maxUploads: 4, helloMs: 500 } });
    witness = openClient(server);
    await stateOf(witness, 'connected');
  });

  afterAll(async () => {
    await witness.close();
    await server.close();
  });

  /** The other connection is the same one as ever, and served. */
  async function othersAreServed(): Promise<void> {
    const remote = linkRemoteExecutor(witness);
    expect(await remote.getActionResult(action)).toEqual(ok(undefined));
    const bytes = randomBytes(20);
    expect(await remote.blobs.write(digestOf(bytes), bytes)).toEqual(ok(undefined));
  }

  async function gone(ws: WebSocket): Promise<void> {
    if (ws.readyState === ws.CLOSED) return;
    const closed = new Promise((resolve) => ws.once('close', resolve));
    ws.close();
    await closed;
  }

  async function sessions(inputs: fc.Arbitrary<readonly Uint8Array[]>, greet: boolean): Promise<void> {
    const states: string[] = [];
    const stop = witness.onStateChange((state) => states.push(state.kind));
    await fc.assert(
      fc.asyncProperty(inputs, async (messages) => {
        const ws = await bareSocket(server);
        ws.on('message', (bytes) => {
          // Whatever the server answers is a proper frame.
          if (!decodeFrame(bytes as Buffer).ok) throw new Error('a broken answer');
        });
        if (greet) sendFrame(ws, helloBody);
        for (const message of messages) ws.send(message);
        await othersAreServed();
        await gone(ws);
      }),
      budget(),
    );
    stop();
    expect(states).toEqual([]);
    expect(store.figures().bytes).toBeLessThan(1e8);
  }

  test('may send random bytes as its first frame', () =>
    sessions(fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 3 }), false));

  test('may send frames in any order, with any digests, sizes and ids', () =>
    sessions(
      fc.array(frames, { minLength: 1, maxLength: 30 }).map((all) => all.map((frame) => encodeFrame(frame))),
      true,
    ));

  test('may send requests in order with contents that make no sense', () =>
    sessions(
      fc
        .array(bodies, { minLength: 1, maxLength: 30 })
        .map((all) => all.map((body, n) => encodeFrame({ id: n + 1, replyTo: 0, body }))),
      true,
    ));

  test('may send damaged frames', () => sessions(fc.array(damaged, { minLength: 1, maxLength: 5 }), true));

  test('may send garbage instead of WebSocket frames', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (bytes) => {
        const ws = await bareSocket(server);
        const closed = new Promise((resolve) => ws.once('close', resolve));
        (ws as unknown as { _socket: { write(bytes: Uint8Array): void; end(): void } })._socket.write(bytes);
        (ws as unknown as { _socket: { end(): void } })._socket.end();
        await othersAreServed();
        ws.terminate();
        await closed;
      }),
      budget(),
    );
  });

  test('may send garbage instead of HTTP', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 500 }),
      fc.string({ unit: 'binary-ascii' }).map((text) => Buffer.from(`GET /link HTTP/1.1\r\n${text}\r\n\r\n`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (garbage) => {
        const socket = connect(server.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.resume();
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.end(garbage);
        await othersAreServed();
        socket.destroy();
        await closed;
      }),
      budget(),
    );
  });

  test('is dropped when it announces or sends a frame that is too large', async () => {
    const ws = await bareSocket(server);
    sendFrame(ws, helloBody);
    const closed = new Promise<number>((resolve) => ws.once('close', (code) => resolve(code)));
    // FIN and binary, no mask, a length of 2^50 bytes.
    const header = Buffer.from([0x82, 0xff, 0, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    (ws as unknown as { _socket: { write(bytes: Uint8Array): void } })._socket.write(header);
    expect(await closed).toBe(1009);
    await othersAreServed();
  });

  test('may flood requests without reading the answers; it is dropped before memory is', async () => {
    const flooded = await startServer({
      executor: idleExecutor(store),
      limits: { maxUnsentBytes: 4 * 1024 * 1024, highWaterBytes: 256 * 1024 },
    });
    const bytes = randomBytes(1_000_000);
    await store.write(digestOf(bytes), bytes);
    const ws = await bareSocket(flooded);
    const socket = (ws as unknown as { _socket: Socket })._socket;
    sendFrame(ws, helloBody);
    socket.pause();
    let peak = 0;
    let id = 1;
    const digests = Array.from({ length: 3 }, () => digestOf(bytes));
    const read = { $case: 'batchRead', value: { instanceName: '', digests } } as const;
    const wrong = { $case: 'getActionResult', value: { action: undefined } } as const;
    const others = openClient(flooded);
    const remote = linkRemoteExecutor(others);
    const before = process.memoryUsage().rss;
    const deadline = Date.now() + budgetMs;
    while (ws.readyState === ws.OPEN && Date.now() < deadline) {
      for (let n = 0; n < 500; n += 1) sendFrame(ws, n % 10 === 0 ? read : wrong, id++);
      expect(await remote.getActionResult(action)).toEqual(ok(undefined));
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }
    ws.terminate();
    await others.close();
    await flooded.close();
    // The sending half of the flood is in this process too.
    expect(peak).toBeLessThan(400e6);
  });

  test('may open uploads without end; it is told that there are too many, and they are gone with it', async () => {
    const ws = await bareSocket(server);
    sendFrame(ws, helloBody);
    const answers: string[] = [];
    const last = new Promise<void>((resolve) => {
      ws.on('message', (bytes) => {
        const decoded = decodeFrame(bytes as Buffer);
        if (!decoded.ok || decoded.value.kind !== 'reply') return;
        const { body } = decoded.value;
        answers.push(body?.$case === 'failure' ? body.value.reason : (body?.$case ?? 'none'));
        if (answers.length === 20) resolve();
      });
    });
    for (let n = 1; n <= 20; n += 1) {
      const value = {
        digest: { hash: action.hash, sizeBytes: 1000 },
        upload: `${n}`,
        offset: 0,
        data: Buffer.from('x'),
        finish: false,
        abort: false,
      };
      sendFrame(ws, { $case: 'writeChunk', value }, n);
    }
    await last;
    expect(answers.filter((answer) => answer === 'writeChunkReply').length).toBe(4);
    expect(answers.filter((answer) => answer === 'limit-exceeded').length).toBe(16);
    await gone(ws);
    await othersAreServed();
  });
});
