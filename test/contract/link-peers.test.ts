// What the two ends of a Link promise each other, over real loopback connections.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { deferred, type Deferred } from '../../src/base/deferred.ts';
import { silentLog } from '../../src/base/log.ts';
import { err, ok } from '../../src/base/result.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { decodeFrame, type FrameBody } from '../../src/link/frame-codec.ts';
import { openLinkClient, type LinkClient, type LinkClientOptions } from '../../src/link/link-client.ts';
import { linkRemoteExecutor, requestStatus, requestTrim } from '../../src/link/link-remote-executor.ts';
import { startLinkServer, type LinkServer, type LinkServerOptions } from '../../src/link/link-server.ts';
import { runWorkerLink, type WorkerLink, type WorkerLinkOptions } from '../../src/link/worker-link.ts';
import { ActionResult, ExecutionHints, Timings } from '../../src/model/action.ts';
import { digestOf } from '../../src/model/digest.ts';
import type { ExecuteStage, RemoteExecutor } from '../../src/model/remote-executor.ts';
import { WorkerInfo, WorkerState, type WorkerHandle, type WorkerPool } from '../../src/model/worker-pool.ts';
import {
  bareSocket,
  helloBody,
  idleExecutor,
  idlePool,
  memoryStore,
  openClient,
  sendFrame,
  startServer,
  stateOf,
  token,
} from '../unit/link/loopback.ts';

const action = digestOf(Buffer.from('an action'));
const hints = ExecutionHints.fromPartial({ label: 'a.cc', mounts: ['/usr/include'] });
const result = ActionResult.fromPartial({
  exitCode: 1,
  stderrRaw: Buffer.from('a.cc:1: error'),
  outputFiles: [{ path: '../a.o', digest: digestOf(Buffer.from('object')), contents: Buffer.from('object') }],
});

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function server(options: Partial<LinkServerOptions> = {}): Promise<LinkServer> {
  const started = await startServer(options);
  closers.push(() => started.close());
  return started;
}

function client(to: { readonly url: string }, options: Partial<LinkClientOptions> = {}): LinkClient {
  const opened = openClient(to, options);
  closers.push(() => opened.close());
  return opened;
}

async function nextFrame(ws: {
  once(event: 'message', listener: (data: unknown) => void): unknown;
}): Promise<FrameBody> {
  const data = await new Promise<unknown>((resolve) => ws.once('message', resolve));
  const decoded = decodeFrame(data as Buffer);
  if (!decoded.ok || decoded.value.body === undefined) throw new Error('no frame');
  return decoded.value.body;
}

describe('who may connect', () => {
  test('a peer with the token is told who answers', async () => {
    const opened = client(await server());
    expect(await stateOf(opened, 'connected')).toMatchObject({
      peerName: 'scheduler-of-the-test',
      peerVersion: '0.0.0',
      features: ['execute-stage', 'upload-abort'],
    });
  });

  test.each(['wrong', '', 'a-token-for-test', 'a-token-for-testsX'])('the token %j is refused', async (wrong) => {
    const opened = client(await server(), { token: wrong });
    const state = await stateOf(opened, 'refused');
    expect(state).toMatchObject({ reason: 'unauthorised', message: 'the cluster token is missing or wrong' });
    expect(await requestStatus(opened, AbortSignal.timeout(100))).toMatchObject({ ok: false });
    const impatient = client(await server(), { token: wrong, waitMs: 0 });
    await stateOf(impatient, 'refused');
    expect(await requestStatus(impatient)).toMatchObject({ ok: false, error: { reason: 'unauthorised' } });
  });

  async function raw(to: LinkServer, text: string): Promise<string> {
    const socket = connect(to.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(text);
    let answer = '';
    socket.on('data', (data) => (answer += data.toString('latin1')));
    await once(socket, 'close');
    return answer;
  }

  const upgrade = (path: string, headers: string) =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`;

  test('no upgrade without the token: 401 and one line', async () => {
    const answer = await raw(await server(), upgrade('/link', ''));
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer.split('\r\n\r\n')[1]).toBe('the cluster token is missing or wrong\n');
  });

  test('an HTTP request, another path, garbage and endless headers get an error and nothing else', async () => {
    const to = await server();
    expect(await raw(to, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /);
    expect(await raw(to, 'GET /link HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 426 /);
    expect(await raw(to, upgrade('/x', `Authorization: Bearer ${token}\r\n`))).toMatch(/^HTTP\/1\.1 404 /);
    expect(await raw(to, '\0\0\0\x16\x03\x01 garbage\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(to, upgrade('/link', `Authorization: Bearer ${'x'.repeat(20_000)}\r\n`))).toMatch(
      /^HTTP\/1\.1 431 /,
    );
    await stateOf(client(to), 'connected');
  });

  test('a peer that says nothing is dropped', async () => {
    const to = await server({ limits: { helloMs: 100 } });
    const ws = await bareSocket(to);
    await once(ws, 'close');
    const silent = connect(to.port, '127.0.0.1');
    silent.on('error', () => {});
    silent.resume();
    await once(silent, 'close');
  });

  test('a peer of another protocol is told so', async () => {
    const ws = await bareSocket(await server());
    sendFrame(ws, { ...helloBody, value: { ...helloBody.value, protocol: 2 } } as FrameBody);
    const answer = await nextFrame(ws);
    expect(answer).toMatchObject({ $case: 'reject', value: { reason: 'protocol' } });
    await once(ws, 'close');
  });

  test('a client that is rejected says why and asks again later', async () => {
    const opened = client(await server(), { name: '' });
    expect(await stateOf(opened, 'refused')).toMatchObject({ reason: 'invalid-hello' });
  });

  test('a second server on the port is told that it is taken', async () => {
    const first = await server();
    const second = await startLinkServer({
      host: '127.0.0.1',
      port: first.port,
      token,
      name: 'n',
      version: '0',
      executor: idleExecutor(),
      workers: idlePool,
      status: () => ({}),
      clock: systemClock,
      log: silentLog,
    });
    expect(second).toMatchObject({ ok: false, error: { reason: 'address-in-use' } });
  });

  test('the Link works over IPv6', async () => {
    const to = await server({ host: '::1' });
    expect(to.url).toBe(`icets://[::1]:${to.port}`);
    await stateOf(client(to), 'connected');
  });
});

/** An executor whose execute is answered by the test. */
function steeredExecutor() {
  interface Call {
    readonly onStage: (stage: ExecuteStage) => void;
    readonly signal: AbortSignal | undefined;
    readonly done: Deferred<void>;
  }
  const calls: Call[] = [];
  const waiting: Deferred<Call>[] = [];
  const executor: RemoteExecutor = {
    ...idleExecutor(),
    execute: async (request, onStage, signal) => {
      expect(request).toEqual({ action, skipCacheLookup: true, hints });
      const call: Call = { onStage, signal, done: deferred() };
      const waiter = waiting.shift();
      if (waiter === undefined) calls.push(call);
      else waiter.resolve(call);
      await call.done.promise;
      if (signal?.aborted === true) return err({ reason: 'cancelled', message: 'as asked' });
      return ok({ result, cached: false, worker: 'w', timings: Timings.fromPartial({ runUs: 5 }), attempts: 1 });
    },
  };
  const nextCall = async (): Promise<Call> => {
    const call = calls.shift();
    if (call !== undefined) return call;
    const waiter = deferred<Call>();
    waiting.push(waiter);
    return waiter.promise;
  };
  return { executor, nextCall };
}

describe('an agent', () => {
  test('gets its result, and hears of the stages before it', async () => {
    const { executor, nextCall } = steeredExecutor();
    const remote = linkRemoteExecutor(client(await server({ executor })));
    const stages: ExecuteStage[] = [];
    const executing = remote.execute({ action, skipCacheLookup: true, hints }, (stage) => stages.push(stage));
    const call = await nextCall();
    call.onStage({ kind: 'queued' });
    call.onStage({ kind: 'leased', worker: 'w' });
    call.onStage({ kind: 'running', worker: 'w' });
    call.done.resolve();
    const outcome = await executing;
    expect(outcome).toMatchObject({
      ok: true,
      value: { cached: false, worker: 'w', attempts: 1, timings: { runUs: 5 } },
    });
    expect(outcome.ok && outcome.value.result).toEqual(result);
    expect(stages).toEqual([{ kind: 'queued' }, { kind: 'leased', worker: 'w' }, { kind: 'running', worker: 'w' }]);
  });

  test('that wants no stages hears of none', async () => {
    const { executor, nextCall } = steeredExecutor();
    const remote = linkRemoteExecutor(client(await server({ executor }), { stages: false }));
    const stages: ExecuteStage[] = [];
    const executing = remote.execute({ action, skipCacheLookup: true, hints }, (stage) => stages.push(stage));
    const call = await nextCall();
    call.onStage({ kind: 'queued' });
    call.done.resolve();
    // What the scheduler sends travels in order: a stage would have come before the result.
    expect(await executing).toMatchObject({ ok: true, value: { worker: 'w' } });
    expect(stages).toEqual([]);
  });

  test('that gives up aborts the execution at once', async () => {
    const { executor, nextCall } = steeredExecutor();
    const remote = linkRemoteExecutor(client(await server({ executor })));
    const ending = new AbortController();
    const executing = remote.execute({ action, skipCacheLookup: true, hints }, () => {}, ending.signal);
    const call = await nextCall();
    const aborted = new Promise<void>((resolve) => call.signal?.addEventListener('abort', () => resolve()));
    ending.abort();
    expect(await executing).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
    await aborted;
    call.done.resolve();
  });

  test('that dies aborts its executions', async () => {
    const { executor, nextCall } = steeredExecutor();
    const opened = client(await server({ executor }));
    const executing = linkRemoteExecutor(opened).execute({ action, skipCacheLookup: true, hints }, () => {});
    const call = await nextCall();
    const aborted = new Promise<void>((resolve) => call.signal?.addEventListener('abort', () => resolve()));
    await opened.close();
    await aborted;
    expect(await executing).toMatchObject({ ok: false, error: { reason: 'disconnected' } });
    call.done.resolve();
  });

  test('whose scheduler dies fails at once, and is connected again when there is one', async () => {
    const { executor, nextCall } = steeredExecutor();
    const first = await startServer({ executor });
    const opened = client(first, { waitMs: 0 });
    await stateOf(opened, 'connected');
    const remote = linkRemoteExecutor(opened);
    const executing = remote.execute({ action, skipCacheLookup: true, hints }, () => {});
    (await nextCall()).done.resolve();
    expect((await executing).ok).toBe(true);
    const lost = remote.execute({ action, skipCacheLookup: true, hints }, () => {});
    await nextCall();
    await first.close();
    expect(await lost).toMatchObject({ ok: false, error: { reason: 'disconnected' } });
    expect(await remote.getActionResult(action)).toMatchObject({ ok: false, error: { reason: 'disconnected' } });
    await server({ port: first.port });
    const state = await stateOf(opened, 'connected');
    expect(state.kind).toBe('connected');
    expect(await remote.getActionResult(action)).toEqual(ok(undefined));
  });

  test('that waits for a connection is served as soon as there is one', async () => {
    const free = await startServer();
    await free.close();
    const opened = client(free, { waitMs: 20_000 });
    const asked = requestStatus(opened);
    await server({ port: free.port });
    expect(await asked).toEqual(ok({ fine: true }));
  });

  test('hears every kind of failure as it was', async () => {
    const failure = { reason: 'limit-exceeded', message: 'more than 4 GiB' } as const;
    const executor: RemoteExecutor = { ...idleExecutor(), execute: async () => err(failure) };
    const remote = linkRemoteExecutor(client(await server({ executor })));
    expect(await remote.execute({ action, skipCacheLookup: true, hints }, () => {})).toEqual(err(failure));
  });

  test('hears of a handler that threw, and goes on', async () => {
    let bad = true;
    const executor: RemoteExecutor = {
      ...idleExecutor(),
      getActionResult: async () => {
        if (bad) throw new Error('a bug');
        return ok(result);
      },
    };
    const remote = linkRemoteExecutor(client(await server({ executor })));
    expect((await remote.getActionResult(action)).ok).toBe(false);
    bad = false;
    expect(await remote.getActionResult(action)).toEqual(ok(result));
  });

  test('has a result dropped that failed its proof, and the cache made smaller', async () => {
    const rejected = deferred<unknown>();
    const executor: RemoteExecutor = { ...idleExecutor(), rejectResult: (key, why) => rejected.resolve({ key, why }) };
    const asked: unknown[] = [];
    const removal = { results: { entries: 1, bytes: 20 }, blobs: { entries: 3, bytes: 4000 } };
    const trimCache = async (limits: unknown) => {
      asked.push(limits);
      return ok(removal);
    };
    const opened = client(await server({ executor, trimCache }));
    linkRemoteExecutor(opened).rejectResult?.(action, 'the worker\nread b.h');
    expect(await rejected.promise).toEqual({ key: action, why: 'the worker?read b.h' });
    expect(await requestTrim(opened, { maxBytes: 0 })).toEqual(ok(removal));
    expect(await requestTrim(opened, { maxBytes: 5, unusedForMs: 7 })).toEqual(ok(removal));
    expect(asked).toEqual([{ maxBytes: 0 }, { maxBytes: 5, unusedForMs: 7 }]);
    expect(await requestTrim(opened, {})).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
    expect(await requestTrim(opened, { maxBytes: -1 })).toMatchObject({ error: { reason: 'invalid-request' } });
    const without = client(await server());
    expect(await requestTrim(without, { maxBytes: 0 })).toMatchObject({ error: { reason: 'incompatible' } });
  });

  test('puts a worker into quarantine and lifts it, where the scheduler can', async () => {
    const asked: unknown[] = [];
    const executor: RemoteExecutor = {
      ...idleExecutor(),
      quarantineWorker: async (worker, why) => {
        asked.push({ worker, why });
        return ok({ wasQuarantined: false, connected: 2 });
      },
      liftQuarantine: async (worker) => {
        asked.push({ lifted: worker });
        return ok({ wasQuarantined: true, connected: 0 });
      },
    };
    const remote = linkRemoteExecutor(client(await server({ executor })));
    const answer = await remote.quarantineWorker?.('board 3', 'other\nbytes');
    expect(answer).toEqual(ok({ wasQuarantined: false, connected: 2 }));
    expect(await remote.liftQuarantine?.('board 3')).toEqual(ok({ wasQuarantined: true, connected: 0 }));
    expect(asked).toEqual([{ worker: 'board 3', why: 'other?bytes' }, { lifted: 'board 3' }]);
    const invalid = { ok: false, error: { reason: 'invalid-request' } };
    expect(await remote.quarantineWorker?.('', 'why')).toMatchObject(invalid);
    expect(await remote.quarantineWorker?.('a\nb', 'why')).toMatchObject(invalid);
    const without = linkRemoteExecutor(client(await server()));
    expect(await without.liftQuarantine?.('board 3')).toMatchObject({ error: { reason: 'incompatible' } });
  });

  test('does not get a result with a path out of the root', async () => {
    const bad = ActionResult.fromPartial({ outputFiles: [{ path: '/etc/passwd', digest: action }] });
    const executor: RemoteExecutor = { ...idleExecutor(), getActionResult: async () => ok(bad) };
    const remote = linkRemoteExecutor(client(await server({ executor })));
    expect(await remote.getActionResult(action)).toMatchObject({ ok: false, error: { reason: 'incompatible' } });
  });

  test('gets an error instead of an answer that is too large', async () => {
    const large = ActionResult.fromPartial({ stdoutRaw: randomBytes(100_000) });
    const executor: RemoteExecutor = { ...idleExecutor(), getActionResult: async () => ok(large) };
    const remote = linkRemoteExecutor(client(await server({ executor, limits: { maxFrameBytes: 50_000 } })));
    expect(await remote.getActionResult(action)).toMatchObject({ ok: false, error: { reason: 'limit-exceeded' } });
  });

  test('may not have too many requests open, and the others are answered', async () => {
    const { executor, nextCall } = steeredExecutor();
    const opened = client(await server({ executor, limits: { maxRequests: 3 } }));
    const remote = linkRemoteExecutor(opened);
    const request = { action, skipCacheLookup: true, hints };
    const executing = [1, 2, 3].map(() => remote.execute(request, () => {}));
    const calls = [await nextCall(), await nextCall(), await nextCall()];
    expect(await remote.execute(request, () => {})).toMatchObject({ ok: false, error: { reason: 'limit-exceeded' } });
    for (const call of calls) call.done.resolve();
    for (const one of await Promise.all(executing)) expect(one.ok).toBe(true);
  });

  test('is answered quickly while a large blob travels on the same connection', async () => {
    const blobs = memoryStore();
    const bytes = randomBytes(40_000_000);
    const digest = digestOf(bytes);
    const opened = client(await server({ executor: idleExecutor(blobs) }));
    const remote = linkRemoteExecutor(opened);
    let uploading = true;
    const upload = remote.blobs.write(digest, bytes).finally(() => (uploading = false));
    let answered = 0;
    while (uploading) {
      expect(await remote.getActionResult(action)).toEqual(ok(undefined));
      answered += 1;
    }
    expect(await upload).toEqual(ok(undefined));
    // Were the small requests behind the whole upload, there would be one answer or two.
    expect(answered).toBeGreaterThan(20);
  });
});

const info = WorkerInfo.fromPartial({ id: 'worker-1', arch: 'x86_64', cores: 4, slots: 4, memoryBytes: 8e9 });

function steeredPool() {
  const joined: WorkerHandle[] = [];
  const happenings: string[] = [];
  const waiters: { readonly what: (text: string) => boolean; readonly done: Deferred<string> }[] = [];
  const tell = (text: string) => {
    happenings.push(text);
    for (const waiter of [...waiters]) if (waiter.what(text)) waiter.done.resolve(text);
  };
  const pool: WorkerPool = {
    join(handle) {
      joined.push(handle);
      tell(`joined ${handle.name}`);
      return {
        stateChanged: (state) => tell(`state ${state.load}`),
        left: () => tell(`left ${handle.name}`),
      };
    },
  };
  const heard = async (what: string): Promise<string> => {
    const before = happenings.find((text) => text === what);
    if (before !== undefined) return before;
    const done = deferred<string>();
    waiters.push({ what: (text) => text === what, done });
    return done.promise;
  };
  return { pool, joined, happenings, heard };
}

function worker(to: { readonly url: string }, options: Partial<WorkerLinkOptions>): WorkerLink {
  const link = runWorkerLink({
    url: to.url,
    token,
    name: 'w',
    version: '0.0.0',
    info,
    runner: { run: async () => ok({ result, timings: Timings.fromPartial({}) }) },
    state: () => WorkerState.fromPartial({}),
    clock: systemClock,
    log: silentLog,
    ...options,
  });
  closers.push(() => link.close());
  return link;
}

const leaseRequest = { id: 'lease-1', action, hints, timeoutMs: 60_000 };

describe('a worker', () => {
  test('joins, tells its state, and answers leases', async () => {
    const { pool, joined, heard } = steeredPool();
    const blobs = memoryStore();
    const input = Buffer.from('input');
    await blobs.write(digestOf(input), input);
    const to = await server({ workers: pool, executor: idleExecutor(blobs) });
    let load = 1;
    const link = worker(to, {
      state: () => WorkerState.fromPartial({ load }),
      runner: {
        run: async (request, remote, onRunning) => {
          expect(request).toEqual(leaseRequest);
          expect(await remote.read(digestOf(input))).toEqual(ok(input));
          onRunning();
          await remote.write(digestOf(Buffer.from('object')), Buffer.from('object'));
          return ok({ result, timings: Timings.fromPartial({ runUs: 7 }) });
        },
      },
    });
    await heard('joined w');
    await heard('state 1');
    load = 2;
    link.stateChanged();
    link.stateChanged();
    await heard('state 2');
    expect(joined[0]?.info).toEqual(info);
    let running = false;
    const outcome = await joined[0]?.lease(leaseRequest, () => (running = true), new AbortController().signal);
    expect(outcome).toEqual(ok({ result, timings: Timings.fromPartial({ runUs: 7 }) }));
    expect(running).toBe(true);
    expect(await blobs.findMissing([digestOf(Buffer.from('object'))])).toEqual(ok([]));
    await link.close();
    await heard('left w');
  });

  test('tells its state again and again', async () => {
    const { pool, heard } = steeredPool();
    let load = 0;
    worker(await server({ workers: pool }), {
      stateIntervalMs: 10,
      state: () => WorkerState.fromPartial({ load: (load += 1) }),
    });
    await heard('state 5');
  });

  test('stops a lease that the scheduler takes back', async () => {
    const { pool, joined, heard } = steeredPool();
    const aborted = deferred<void>();
    const started = deferred<void>();
    worker(await server({ workers: pool }), {
      runner: {
        run: async (_request, _blobs, _onRunning, signal) => {
          signal.addEventListener('abort', () => aborted.resolve());
          started.resolve();
          await aborted.promise;
          return err({ reason: 'cancelled', message: 'as told' });
        },
      },
    });
    await heard('joined w');
    const ending = new AbortController();
    const leasing = joined[0]?.lease(leaseRequest, () => {}, ending.signal);
    await started.promise;
    ending.abort();
    await aborted.promise;
    expect(await leasing).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
  });

  test('aborts its leases when the scheduler is gone, and joins the next one', async () => {
    const first = steeredPool();
    const to = await startServer({ workers: first.pool });
    const aborted = deferred<void>();
    const started = deferred<void>();
    worker(to, {
      runner: {
        run: async (_request, _blobs, _onRunning, signal) => {
          signal.addEventListener('abort', () => aborted.resolve());
          started.resolve();
          await aborted.promise;
          return err({ reason: 'cancelled', message: 'as told' });
        },
      },
    });
    await first.heard('joined w');
    const leasing = first.joined[0]?.lease(leaseRequest, () => {}, new AbortController().signal);
    await started.promise;
    await to.close();
    await aborted.promise;
    expect(await leasing).toMatchObject({ ok: false, error: { reason: 'disconnected' } });
    await first.heard('left w');
    const second = steeredPool();
    await server({ workers: second.pool, port: to.port });
    await second.heard('joined w');
  });

  test('that connects again replaces its former connection', async () => {
    const { pool, happenings, heard } = steeredPool();
    const to = await server({ workers: pool });
    const ws = await bareSocket(to);
    sendFrame(ws, {
      $case: 'hello',
      value: { protocol: 1, role: 'worker', name: 'old', version: '0', features: [], worker: info },
    });
    await heard('joined old');
    const link = worker(to, { name: 'new' });
    await heard('left old');
    await heard('joined new');
    expect(happenings.filter((text) => text.startsWith('joined'))).toEqual(['joined old', 'joined new']);
    await link.close();
  });

  test('cannot execute, and an agent cannot answer leases', async () => {
    const ws = await bareSocket(await server());
    sendFrame(ws, {
      $case: 'hello',
      value: { protocol: 1, role: 'worker', name: 'w', version: '0', features: [], worker: info },
    });
    expect((await nextFrame(ws)).$case).toBe('welcome');
    sendFrame(ws, { $case: 'execute', value: { action, skipCacheLookup: true, hints } }, 1);
    expect(await nextFrame(ws)).toMatchObject({ $case: 'failure', value: { reason: 'incompatible' } });
    ws.terminate();
  });
});

describe('a connection', () => {
  /** Passes bytes on until it is told to hold them back: a network that swallows everything. */
  async function blackHole(to: LinkServer) {
    const pairs: Socket[] = [];
    const proxy = createServer((near) => {
      const far = connect(to.port, '127.0.0.1');
      for (const socket of [near, far]) socket.on('error', () => {});
      near.pipe(far);
      far.pipe(near);
      pairs.push(near, far);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as { port: number };
    closers.push(async () => {
      for (const socket of pairs) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    });
    const swallow = () => {
      for (const socket of pairs) {
        socket.unpipe();
        socket.resume();
      }
    };
    return { url: `icets://127.0.0.1:${port}`, swallow };
  }

  test('over which nothing comes any more counts as lost on both sides', async () => {
    const heartbeat = { intervalMs: 50, deadAfterMs: 200 };
    const { executor, nextCall } = steeredExecutor();
    const to = await server({ executor, heartbeat });
    const network = await blackHole(to);
    const opened = client(network, { heartbeat });
    await stateOf(opened, 'connected');
    const executing = linkRemoteExecutor(opened).execute({ action, skipCacheLookup: true, hints }, () => {});
    const call = await nextCall();
    const aborted = new Promise<void>((resolve) => call.signal?.addEventListener('abort', () => resolve()));
    network.swallow();
    expect(await executing).toMatchObject({ ok: false, error: { reason: 'disconnected' } });
    await aborted;
    call.done.resolve();
  });

  test('stays when both sides are merely idle', async () => {
    const heartbeat = { intervalMs: 10, deadAfterMs: 40 };
    const opened = client(await server({ heartbeat }), { heartbeat });
    await stateOf(opened, 'connected');
    const states: string[] = [];
    opened.onStateChange((state) => states.push(state.kind));
    await new Promise<void>((resolve) => systemClock.after(400, resolve));
    expect(states).toEqual([]);
  });

  test('a malformed address is refused and not tried', () => {
    const opened = openLinkClient({
      url: 'http://x',
      token,
      role: 'cli',
      name: 'n',
      version: '0',
      clock: systemClock,
      log: silentLog,
    });
    expect(opened.state).toMatchObject({ kind: 'refused', reason: 'bad-url' });
  });

  test('leaves nothing behind when both ends are closed', async () => {
    const to = await startServer();
    const opened = openClient(to);
    await stateOf(opened, 'connected');
    expect(to.connectionCount()).toBe(1);
    await opened.close();
    await to.close();
    expect(to.connectionCount()).toBe(0);
    await opened.close();
  });
});
