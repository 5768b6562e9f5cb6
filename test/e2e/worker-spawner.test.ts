// The worker with the C spawner that it has in a real cluster: terminals, limits, cancelling, what is left running.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deferred } from '../../src/base/deferred.ts';
import { spawnerProcesses, type SpawnerProcesses } from '../../src/host/spawner-processes.ts';
import { stderrTerminalProperty } from '../../src/model/action.ts';
import { addGcc, addShell, InputRootBuilder } from '../support/input-root.ts';
import { openWorkerBench, type WorkerBench } from '../support/worker-bench.ts';

const repository = resolve(import.meta.dirname, '../..');

describe('the worker with the C spawner', () => {
  let folder: string;
  let processes: SpawnerProcesses;
  let bench: WorkerBench;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'worker-spawner-'));
    const launcherPath = join(folder, 'launcher');
    execFileSync('cc', ['-O1', '-o', launcherPath, join(repository, 'src/launcher/launcher.c')]);
    processes = spawnerProcesses({ launcherPath });
    bench = await openWorkerBench({
      processes,
      limits: { process: { fileSizeBytes: 1_000_000, openFiles: 64 }, logBytes: 1_000_000 },
    });
  });

  afterAll(async () => {
    await bench.close();
    await processes.close();
    rmSync(folder, { recursive: true });
  });

  async function lease(
    text: string,
    options: { timeoutMs?: number; signal?: AbortSignal; onRunning?: () => void } = {},
    platform: Record<string, string> = {},
  ) {
    const root = new InputRootBuilder();
    addShell(root);
    for (const program of ['/usr/bin/head', '/usr/bin/stty']) root.program(program);
    const action = root
      .directory('/project')
      .action({ argv: ['sh', '-c', text], cwd: 'project', outputs: ['out'], platform });
    await root.storeIn(bench.blobs);
    return bench.lease(action, {}, options);
  }

  /** Programs on this machine with this text in their command line. */
  function runningWith(text: string): string[] {
    return readdirSync('/proc').filter((pid) => {
      if (!/^[0-9]+$/.test(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    });
  }

  test('standard error is a terminal of the given size, and only when asked for', async () => {
    const text =
      'if [ -t 2 ]; then stty size <&2; printf "one\\ntwo\\n" >&2; else echo none; fi; [ -t 1 ] || echo pipe';
    const with_ = await lease(text, {}, { [stderrTerminalProperty]: '132x43' });
    if (!with_.ok) throw new Error(with_.error.message);
    expect(with_.value.result.stdoutRaw.toString()).toBe('43 132\npipe\n');
    expect(with_.value.result.stderrRaw.toString()).toBe('one\ntwo\n');
    const without = await lease(text);
    expect(without.ok && without.value.result.stdoutRaw.toString()).toBe('none\npipe\n');
  });

  test('limits of size, time and logs hold, and nothing goes on running after them', async () => {
    const exceeded = { ok: false, error: { reason: 'limit-exceeded' } };
    expect(await lease('exec head -c 2000000 /dev/zero > out')).toMatchObject(exceeded);
    expect(await lease('cat /dev/zero')).toMatchObject(exceeded);
    expect(await lease('sleep 7654.25 & sleep 7654.25', { timeoutMs: 500 })).toMatchObject(exceeded);
    await untilGone('7654.25');
  });

  test('a cancelled action is gone with all that it started, at whatever moment it is cancelled', async () => {
    for (let round = 0; round < 12; round++) {
      const abort = new AbortController();
      const running = deferred<void>();
      const text = 'sleep 8765.25 & sleep 8765.25';
      const cancelled = lease(text, { signal: abort.signal, onRunning: () => running.resolve() });
      await running.promise;
      // From the first moment of bubblewrap's own start on.
      const until = performance.now() + round;
      while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      expect(await cancelled).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
    }
    await untilGone('8765.25');
  });

  test('what an action leaves running in the background ends with it', async () => {
    const done = await lease('sleep 9876.25 > /dev/null 2>&1 & echo started');
    expect(done.ok && done.value.result.stdoutRaw.toString()).toBe('started\n');
    await untilGone('9876.25');
  });

  test('the times and the memory of the program come back', async () => {
    const done = await lease('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done');
    if (!done.ok) throw new Error(done.error.message);
    expect(done.value.timings.userUs + done.value.timings.systemUs).toBeGreaterThan(1000);
    expect(done.value.timings.maxRssBytes).toBeGreaterThan(500_000);
  });

  test('a compile in the sandbox is told to have used what the plain compile uses', async () => {
    const source = '#include <map>\n#include <string>\nstd::map<std::string, int> all() { return {{"a", 1}}; }\n';
    const root = new InputRootBuilder();
    const { mounts } = addGcc(root);
    writeFileSync(join(folder, 'all.cc'), source);
    const argv = ['g++', '-O1', '-c', 'all.cc', '-o', 'all.o'];
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };
    const action = root.host(join(folder, 'all.cc')).action({ argv, env, cwd: folder.slice(1), outputs: ['all.o'] });
    await root.storeIn(bench.blobs);
    const plain: { cpuMs: number; userMs: number; rssBytes: number }[] = [];
    const inside: typeof plain = [];
    // The least of a few: what else the machine does only adds to it.
    for (let round = 0; round < 4; round++) {
      const bare = await processes.run({ argv, env, cwd: folder, outputLimitBytes: 10_000 });
      if (!bare.ok) throw new Error(bare.error.message);
      const { userMs, systemMs, maxRssBytes: rssBytes } = bare.value;
      plain.push({ cpuMs: userMs + systemMs, userMs, rssBytes });
      const done = await bench.lease(action, { mounts: [...mounts] });
      if (!done.ok) throw new Error(done.error.message);
      expect(done.value.result.exitCode).toBe(0);
      const { userUs, systemUs, maxRssBytes } = done.value.timings;
      inside.push({ cpuMs: (userUs + systemUs) / 1000, userMs: userUs / 1000, rssBytes: maxRssBytes });
    }
    for (const figure of ['userMs', 'cpuMs', 'rssBytes'] as const) {
      const [there, here] = [inside, plain].map((runs) => Math.min(...runs.map((one) => one[figure])));
      expect(there! / here!).toBeGreaterThan(0.5);
      expect(there! / here!).toBeLessThan(2);
    }
  });

  test('a compiler killed inside is a failed program whose use is known', async () => {
    const done = await lease('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; kill -KILL $$');
    if (!done.ok) throw new Error(done.error.message);
    expect(done.value.result.exitCode).toBe(137);
    expect(done.value.timings.userUs).toBeGreaterThan(5000);
  });

  async function untilGone(text: string): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (runningWith(text).length > 0) {
      if (performance.now() > deadline) throw new Error(`still running: ${text}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
});
