// Commands that the launcher runs itself: everything is the user's own, and the launcher ends as the command did.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { LauncherRequest, LocalEnd } from '../../src/ipc/launcher-frames.ts';
import type { LauncherServer } from '../../src/ipc/launcher-server.ts';
import {
  launcherKinds,
  makeLauncher,
  runLauncher,
  serve,
  start,
  startLauncher,
  until,
  type Launcher,
  type RunOptions,
} from './launcher-support.ts';

describe.each(launcherKinds)('%s, told to run locally', (which) => {
  let folder: string;
  let launcher: Launcher;
  let server: LauncherServer;
  const requests: LauncherRequest[] = [];
  const ends: (LocalEnd | 'gone')[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/icets-launcher-local-`);
    mkdirSync(`${folder}/dist`);
    launcher = await makeLauncher(which, folder);
    server = await serve(`${folder}/sock`, async (request, session) => {
      requests.push(request);
      ends.push(await session.runLocally('a-step'));
    });
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const options = (more: RunOptions = {}): RunOptions => ({
    ...more,
    env: { ICETS_SOCKET_DIR: `${folder}/sock`, ...more.env },
  });
  const sh = (text: string, more: RunOptions = {}) => runLauncher(launcher, ['/bin/sh', '-c', text], options(more));
  const lastEnd = () => {
    const end = ends.at(-1);
    if (end === undefined || end === 'gone') throw new Error('the launcher did not tell how it ended');
    return end;
  };

  test.each([0, 1, 3, 127, 255])('exits with the status %i of the command and tells the agent', async (code) => {
    expect(await sh(`exit ${code}`)).toMatchObject({ code, signal: null });
    expect(lastEnd().status).toEqual({ kind: 'exited', code });
  });

  test.each([
    ['SIGKILL', 9],
    ['SIGTERM', 15],
    ['SIGSEGV', 11],
    ['SIGINT', 2],
  ])('dies by %s when the command does', async (name, number) => {
    expect(await sh(`kill -${number} $$`)).toMatchObject({ code: null, signal: name });
    expect(lastEnd().status).toEqual({ kind: 'signalled', signal: number });
  });

  test('passes input, output and errors through', async () => {
    const ran = await sh('cat; echo errors >&2', { stdin: 'given\n' });
    expect([ran.stdout.toString(), ran.stderr.toString()]).toEqual(['given\n', 'errors\n']);
  });

  test('keeps umask and working directory, and sends both', async () => {
    const text = `umask 027; exec "$0" "$@"`;
    const args = ['-c', text, launcher.program, ...launcher.words, '/bin/sh', '-c', 'umask; pwd'];
    const ran = await start('/bin/sh', args, options({ cwd: folder })).ended;
    expect(ran.stdout.toString()).toBe(`0027\n${folder}\n`);
    expect(requests.at(-1)).toMatchObject({ umask: 0o027, cwd: folder, exact: true });
  });

  test('sends the command as it was given, and of the environment what may matter', async () => {
    await sh('true', { env: { LC_ALL: 'C', CPATH: '/x', SECRET_TOKEN: 'no', GCC_COLORS: '', ICETS_TEST: '1' } });
    const request = requests.at(-1)!;
    expect(request.argv).toEqual(['/bin/sh', '-c', 'true']);
    expect(request.program).toBe('/bin/sh');
    expect(request.env).toMatchObject({ LC_ALL: 'C', CPATH: '/x', GCC_COLORS: '', ICETS_TEST: '1' });
    expect(request.env['SECRET_TOKEN']).toBeUndefined();
    expect([request.stdoutTerminal, request.stderrTerminal]).toEqual([false, false]);
  });

  test('finds a command without a slash on PATH and leaves argv[0] alone', async () => {
    await runLauncher(launcher, ['sh', '-c', 'exit 0'], options());
    expect(requests.at(-1)!.argv[0]).toBe('sh');
    expect(requests.at(-1)!.program).toMatch(/^\/.*\/sh$/);
  });

  test('lets the command inherit the descriptors of a jobserver', async () => {
    const text = `exec "$0" "$@" 3<"${folder}/token" 4<"${folder}/token"`;
    writeFileSync(`${folder}/token`, 'token');
    const args = ['-c', text, launcher.program, ...launcher.words, '/bin/sh', '-c', 'cat <&3'];
    const env = { MAKEFLAGS: ' -j8 --jobserver-auth=3,4' };
    expect((await start('/bin/sh', args, options({ env })).ended).stdout.toString()).toBe('token');
  });

  test('passes on a signal that was sent to the launcher alone', async () => {
    const text = `trap 'echo trapped; exit 9' TERM; echo ready; while :; do sleep 0.05; done`;
    const { child, ended } = startLauncher(launcher, ['/bin/sh', '-c', text], options());
    child.stdout!.once('data', () => child.kill('SIGTERM'));
    const ran = await ended;
    expect(ran.stdout.toString()).toBe('ready\ntrapped\n');
    expect(ran.code).toBe(9);
  });

  test('ends by the signal that ended its command when the whole group got it', async () => {
    const run = options({ detached: true });
    const { child, ended } = startLauncher(launcher, ['/bin/sh', '-c', 'echo ready; exec sleep 60'], run);
    child.stdout!.once('data', () => process.kill(-child.pid!, 'SIGINT'));
    expect(await ended).toMatchObject({ code: null, signal: 'SIGINT' });
    expect(lastEnd().status).toEqual({ kind: 'signalled', signal: 2 });
  });

  test('runs a script without an interpreter line as the shell does', async () => {
    const path = `${folder}/plain-${which}`;
    writeFileSync(path, 'echo from sh "$1"\n', { mode: 0o755 });
    const ran = await runLauncher(launcher, [path, 'an argument'], options());
    expect(ran.stdout.toString()).toBe('from sh an argument\n');
  });

  test('says that a command is not executable and exits with 126', async () => {
    const path = `${folder}/data`;
    writeFileSync(path, 'data');
    const ran = await runLauncher(launcher, [path], options());
    expect(ran.code).toBe(126);
    expect(ran.stderr.toString()).toMatch(/^icets: cannot run .*\/data: .*\n$/);
  });

  if (which !== 'client.mjs') {
    test('tells what the command used', async () => {
      await sh('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done');
      const end = lastEnd();
      expect(end.userMs + end.systemMs).toBeGreaterThan(1);
      expect(end.wallMs).toBeGreaterThan(1);
      expect(end.maxRssBytes).toBeGreaterThan(100_000);
    });

    test('leaves a signal ignored that was ignored before', async () => {
      const text = `trap '' INT; exec "$0" "$@"`;
      const inner = 'kill -INT $$; echo survived';
      const ran = await start('/bin/sh', ['-c', text, launcher.program, '/bin/sh', '-c', inner], options()).ended;
      expect(ran.stdout.toString()).toBe('survived\n');
    });

    test('takes its command with it when it is killed', async () => {
      const before = ends.length;
      const { child, ended } = startLauncher(launcher, ['/bin/sh', '-c', 'echo $$; exec sleep 600'], options());
      const pid = await new Promise<number>((resolve) => {
        child.stdout!.once('data', (data: Buffer) => resolve(Number(data.toString())));
      });
      child.kill('SIGKILL');
      await ended; // the pipes close when the command is gone as well
      await until('the command is gone', () => !isRunning(pid));
      await until('the agent knows', () => ends.length > before);
      expect(ends.at(-1)).toBe('gone');
    });

    test('says so when its request is not UTF-8', async () => {
      const text = `exec "$0" /bin/true "$(printf 'caf\\351.c')"`;
      await start('/bin/sh', ['-c', text, launcher.program], options()).ended;
      expect(requests.at(-1)!.exact).toBe(false);
    });
  }
});

/** Whether the process exists and is not a zombie. */
function isRunning(pid: number): boolean {
  try {
    readlinkSync(`/proc/${pid}/exe`);
    return true;
  } catch {
    return false;
  }
}
