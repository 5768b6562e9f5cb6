// Launchers that find no agent: one starts it, all are served, and nothing of the build lives on in the agent.

import { describe, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import {
  agentEvents,
  bundleFakeAgent,
  endAgents,
  inFolder,
  launcherKinds,
  makeLauncher,
  runLauncher,
  start,
  startLauncher,
  until,
  type Launcher,
} from './launcher-support.ts';

/** Gone, or waiting for its parent to take note when the last of its threads has ended: then its sockets are closed. */
function hasEnded(pid: number): boolean {
  try {
    const alone = readdirSync(`/proc/${pid}/task`).length === 1;
    return alone && /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

describe.each(launcherKinds)('%s without an agent', (which) => {
  async function withHome(run: (folder: string, launcher: Launcher) => Promise<void>): Promise<void> {
    await inFolder(async (folder) => {
      mkdirSync(`${folder}/dist`);
      const launcher = await makeLauncher(which, folder);
      try {
        await run(folder, launcher);
      } finally {
        endAgents(`${folder}/sock`);
      }
    });
  }
  const command = ['/bin/sh', '-c', 'exit 5'];
  const started = (folder: string) => agentEvents(`${folder}/sock`).filter(({ event }) => event === 'started');
  const listening = (folder: string) => agentEvents(`${folder}/sock`).filter(({ event }) => event === 'listening');

  const crowd = which === 'client.mjs' ? 6 : 64;
  test(`one agent serves ${crowd} launchers that start at once`, () =>
    withHome(async (folder, launcher) => {
      bundleFakeAgent(folder);
      const env = { ICETS_SOCKET_DIR: `${folder}/sock` };
      const runs = Array.from({ length: crowd }, () => runLauncher(launcher, command, { env }));
      const codes = (await Promise.all(runs)).map(({ code }) => code);
      expect(codes).toEqual(Array.from({ length: crowd }, () => 5));
      expect(listening(folder)).toHaveLength(1);
      if (which !== 'client.mjs') {
        expect(started(folder)).toHaveLength(1);
        expect(agentEvents(`${folder}/sock`).filter(({ event }) => event === 'request')).toHaveLength(crowd);
      }
    }));

  test('the agent has nothing of the build that started it', () =>
    withHome(async (folder, launcher) => {
      bundleFakeAgent(folder);
      const env = {
        ICETS_SOCKET_DIR: `${folder}/sock`,
        MAKEFLAGS: '-j8',
        MAKELEVEL: '1',
        NODE_EXTRA_CA_CERTS: '',
        NODE_OPTIONS: '--no-deprecation',
      };
      // Descriptor 7 is a pipe that this test reads to its end, as ninja does.
      const text = `umask 022; exec "$0" "$@" 7>&1 8</dev/null`;
      const args = ['-c', text, launcher.program, ...launcher.words, ...command];
      const { ended } = start('/bin/sh', args, { env, cwd: folder });
      expect((await ended).code).toBe(5); // the pipes have been closed by everybody, with the agent alive
      await until('the agent listens', () => listening(folder).length === 1);
      const agent = started(folder)[0]!;
      expect(() => process.kill(agent.pid, 0)).not.toThrow();
      const descriptors = agent['descriptors'] as readonly string[];
      expect(descriptors.filter((line) => /^[012] /.test(line))).toEqual(['0 /dev/null', '1 /dev/null', '2 /dev/null']);
      expect(agent['cwd']).toBe('/');
      const agentEnv = agent['env'] as Record<string, string>;
      for (const name of ['MAKEFLAGS', 'MAKELEVEL', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'ICETS_GUARD']) {
        expect(agentEnv[name]).toBeUndefined();
      }
      const session = readFileSync(`/proc/${agent.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[3];
      expect(session).not.toBe(readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')[3]);
    }));

  test('an agent that cannot start is not tried again for a while', () =>
    withHome(async (folder, launcher) => {
      const env = { ICETS_SOCKET_DIR: `${folder}/sock`, ICETS_START_MS: '1000' };
      const attempt = `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(`${folder}/tries`)}, 'x');`;
      writeFileSync(`${folder}/dist/agent.mjs`, `${attempt}\nprocess.exit(1);\n`);
      expect((await runLauncher(launcher, command, { env })).code).toBe(5);
      expect((await runLauncher(launcher, command, { env })).code).toBe(5);
      expect(readFileSync(`${folder}/tries`, 'utf8')).toBe('x');
      const longAgo = new Date(Date.now() - 60_000);
      utimesSync(`${folder}/sock/agent.failed`, longAgo, longAgo);
      expect((await runLauncher(launcher, command, { env })).code).toBe(5);
      expect(readFileSync(`${folder}/tries`, 'utf8')).toBe('xx');
    }));

  test('a socket that a dead agent left is no obstacle', () =>
    withHome(async (folder, launcher) => {
      bundleFakeAgent(folder);
      const env = { ICETS_SOCKET_DIR: `${folder}/sock` };
      await runLauncher(launcher, command, { env });
      const dead = started(folder)[0]!.pid;
      endAgents(`${folder}/sock`);
      await until('the agent is dead', () => hasEnded(dead));
      expect(existsSync(`${folder}/sock/agent.sock`)).toBe(true);
      rmSync(`${folder}/sock/events`);
      expect((await runLauncher(launcher, command, { env })).code).toBe(5);
      expect(listening(folder)).toHaveLength(1);
      await until('it was served', () => agentEvents(`${folder}/sock`).some(({ event }) => event === 'ended'));
    }));

  test('a package without an agent leaves everything to the compiler', () =>
    withHome(async (folder, launcher) => {
      rmSync(`${folder}/dist/agent.mjs`, { force: true });
      const env = { ICETS_SOCKET_DIR: `${folder}/sock`, ICETS_START_MS: '500' };
      const ran = await runLauncher(launcher, command, { env });
      expect(ran).toMatchObject({ code: 5, stderr: Buffer.alloc(0) });
    }));

  test('works in a folder whose name does not fit into a socket address', () =>
    withHome(async (folder, launcher) => {
      bundleFakeAgent(folder);
      const socketDir = `${folder}/${'long-name-'.repeat(12)}`;
      try {
        const ran = await runLauncher(launcher, command, { env: { ICETS_SOCKET_DIR: socketDir } });
        expect(ran.code).toBe(5);
        await until('the agent knows', () => agentEvents(socketDir).some(({ event }) => event === 'ended'));
      } finally {
        endAgents(socketDir);
      }
    }));

  test('a launcher that is interrupted while the agent starts dies at once', () =>
    withHome(async (folder, launcher) => {
      writeFileSync(
        `${folder}/dist/agent.mjs`,
        `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(`${folder}/up`)}, ''); setTimeout(() => {}, 3000);\n`,
      );
      const env = { ICETS_SOCKET_DIR: `${folder}/sock` };
      const { child, ended } = startLauncher(launcher, command, { env });
      await until('the agent is up', () => existsSync(`${folder}/up`));
      child.kill('SIGINT');
      expect(await ended).toMatchObject({ code: null, signal: 'SIGINT' });
    }));
});
