// Agents that die, hang, talk nonsense or are of another build, and launchers that are killed: the command still runs
// exactly once as if icets were not there, and the agent learns of it.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeMessage, launcherProtocol, type Hello } from '../../src/ipc/launcher-frames.ts';
import {
  agentEvents,
  bundleFakeAgent,
  inFolder,
  launcherKinds,
  makeLauncher,
  runLauncher,
  serve,
  start,
  startLauncher,
  testHash,
  until,
  type Launcher,
} from './launcher-support.ts';

const hello: Hello = { kind: 'hello', protocol: launcherProtocol, version: testHash, builtMs: 0, features: [] };
const closers: (() => Promise<void> | void)[] = [];
beforeEach(() => void closers.splice(0));
afterEach(async () => {
  for (const close of closers) await close();
});

describe.each(launcherKinds)('%s in trouble', (which) => {
  const command = ['/bin/sh', '-c', 'echo ran here; exit 5'];
  const ranHere = { code: 5, stdout: Buffer.from('ran here\n'), stderr: Buffer.alloc(0) };

  async function launcherIn(folder: string): Promise<Launcher> {
    mkdirSync(`${folder}/dist`, { recursive: true });
    return makeLauncher(which, folder);
  }

  /** An agent in a process of its own that takes requests and never answers them. */
  async function hangingAgent(folder: string): Promise<number> {
    bundleFakeAgent(folder);
    mkdirSync(`${folder}/sock`, { mode: 0o700 });
    const { child } = start(process.execPath, [`${folder}/dist/agent.mjs`, '--socket-dir', `${folder}/sock`]);
    closers.push(() => void child.kill('SIGKILL'));
    await until('the agent listens', () => agentEvents(`${folder}/sock`).some(({ event }) => event === 'listening'));
    return child.pid!;
  }
  const asked = (folder: string) =>
    until('the launcher has asked', () => agentEvents(`${folder}/sock`).some(({ event }) => event === 'request'));

  /** Something on the socket that is no agent of ours. */
  async function impostor(folder: string, talk: (socket: Socket) => void): Promise<void> {
    mkdirSync(`${folder}/sock`, { mode: 0o700 });
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      talk(socket);
    });
    await new Promise<void>((resolve) => server.listen(`${folder}/sock/agent.sock`, resolve));
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
  }
  const env = (folder: string, more: Record<string, string> = {}) => ({
    ICETS_SOCKET_DIR: `${folder}/sock`,
    ICETS_TEST_ANSWER: 'hang',
    ...more,
  });

  test('runs the command when the agent is killed in the middle of a request', () =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      const agent = await hangingAgent(folder);
      const { ended } = startLauncher(launcher, command, { env: env(folder) });
      await asked(folder);
      process.kill(agent, 'SIGKILL');
      expect(await ended).toMatchObject(ranHere);
    }));

  test('runs the command when the agent stops answering, and waits less for it the next time', () =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      const agent = await hangingAgent(folder);
      process.kill(agent, 'SIGSTOP');
      const patient = env(folder, { ICETS_HEARTBEAT_MS: '600' });
      expect(await runLauncher(launcher, command, { env: patient })).toMatchObject(ranHere);
      expect(existsSync(`${folder}/sock/agent.hung`)).toBe(true);
      if (which !== 'client.mjs') {
        const startMs = Date.now();
        const morePatient = env(folder, { ICETS_HEARTBEAT_MS: '8000' });
        expect(await runLauncher(launcher, command, { env: morePatient })).toMatchObject(ranHere);
        expect(Date.now() - startMs).toBeLessThan(4000);
      }
    }));

  test('keeps waiting for an agent that is slow but alive', () =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      const nothing = new Uint8Array(0);
      const server = await serve(
        `${folder}/sock`,
        async (_request, session) => {
          await sleep(1500);
          await session.finish({ exitCode: 7, stdout: nothing, stderr: nothing, renames: [], unlinks: [] });
        },
        { heartbeatMs: 100 },
      );
      closers.push(() => server.close());
      const patience = env(folder, { ICETS_HEARTBEAT_MS: '700' });
      expect(await runLauncher(launcher, command, { env: patience })).toMatchObject({ code: 7 });
    }));

  // Node cannot ask who is behind a socket: client.mjs takes a busy agent for a hung one.
  const native = which === 'client.mjs' ? test.skip : test;
  native('keeps waiting for an agent that computes and says nothing', () =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      const nothing = new Uint8Array(0);
      const server = await serve(`${folder}/sock`, async (_request, session) => {
        for (const endMs = performance.now() + 2000; performance.now() < endMs;);
        await session.finish({ exitCode: 7, stdout: nothing, stderr: nothing, renames: [], unlinks: [] });
      });
      closers.push(() => server.close());
      const patience = env(folder, { ICETS_HEARTBEAT_MS: '300' });
      expect(await runLauncher(launcher, command, { env: patience })).toMatchObject({ code: 7 });
      expect(existsSync(`${folder}/sock/agent.hung`)).toBe(false);
    }),
  );

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('dies by %s while it waits, and the agent is told', (name) =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      await hangingAgent(folder);
      const { child, ended } = startLauncher(launcher, command, { env: env(folder) });
      await asked(folder);
      child.kill(name);
      expect(await ended).toMatchObject({ code: null, signal: name, stdout: Buffer.alloc(0) });
      await until('the agent knows', () => agentEvents(`${folder}/sock`).some(({ event }) => event === 'gone'));
    }),
  );

  const heartbeat = encodeMessage({ kind: 'heartbeat' });
  const nonsense: readonly (readonly [string, (socket: Socket) => void])[] = [
    ['closes at once', (socket) => socket.destroy()],
    ['closes after its greeting', (socket) => socket.end(encodeMessage(hello))],
    ['sends text', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['promises a frame of 4 GB', (socket) => socket.write(Buffer.from('ffffffff01', 'hex'))],
    ['speaks another protocol', (socket) => socket.write(encodeMessage({ ...hello, protocol: 99 }))],
    ['greets with something else', (socket) => socket.write(heartbeat)],
    [
      'sends an unknown frame',
      (socket) => socket.write(Buffer.concat([encodeMessage(hello), Buffer.from('00000000fa', 'hex')])),
    ],
    [
      'sends a result that is cut off',
      (socket) => socket.write(Buffer.concat([encodeMessage(hello), Buffer.from('040000001400000000', 'hex')])),
    ],
    [
      'sends output and then goes away',
      (socket) =>
        socket.end(
          Buffer.concat([
            encodeMessage(hello),
            encodeMessage({ kind: 'output', stream: 1, bytes: Buffer.from('must not be seen') }),
          ]),
        ),
    ],
  ];
  test.each(nonsense)('runs the command when what answers %s', (_what, talk) =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      await impostor(folder, talk);
      expect(await runLauncher(launcher, command, { env: env(folder) })).toMatchObject(ranHere);
    }),
  );

  test('runs the command when the agent is of another build, and the agent hears of it', () =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      const others: string[] = [];
      const server = await serve(`${folder}/sock`, () => {}, {
        version: 'another build',
        onOtherVersion: ({ version }) => others.push(version),
      });
      closers.push(() => server.close());
      expect(await runLauncher(launcher, command, { env: env(folder) })).toMatchObject(ranHere);
      expect(others).toEqual([testHash]);
    }));

  test('asks nobody when ICETS_DISABLE is set', () =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      let requests = 0;
      const server = await serve(`${folder}/sock`, (_request, session) => {
        requests += 1;
        session.exec();
      });
      closers.push(() => server.close());
      const disabled = env(folder, { ICETS_DISABLE: '1' });
      expect(await runLauncher(launcher, command, { env: disabled })).toMatchObject(ranHere);
      expect(requests).toBe(0);
      const enabled = env(folder, { ICETS_DISABLE: '0' });
      expect(await runLauncher(launcher, command, { env: enabled })).toMatchObject(ranHere);
      expect(requests).toBe(1);
    }));

  test.each(['open to others', 'a link', 'a file below a file', 'a relative path'])(
    'runs the command when the socket folder is %s',
    (what) =>
      inFolder(async (folder) => {
        const launcher = await launcherIn(folder);
        let place = `${folder}/sock`;
        if (what === 'open to others') {
          mkdirSync(place);
          chmodSync(place, 0o755);
        } else if (what === 'a link') {
          mkdirSync(`${folder}/real`, { mode: 0o700 });
          symlinkSync('real', place);
        } else if (what === 'a file below a file') {
          place = '/etc/passwd/sock';
        } else {
          place = 'sock';
        }
        const ran = await runLauncher(launcher, command, { env: { ICETS_SOCKET_DIR: place }, cwd: folder });
        expect(ran).toMatchObject(ranHere);
      }),
  );

  test('says one line for each decision when ICETS_DEBUG is set', () =>
    inFolder(async (folder) => {
      const launcher = await launcherIn(folder);
      const ran = await runLauncher(launcher, command, { env: env(folder, { ICETS_DEBUG: '1', ICETS_DISABLE: '1' }) });
      expect(ran.stderr.toString()).toBe('icets: debug: run directly: ICETS_DISABLE is set\n');
    }));
});
