// A worker's life: limits, cancelling, blobs that lack or lie, large results, what stays on disk and what does not.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deferred } from '../../src/base/deferred.ts';
import { ok } from '../../src/base/result.ts';
import { Directory, encodeDirectory } from '../../src/model/action.ts';
import type { BlobStore } from '../../src/model/blob-store.ts';
import { digestOf, emptyDigest, parseDigest, sameDigest } from '../../src/model/digest.ts';
import { addShell, InputRootBuilder, type SampleCommand } from '../support/input-root.ts';
import { openWorkerBench, type WorkerBench } from '../support/worker-bench.ts';

const kib = 1024;

describe('leases', () => {
  let bench: WorkerBench;

  beforeAll(async () => {
    bench = await openWorkerBench({
      limits: { logBytes: 4096 * kib, outputBytes: 8192 * kib, process: { fileSizeBytes: 6000 * kib, openFiles: 100 } },
    });
  });

  afterAll(async () => {
    await bench.close();
  });

  function shellRoot(): InputRootBuilder {
    const root = new InputRootBuilder();
    addShell(root);
    root.program('/usr/bin/head');
    return root.directory('/project');
  }

  async function store(root: InputRootBuilder, command: SampleCommand) {
    const action = root.action({ cwd: 'project', ...command });
    await root.storeIn(bench.blobs);
    return action;
  }

  const sh = (text: string, outputs: string[] = []): SampleCommand => ({ argv: ['sh', '-c', text], outputs });

  test('an action that runs too long is stopped, with all that it started', async () => {
    const action = await store(shellRoot(), sh('sleep 1000 & sleep 1000'));
    const done = await bench.lease(action, {}, { timeoutMs: 300 });
    expect(done).toMatchObject({ ok: false, error: { reason: 'limit-exceeded' } });
  });

  test('a log beyond the limit stops the action', async () => {
    const action = await store(shellRoot(), sh('cat /dev/zero'));
    expect(await bench.lease(action)).toMatchObject({ ok: false, error: { reason: 'limit-exceeded' } });
  });

  test('a file beyond the limit is no result', async () => {
    const action = await store(shellRoot(), sh('exec head -c 7000000 /dev/zero > out', ['out']));
    expect(await bench.lease(action)).toMatchObject({ ok: false, error: { reason: 'limit-exceeded' } });
  });

  test('a large output and a large log go to the store by digest, and an empty output is there', async () => {
    const action = await store(
      shellRoot(),
      sh(
        'head -c 3000000 /dev/zero > out; : > empty; head -c 2000000 /dev/zero; head -c 1500000 /dev/zero >&2; exit 3',
        ['out', 'empty'],
      ),
    );
    const done = await bench.lease(action);
    if (!done.ok) throw new Error(done.error.message);
    const { exitCode, outputFiles, stdoutDigest, stderrDigest, stdoutRaw, stderrRaw } = done.value.result;
    expect(exitCode).toBe(3);
    expect(outputFiles.map(({ path, contents }) => [path, contents.length])).toEqual([
      ['out', 0],
      ['empty', 0],
    ]);
    expect(outputFiles[1]!.digest).toEqual(emptyDigest);
    expect([stdoutRaw.length, stderrRaw.length]).toEqual([0, 0]);
    for (const [digest, size] of [
      [outputFiles[0]!.digest, 3000000],
      [stdoutDigest, 2000000],
      [stderrDigest, 1500000],
    ] as const) {
      const blob = await bench.blobs.read(parseDigest(digest)!);
      expect(blob.ok && blob.value.byteLength).toBe(size);
    }
  });

  test('a program that the root lacks is a wrong request', async () => {
    const action = await store(shellRoot(), { argv: ['no-such-program'] });
    expect(await bench.lease(action)).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
  });

  test('a program that dies of a signal has the status a shell would give', async () => {
    const action = await store(shellRoot(), sh('kill -SEGV $$'));
    const done = await bench.lease(action);
    expect(done.ok && done.value.result.exitCode).toBe(139);
  });

  test('inputs that the store lacks are named as missing', async () => {
    const root = shellRoot();
    const action = await store(root, sh('true'));
    expect(await bench.lease(digestOf(Buffer.from('no action')))).toMatchObject({ error: { reason: 'missing-blob' } });
    const files = [{ name: 'f', digest: digestOf(Buffer.from('not there')) }];
    const holed = root.put(encodeDirectory(Directory.fromPartial({ files })).bytes);
    const lacking = root.actionOn(holed.digest, { argv: ['true'] });
    await root.storeIn(bench.blobs);
    expect(await bench.lease(lacking)).toMatchObject({ ok: false, error: { reason: 'missing-blob' } });
    expect((await bench.lease(action)).ok).toBe(true);
  });

  test('a blob that is no message is a wrong request', async () => {
    const root = shellRoot();
    const rubbish = root.put(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x01]));
    await root.storeIn(bench.blobs);
    expect(await bench.lease(rubbish.digest)).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
  });

  test('a store that gives other bytes is caught before anything runs', async () => {
    const root = shellRoot().file('/project/in', 'the real bytes');
    const action = await store(root, sh('cat in'));
    const liar: BlobStore = Object.assign(Object.create(bench.blobs) as BlobStore, {
      readMany: async (digests: Parameters<BlobStore['readMany']>[0]) => {
        const blobs = await bench.blobs.readMany(digests);
        if (!blobs.ok) return blobs;
        const target = digestOf(Buffer.from('the real bytes'));
        return ok(
          blobs.value.map((bytes, i) => (sameDigest(digests[i]!, target) ? Buffer.from('the fake bytes') : bytes)),
        );
      },
    });
    const signal = new AbortController().signal;
    const request = { id: 'x', action, hints: hintless, timeoutMs: 10_000 };
    const done = await bench.worker.run(request, liar, () => {}, signal);
    expect(done).toMatchObject({ ok: false, error: { reason: 'store-failed' } });
    expect((await bench.lease(action)).ok).toBe(true);
  });

  const hintless = {
    costKey: '',
    label: '',
    client: '',
    build: '',
    correlation: '',
    toolchain: undefined,
    arch: '',
    mounts: [],
    sourceBytes: 0,
    resultKey: undefined,
    downstreamMs: 0,
  };

  test('a cancelled lease ends at once, frees its slot and leaves nothing', async () => {
    const action = await store(shellRoot(), sh('sleep 1000'));
    const next = await store(shellRoot(), sh('echo next'));
    const aborts = [new AbortController(), new AbortController(), new AbortController()];
    const running = [deferred<void>(), deferred<void>()];
    const leases = aborts.map(({ signal }, i) =>
      bench.lease(action, {}, { signal, onRunning: () => running[i]?.resolve() }),
    );
    // Two slots: the third lease waits, its inputs fetched.
    await Promise.all(running.map(({ promise }) => promise));
    for (const abort of aborts) abort.abort();
    for (const lease of leases) expect(await lease).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
    const done = await bench.lease(next);
    expect(done.ok && done.value.result.stdoutRaw.toString()).toBe('next\n');
    expect(readdirSync(join(bench.folder, 'work/actions'))).toEqual([]);
  });

  test('a memory limit shows as a limit and not as an error of the source', async () => {
    const small = await openWorkerBench({ limits: { process: { addressSpaceBytes: 200 * kib * kib } } });
    const root = shellRoot();
    root.file('/project/cc1plus', '#!/bin/sh\necho "cc1plus: out of memory allocating 65536 bytes" >&2; exit 1\n', {
      executable: true,
    });
    const action = root.action({ argv: ['./cc1plus'], cwd: 'project' });
    await root.storeIn(small.blobs);
    expect(await small.lease(action)).toMatchObject({ ok: false, error: { reason: 'limit-exceeded' } });
    await small.close();
  });

  test('roots go from one action to the next without a trace of the first', async () => {
    const first = shellRoot()
      .file('/project/a', 'a')
      .file('/only/first', '1')
      .symlink('/project/s', '/only')
      .file('/x/y', 'f');
    const second = shellRoot()
      .file('/project/a', 'b')
      .file('/project/s', 'a file now')
      .file('/x/y/z', 'd')
      .directory('/only');
    const text = 'cat a; ls -l s | cut -c1; cat s/first x; ls /only /x; exit 0';
    for (let round = 0; round < 3; round++) {
      for (const [root, expected] of [
        [first, 'a'],
        [second, 'b'],
      ] as const) {
        const action = await store(root, sh(`${text}`));
        const done = await bench.lease(action, { build: 'same' });
        if (!done.ok) throw new Error(done.error.message);
        const out = done.value.result.stdoutRaw.toString();
        expect(out.startsWith(expected)).toBe(true);
        expect(out.includes('first')).toBe(root === first);
      }
    }
    expect(readdirSync(join(bench.folder, 'work/roots')).length).toBeLessThanOrEqual(6);
  });

  test('a worker that starts again sweeps what the last one left, and keeps whole trees', async () => {
    const root = shellRoot().file('/tree/x', 'x');
    const action = root.action({ argv: ['cat', '/tree/x'] });
    const one = await openWorkerBench();
    await root.storeIn(one.blobs);
    const { folder } = one;
    expect((await one.lease(action, { mounts: ['/tree'] })).ok).toBe(true);
    await one.close({ keep: true });
    const trees = readdirSync(join(folder, 'work/trees'));
    expect(trees).toHaveLength(1);
    for (const stale of ['roots/7/usr', 'actions/9/0', 'trash/old', 'trees/building-1-1/tree']) {
      mkdirSync(join(folder, 'work', stale), { recursive: true });
    }
    writeFileSync(join(folder, 'work/actions/9/0/leftover'), '');
    const two = await openWorkerBench({ folder });
    expect(readdirSync(join(folder, 'work/actions'))).toEqual([]);
    expect(readdirSync(join(folder, 'work/roots'))).toEqual([]);
    expect(readdirSync(join(folder, 'work/trees'))).toEqual(trees);
    await root.storeIn(two.blobs);
    const done = await two.lease(action, { mounts: ['/tree'] });
    expect(done.ok && done.value.result.stdoutRaw.toString()).toBe('x');
    await two.worker.close();
    expect(readdirSync(join(folder, 'work/trash'))).toEqual([]);
    await two.close();
  });

  test('a tree from before a crash of the machine is made anew', async () => {
    const root = shellRoot().file('/tree/x', 'whole');
    const action = root.action({ argv: ['cat', '/tree/x'] });
    const one = await openWorkerBench();
    await root.storeIn(one.blobs);
    expect((await one.lease(action, { mounts: ['/tree'] })).ok).toBe(true);
    await one.close({ keep: true });
    const trees = join(one.folder, 'work/trees');
    const [name] = readdirSync(trees);
    const marker = join(trees, name!, 'complete');
    const text = readFileSync(marker, 'utf8');
    writeFileSync(marker, text.replace(/"boot":"[^"]*"/, '"boot":"another"'));
    writeFileSync(join(trees, name!, 'tree/x.torn'), '');
    const two = await openWorkerBench({ folder: one.folder });
    await root.storeIn(two.blobs);
    const done = await two.lease(action, { mounts: ['/tree'] });
    expect(done.ok && done.value.result.stdoutRaw.toString()).toBe('whole');
    expect(readdirSync(join(trees, name!, 'tree'))).toEqual(['x']);
    await two.close();
  });

  test('a worker that is closed ends its leases and takes no more', async () => {
    const leaving = await openWorkerBench();
    const root = shellRoot();
    const action = root.action({ argv: ['sleep', '1000'] });
    await root.storeIn(leaving.blobs);
    const running = deferred<void>();
    const lease = leaving.lease(action, {}, { onRunning: () => running.resolve() });
    await running.promise;
    await leaving.worker.close();
    expect(await lease).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
    expect(await leaving.lease(action)).toMatchObject({ ok: false, error: { reason: 'worker-failed' } });
    expect(leaving.worker.state().draining).toBe(true);
    await leaving.close();
  });
});
