import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { deferred } from '../../../src/base/deferred.ts';
import { FrameDecoder } from '../../../src/base/frame.ts';
import {
  decodeAgentMessage,
  encodeMessage,
  launcherProtocol,
  type AgentMessage,
  type Hello,
  type LauncherMessage,
  type LauncherRequest,
} from '../../../src/ipc/launcher-frames.ts';
import { serveLaunchers, type LauncherServer, type LauncherServerOptions } from '../../../src/ipc/launcher-server.ts';
import type { LauncherSession } from '../../../src/ipc/launcher-session.ts';

const hello: Hello = { kind: 'hello', protocol: launcherProtocol, version: 'v1', builtMs: 5, features: ['output'] };
const request: LauncherRequest = {
  kind: 'request',
  pid: 1,
  umask: 0o22,
  mountNamespace: '1',
  root: '1:2',
  stdoutTerminal: false,
  stderrTerminal: false,
  columns: 0,
  rows: 0,
  cwd: '/',
  program: '/bin/cc',
  argv: ['cc'],
  env: {},
  exact: true,
};
const nothing = new Uint8Array(0);
const emptyResult = { exitCode: 0, stdout: nothing, stderr: nothing, renames: [], unlinks: [] };

let folder: string;
const servers: LauncherServer[] = [];
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/icets-ipc-`);
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The other end: sends frames, and gives what the server says one by one; undefined at the end. */
class FakeLauncher {
  readonly socket: Socket;
  readonly #messages: (AgentMessage | undefined)[] = [];
  readonly #waiting: ((message: AgentMessage | undefined) => void)[] = [];

  constructor(path: string) {
    this.socket = connect(path);
    const decoder = new FrameDecoder();
    this.socket.on('data', (chunk: Buffer) => {
      const frames = decoder.push(chunk);
      if (!frames.ok) throw new Error(frames.error.message);
      for (const frame of frames.value) this.#give(decodeAgentMessage(frame));
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => this.#give(undefined));
  }

  send(...messages: LauncherMessage[]): this {
    this.socket.write(Buffer.concat(messages.map(encodeMessage)));
    return this;
  }

  next(): Promise<AgentMessage | undefined> {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #give(message: AgentMessage | undefined): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) waiter(message);
    else this.#messages.push(message);
  }
}

/** Time that the test moves. */
function handClock() {
  const pending: (() => void)[] = [];
  return {
    tick: () => {
      for (const callback of pending.splice(0)) callback();
    },
    after: (_delayMs: number, callback: () => void) => {
      pending.push(callback);
      return { cancel() {} };
    },
  };
}

async function serve(more: Partial<LauncherServerOptions> = {}) {
  const asked: { request: LauncherRequest; session: LauncherSession }[] = [];
  let onAsked = deferred<LauncherSession>();
  const server = await serveLaunchers({
    socketDir: `${folder}/sock`,
    version: 'v1',
    onRequest(seen, session) {
      asked.push({ request: seen, session });
      onAsked.resolve(session);
      onAsked = deferred();
    },
    ...more,
  });
  if (!server.ok) throw new Error(server.error.message);
  servers.push(server.value);
  return {
    server: server.value,
    asked,
    launch: () => new FakeLauncher(server.value.socketPath),
    /** A launcher that has asked, and the session of it. */
    open: async () => {
      const next = onAsked.promise;
      const launcher = new FakeLauncher(server.value.socketPath).send(hello, request);
      const session = await next;
      expect(await launcher.next()).toMatchObject({ kind: 'hello', version: 'v1' });
      return { launcher, session };
    },
  };
}

describe('a session', () => {
  test('brings the request and takes back how a local run ended', async () => {
    const { asked, open } = await serve();
    const { launcher, session } = await open();
    expect(asked[0]!.request).toEqual(request);
    const end = session.runLocally('step 1');
    expect(await launcher.next()).toEqual({ kind: 'run-locally', step: 'step 1' });
    const ended = { userMs: 1.5, systemMs: 0.25, maxRssBytes: 4096, wallMs: 7 };
    launcher.send({ kind: 'ended', status: { kind: 'signalled', signal: 9 }, ...ended });
    expect(await end).toEqual({ kind: 'ended', status: { kind: 'signalled', signal: 9 }, ...ended });
    expect(session.gone.aborted).toBe(false);
  });

  test('hands a result over and learns whether it was put in place', async () => {
    const { open } = await serve();
    const first = await open();
    const outcome = first.session.finish({ ...emptyResult, exitCode: 3, renames: [{ from: '/a', to: '/b' }] });
    expect(await first.launcher.next()).toMatchObject({
      kind: 'result',
      exitCode: 3,
      renames: [{ from: '/a', to: '/b' }],
    });
    first.launcher.send({ kind: 'committed', succeeded: true, index: 1, errno: 0 });
    expect(await outcome).toEqual({ kind: 'committed' });

    const second = await open();
    const failed = second.session.finish(emptyResult);
    await second.launcher.next();
    second.launcher.send({ kind: 'committed', succeeded: false, index: 0, errno: 28 });
    expect(await failed).toEqual({ kind: 'rename-failed', index: 0, errno: 28 });
  });

  test('cuts a long output into frames, in order', async () => {
    const { open } = await serve();
    const { launcher, session } = await open();
    const stderr = Buffer.alloc(5_000_000, 'abcdefg');
    const outcome = session.finish({ ...emptyResult, stderr });
    const parts: Uint8Array[] = [];
    for (;;) {
      const message = await launcher.next();
      if (message?.kind === 'output') parts.push(message.bytes);
      if (message?.kind !== 'result') continue;
      parts.push(message.stderr);
      break;
    }
    expect(parts.length).toBeGreaterThan(1);
    expect(Buffer.concat(parts).equals(stderr)).toBe(true);
    launcher.send({ kind: 'committed', succeeded: true, index: 0, errno: 0 });
    expect(await outcome).toEqual({ kind: 'committed' });
  });

  test.each(['open', 'local', 'committing'])(
    'tells the agent when the launcher goes away while it is %s',
    async (state) => {
      const { open } = await serve();
      const { launcher, session } = await open();
      const gone = new Promise((resolve) => session.gone.addEventListener('abort', resolve));
      const end = state === 'local' ? session.runLocally() : undefined;
      const outcome = state === 'committing' ? session.finish(emptyResult) : undefined;
      launcher.socket.destroy();
      await gone;
      if (end !== undefined) expect(await end).toBe('gone');
      if (outcome !== undefined) expect(await outcome).toEqual({ kind: 'gone' });
      if (state !== 'open') return;
      expect(await session.runLocally()).toBe('gone');
      expect(await session.finish(emptyResult)).toEqual({ kind: 'gone' });
      expect(() => session.exec()).not.toThrow();
    },
  );

  test('is answered once', async () => {
    const { open } = await serve();
    const { launcher, session } = await open();
    session.exec();
    expect(await launcher.next()).toEqual({ kind: 'exec' });
    expect(await launcher.next()).toBeUndefined();
    expect(() => session.runLocally()).toThrow(/second answer/);
    expect(session.gone.aborted).toBe(false);
  });

  test('gets heartbeats while it waits, and none after its answer', async () => {
    const clock = handClock();
    const { open } = await serve({ clock });
    const { launcher, session } = await open();
    clock.tick();
    expect(await launcher.next()).toEqual({ kind: 'heartbeat' });
    clock.tick();
    expect(await launcher.next()).toEqual({ kind: 'heartbeat' });
    void session.runLocally();
    clock.tick();
    expect(await launcher.next()).toMatchObject({ kind: 'run-locally' });
    launcher.send({
      kind: 'ended',
      status: { kind: 'exited', code: 0 },
      userMs: 0,
      systemMs: 0,
      maxRssBytes: 0,
      wallMs: 0,
    });
    launcher.socket.end();
    expect(await launcher.next()).toBeUndefined();
  });

  const patient: Hello = { ...hello, features: ['output', 'patient'] };

  test('greets a patient launcher together with its answer', async () => {
    const { launch } = await serve({
      onRequest: (_request, session) => void setImmediate(() => void session.finish(emptyResult)),
    });
    const launcher = launch().send(patient, request);
    const chunks: Buffer[] = [];
    launcher.socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    expect(await launcher.next()).toMatchObject({ kind: 'hello', version: 'v1' });
    expect(await launcher.next()).toMatchObject({ kind: 'result' });
    expect(chunks).toHaveLength(1);
  });

  test('greets a patient launcher with the first heartbeat at the latest', async () => {
    const clock = handClock();
    const requested = deferred<LauncherSession>();
    const { launch } = await serve({ clock, onRequest: (_request, session) => requested.resolve(session) });
    const launcher = launch().send(patient, request);
    const session = await requested.promise;
    clock.tick();
    expect(await launcher.next()).toMatchObject({ kind: 'hello' });
    expect(await launcher.next()).toEqual({ kind: 'heartbeat' });
    session.exec();
    expect(await launcher.next()).toEqual({ kind: 'exec' });
  });

  test('greets a patient launcher once when it asks for nonsense', async () => {
    const { launch } = await serve();
    const launcher = launch().send(patient, patient);
    expect(await launcher.next()).toMatchObject({ kind: 'hello' });
    expect(await launcher.next()).toMatchObject({ kind: 'refused', reason: 'malformed' });
    expect(await launcher.next()).toBeUndefined();
  });

  test('becomes a direct run when the agent has a bug', async () => {
    const { launch } = await serve({
      onRequest() {
        throw new Error('a bug');
      },
    });
    const launcher = launch().send(hello, request);
    expect(await launcher.next()).toMatchObject({ kind: 'hello' });
    expect(await launcher.next()).toEqual({ kind: 'exec' });
  });
});

describe('a server', () => {
  test.each<[string, Hello]>([
    ['build', { ...hello, version: 'v2' }],
    ['protocol', { ...hello, protocol: 2 }],
  ])('refuses a launcher of another %s and tells the agent', async (_what, other) => {
    const others: Hello[] = [];
    const { launch, asked } = await serve({ onOtherVersion: (seen) => others.push(seen) });
    const launcher = launch().send(other, request);
    expect(await launcher.next()).toMatchObject({ kind: 'hello', version: 'v1' });
    expect(await launcher.next()).toMatchObject({ kind: 'refused', reason: 'other-version' });
    expect(await launcher.next()).toBeUndefined();
    expect(others).toEqual([other]);
    expect(asked).toEqual([]);
  });

  const garbage: readonly (readonly [string, Buffer])[] = [
    ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a length of 4 GB', Buffer.from('ffffffff01', 'hex')],
    ['a request without a greeting', encodeMessage(request)],
    ['two greetings', Buffer.concat([encodeMessage(hello), encodeMessage(hello)])],
    ['two requests', Buffer.concat([encodeMessage(hello), encodeMessage(request), encodeMessage(request)])],
    [
      'an end of nothing',
      Buffer.concat([encodeMessage(hello), encodeMessage({ kind: 'committed', succeeded: true, index: 0, errno: 0 })]),
    ],
    [
      'a request with a relative folder',
      Buffer.concat([encodeMessage(hello), encodeMessage({ ...request, cwd: 'x' })]),
    ],
    ['a request without words', Buffer.concat([encodeMessage(hello), encodeMessage({ ...request, argv: [] })])],
  ];
  test.each(garbage)('refuses %s, and serves the others', async (_what, bytes) => {
    const { launch, open } = await serve();
    const other = await open();
    const launcher = launch();
    launcher.socket.write(bytes);
    const seen: (AgentMessage | undefined)[] = [];
    do seen.push(await launcher.next());
    while (seen.at(-1) !== undefined);
    expect(seen.at(-2)).toMatchObject({ kind: 'refused', reason: 'malformed' });
    const end = other.session.runLocally();
    expect(await other.launcher.next()).toMatchObject({ kind: 'run-locally' });
    other.launcher.socket.destroy();
    expect(await end).toBe('gone');
  });

  test('drops a connection that never asks', async () => {
    const clock = handClock();
    const { launch } = await serve({ clock });
    const launcher = launch().send(hello);
    expect(await launcher.next()).toMatchObject({ kind: 'hello' });
    for (let beat = 0; beat < 20; beat += 1) clock.tick();
    expect(await launcher.next()).toBeUndefined();
  });

  test('counts its open sessions', async () => {
    const counts: number[] = [];
    const { server, open } = await serve({ onSessionsChanged: (count) => counts.push(count) });
    const { launcher } = await open();
    expect(server.openSessions).toBe(1);
    launcher.socket.destroy();
    await new Promise((resolve) => launcher.socket.once('close', resolve));
    while (server.openSessions > 0) await new Promise(setImmediate);
    expect(counts).toEqual([1, 0]);
  });

  test('is the only one in its folder, until it retires', async () => {
    const { server, open } = await serve();
    const second = await serveLaunchers({ socketDir: `${folder}/sock`, version: 'v1', onRequest() {} });
    expect(second).toMatchObject({ ok: false, error: { reason: 'in-use' } });
    const { launcher, session } = await open();
    server.retire();
    expect(existsSync(server.socketPath)).toBe(false);
    const third = await serve();
    session.exec();
    expect(await launcher.next()).toEqual({ kind: 'exec' });
    await server.close();
    expect(existsSync(third.server.socketPath)).toBe(true);
  });

  test('replaces the socket of an agent that was killed, and only one of two does', async () => {
    mkdirSync(`${folder}/sock`, { mode: 0o700 });
    const path = JSON.stringify(`${folder}/sock/agent.sock`);
    const script = `require('net').createServer().listen(${path}, () => process.kill(process.pid, 9))`;
    await new Promise<void>((resolve) => {
      execFile(process.execPath, ['-e', script], () => resolve());
    });
    expect(existsSync(`${folder}/sock/agent.sock`)).toBe(true);
    const options = { socketDir: `${folder}/sock`, version: 'v1', onRequest() {} };
    const both = await Promise.all([serveLaunchers(options), serveLaunchers(options)]);
    for (const server of both) if (server.ok) servers.push(server.value);
    expect(both.filter(({ ok }) => ok)).toHaveLength(1);
    expect(both.find(({ ok }) => !ok)).toMatchObject({ error: { reason: 'in-use' } });
    expect(readdirSync(`${folder}/sock`)).toEqual(['agent.sock']);
  });

  test.each(['open to others', 'a link', 'missing its parent'])(
    'does not serve in a folder that is %s',
    async (what) => {
      if (what === 'open to others') {
        mkdirSync(`${folder}/sock`);
        chmodSync(`${folder}/sock`, 0o750);
      } else if (what === 'a link') {
        mkdirSync(`${folder}/real`, { mode: 0o700 });
        symlinkSync('real', `${folder}/sock`);
      }
      const socketDir = what === 'missing its parent' ? `${folder}/none/sock` : `${folder}/sock`;
      const server = await serveLaunchers({ socketDir, version: 'v1', onRequest() {} });
      expect(server).toMatchObject({ ok: false, error: { reason: 'unsafe-folder' } });
    },
  );
});
