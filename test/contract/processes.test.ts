// What every implementation of the Processes port keeps: the C spawner's and Node's own.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { findLauncherBinary } from '../../src/host/launcher-binary.ts';
import { nodeProcesses } from '../../src/host/node-processes.ts';
import { spawnerProcesses, type SpawnerProcesses } from '../../src/host/spawner-processes.ts';
import type { ProcessExit, Processes, ProcessSpec } from '../../src/model/processes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const path = process.env['PATH'] ?? '';
let folder: string;
const spawners: SpawnerProcesses[] = [];

beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/icets-processes-`);
  for (const linkage of ['freestanding', 'dynamic']) {
    const env = { PATH: path, XDG_CACHE_HOME: `${folder}/${linkage}` };
    const launcher = await findLauncherBinary({ home: root, hash: 'abcdef012345', env, linkage });
    if (!launcher.ok) throw new Error(launcher.error.message);
    spawners.push(spawnerProcesses({ launcherPath: launcher.value }));
  }
});
afterAll(async () => {
  for (const spawner of spawners) await spawner.close();
  rmSync(folder, { recursive: true, force: true });
});

const spec = (argv: readonly string[], more: Partial<ProcessSpec> = {}): ProcessSpec => ({
  argv,
  env: { PATH: path },
  cwd: '/',
  outputLimitBytes: 1 << 20,
  ...more,
});
const sh = (text: string, more: Partial<ProcessSpec> = {}) => spec(['/bin/sh', '-c', text], more);

const kinds = ['the spawner', 'the spawner with libc', 'Node'] as const;
describe.each(kinds)('processes through %s', (which) => {
  const spawner = () => spawners[kinds.indexOf(which)]!;
  const processes = (): Processes => (which === 'Node' ? nodeProcesses() : spawner());
  async function run(wanted: ProcessSpec): Promise<ProcessExit> {
    const outcome = await processes().run(wanted);
    if (!outcome.ok) throw new Error(outcome.error.message);
    return outcome.value;
  }
  const text = (exit: ProcessExit) => [exit.stdout, exit.stderr].map((bytes) => Buffer.from(bytes).toString());

  test('give exit status, output and errors', async () => {
    const exit = await run(sh('echo out; echo err >&2; exit 7'));
    expect(exit.status).toEqual({ kind: 'exited', code: 7 });
    expect(text(exit)).toEqual(['out\n', 'err\n']);
    expect([exit.truncated, exit.timedOut]).toEqual([false, false]);
    expect(exit.wallMs).toBeGreaterThan(0);
  });

  test('give the signal that ended a program', async () => {
    expect((await run(sh('kill -SEGV $$'))).status).toEqual({ kind: 'signalled', signal: 11 });
  });

  test('run in the folder and with the environment they are given, and nothing on standard input', async () => {
    const exit = await run(sh('pwd; echo "$A-$B"; cat', { cwd: folder, env: { A: 'x y', B: 'grüße' } }));
    expect(text(exit)[0]).toBe(`${folder}\nx y-grüße\n`);
  });

  test('look a name up on the PATH of its own environment, and keep argv[0]', async () => {
    writeFileSync(`${folder}/mytool`, '#!/bin/sh\necho mine "$@"\n', { mode: 0o755 });
    const named = await run(spec(['mytool', 'a'], { env: { PATH: `/nowhere:${folder}:/bin` } }));
    expect(text(named)[0]).toBe('mine a\n');
    const other = await run(spec(['another name', '-c', 'echo $0'], { executable: '/bin/sh' }));
    expect(text(other)[0]).toBe('another name\n');
  });

  test.each<[string, ProcessSpec, string]>([
    ['a program that is not there', spec(['/no/such/program']), 'ENOENT'],
    ['a name that is not on PATH', spec(['no-such-program']), 'ENOENT'],
    ['a file that is not executable', spec(['/etc/passwd']), 'EACCES'],
    ['a folder that is not there', sh('true', { cwd: '/no/such/folder' }), 'ENOENT'],
    ['nothing to run', spec([]), 'EINVAL'],
    ['a zero byte in an argument', spec(['/bin/true', 'a\0b']), 'EINVAL'],
  ])('fail to start %s', async (_what, wanted, errno) => {
    const outcome = await processes().run(wanted);
    expect(outcome).toMatchObject({ ok: false, error: { reason: 'not-started', errno } });
  });

  test('kill a program that says too much, and keep what was allowed', async () => {
    const exit = await run(spec(['yes'], { outputLimitBytes: 100_000 }));
    expect(exit.truncated).toBe(true);
    expect(exit.stdout.byteLength).toBe(100_000);
    expect(exit.status).toEqual({ kind: 'signalled', signal: 9 });
  });

  test('do not mistake the exact limit for too much', async () => {
    const exit = await run(sh('printf 12345', { outputLimitBytes: 5 }));
    expect([exit.truncated, text(exit)[0]]).toEqual([false, '12345']);
  });

  test('kill the whole group when time is up', async () => {
    const exit = await run(sh('sleep 600 & sleep 600', { timeoutMs: 50 }));
    expect([exit.timedOut, exit.status]).toEqual([true, { kind: 'signalled', signal: 9 }]);
    expect(exit.wallMs).toBeLessThan(20_000);
  });

  test('are cancelled before the start, or with their group in the middle', async () => {
    expect(await processes().run(sh('true'), { signal: AbortSignal.abort() })).toMatchObject({
      ok: false,
      error: { reason: 'cancelled' },
    });
    const controller = new AbortController();
    const outcome = await processes().run(sh('sleep 600 & sleep 600'), {
      signal: controller.signal,
      onStarted: () => controller.abort(),
    });
    expect(outcome).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
  });

  test('keep their limits', async () => {
    const exit = await run(sh('ulimit -n; ulimit -t; ulimit -c', { limits: { openFiles: 77, cpuSeconds: 55 } }));
    expect(text(exit)[0]).toMatch(/^77\n55\n/);
  });

  test('run many at once and mix nothing up', async () => {
    const numbers = Array.from({ length: 64 }, (_, at) => at);
    const exits = await Promise.all(numbers.map((at) => run(sh(`echo ${at}; echo ${at} >&2; exit ${at}`))));
    expect(exits.map(({ status }) => status)).toEqual(numbers.map((code) => ({ kind: 'exited', code })));
    expect(exits.map(text)).toEqual(numbers.map((at) => [`${at}\n`, `${at}\n`]));
  });

  test('carry a flood from several programs whole', async () => {
    const flood = sh('head -c 8000000 /dev/zero; head -c 8000000 /dev/zero >&2', { outputLimitBytes: 9_000_000 });
    for (const exit of await Promise.all([run(flood), run(flood), run(flood)])) {
      expect([exit.stdout.byteLength, exit.stderr.byteLength, exit.truncated]).toEqual([8_000_000, 8_000_000, false]);
    }
  });

  test('do not wait for ever for what a program left behind', async () => {
    const exit = await run(sh('setsid sleep 30 & echo done'));
    expect(text(exit)[0]).toBe('done\n');
    expect(exit.wallMs).toBeLessThan(20_000);
  });

  test('leave a descriptor open for the number of an inner process, and only when asked', async () => {
    const text = 'if echo "no number" 2>/dev/null >&3; then echo open; else echo closed; fi';
    const said = await Promise.all([run(sh(text, { innerPidFd: 3 })), run(sh(text))]);
    expect(said.map((exit) => Buffer.from(exit.stdout).toString())).toEqual(['open\n', 'closed\n']);
  });

  if (which === 'Node') return;

  test('give their resource use', async () => {
    const exit = await run(sh('i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'));
    expect(exit.userMs + exit.systemMs).toBeGreaterThan(1);
    expect(exit.maxRssBytes).toBeGreaterThan(100_000);
  });

  // A shell that ends before its child, as bwrap does; the child's own child does the work.
  const work = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done';
  const leaving = (told: boolean) =>
    sh(
      [
        `mkfifo ${folder}/$$`,
        `{ sh -c '${work}'; echo done >${folder}/$$; exec sleep 600; } &`,
        told ? 'echo "{ \\"child-pid\\": $! }" >&3' : '',
        `read -r _ <${folder}/$$`,
      ].join('\n'),
      { innerPidFd: 3 },
    );

  test('count what an inner process used that outlives the program, and end it', async () => {
    const spent = ({ userMs, systemMs }: ProcessExit) => userMs + systemMs;
    const bare = await run(sh(`sh -c '${work}'`));
    const untold = await run(leaving(false));
    const told = await run(leaving(true));
    expect([untold.status, told.status]).toEqual([bare.status, bare.status]);
    expect(spent(told)).toBeGreaterThan(spent(bare) / 2);
    expect(spent(untold)).toBeLessThan(spent(bare) / 2);
  });

  test('end an inner process with a session of its own when the program is killed', async () => {
    const fifo = `${folder}/inner`;
    await run(spec(['mkfifo', fifo]));
    const controller = new AbortController();
    const text = `setsid sleep 600 & echo "\\"child-pid\\": $!" >&3; echo $! >${fifo}; wait`;
    const running = processes().run(sh(text, { innerPidFd: 3 }), { signal: controller.signal });
    const inner = Number(await readFile(fifo, 'utf8'));
    controller.abort();
    expect(await running).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
    // Reaped as well: the number is free.
    expect(() => process.kill(inner, 0)).toThrow('ESRCH');
  });

  test.each(['nothing', '"child-pid": 1', '"child-pid": 99999999999999999999', '"child-pid": x', '"child-pid": $$'])(
    'are content with %s for an inner process',
    async (said) => {
      const exit = await run(sh(`echo '${said}' | sed "s/\\$\\$/$$/" >&3; exit 5`, { innerPidFd: 3 }));
      expect(exit.status).toEqual({ kind: 'exited', code: 5 });
      expect(exit.wallMs).toBeLessThan(20_000);
    },
  );

  test('give a terminal for errors that leaves the output as it is', async () => {
    const wanted = sh('test -t 2 && echo yes; stty size <&2; printf "a\\nb\\n" >&2', {
      stderrTerminal: { columns: 99, rows: 33 },
    });
    expect(text(await run(wanted))).toEqual(['yes\n33 99\n', 'a\nb\n']);
  });

  test('start with default signals, no descriptors but three, and a group of their own', async () => {
    const exit = await run(
      sh('grep -E "^Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd | wc -l; ps -o pgid= -p $$; echo $$'),
    );
    const lines = text(exit)[0]!.trim().split(/\s+/);
    expect([lines[1], lines[3]]).toEqual(['0000000000000000', '0000000000000000']);
    expect(lines[4]).toBe('4'); // and the one by which ls reads the folder
    expect(lines[5]).toBe(lines[6]);
  });

  test('answer spawner-lost when the spawner dies, kill what it ran, and start another one', async () => {
    const fifo = `${folder}/fifo`;
    await run(spec(['mkfifo', fifo]));
    const running = processes().run(sh(`echo $$ >${fifo}; exec sleep 600`));
    const group = Number(await readFile(fifo, 'utf8'));
    process.kill(spawner().spawnerPid!, 'SIGKILL');
    expect(await running).toMatchObject({ ok: false, error: { reason: 'spawner-lost' } });
    expect((await run(sh('exit 4'))).status).toEqual({ kind: 'exited', code: 4 });
    await expect(
      run(sh(`while kill -0 ${group} 2>/dev/null && ! grep -q "State:.Z" /proc/${group}/status; do sleep 0.05; done`)),
    ).resolves.toBeDefined();
  });

  test('are as nice as the spawner was asked to be, the first one too', async () => {
    const env = { PATH: path, XDG_CACHE_HOME: `${folder}/freestanding` };
    const launcher = await findLauncherBinary({ home: root, hash: 'abcdef012345', env, linkage: 'freestanding' });
    if (!launcher.ok) throw new Error(launcher.error.message);
    const nice = spawnerProcesses({ launcherPath: launcher.value, niceness: 19 });
    try {
      const runs = await Promise.all([nice.run(sh('nice')), nice.run(sh('nice; nice -n -1 true 2>/dev/null'))]);
      expect(runs.map((one) => one.ok && text(one.value)[0])).toEqual(['19\n', '19\n']);
      expect(text(await run(sh('nice')))[0]).not.toBe('19\n');
    } finally {
      await nice.close();
    }
  });

  test('fail when there is no spawner to be had', async () => {
    const none = spawnerProcesses({ launcherPath: '/no/such/launcher' });
    expect(await none.run(sh('true'))).toMatchObject({ ok: false, error: { reason: 'spawner-lost' } });
    await none.close();
    expect(await none.run(sh('true'))).toMatchObject({ ok: false, error: { reason: 'spawner-lost' } });
  });
});
