// What every RemoteExecutor does, whatever is behind it. A new one is added to `subjects`: it needs a store to fill, the
// pool that fake workers join, and the executor under test in front of the same scheduler.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../src/base/log.ts';
import { digestOf } from '../../src/model/digest.ts';
import type { ExecuteStage, RemoteExecutor } from '../../src/model/remote-executor.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { FakeWorker, MapActionCache, MapStore, sampleAction, type FakeLease } from '../support/memory-cluster.ts';

interface Subject {
  readonly executor: RemoteExecutor;
  close(): Promise<void>;
}

interface SubjectFactory {
  readonly name: string;
  /** @param scheduler answers in the end, directly or at the far end of something */
  readonly open: (scheduler: Scheduler) => Promise<Subject>;
}

const subjects: readonly SubjectFactory[] = [
  {
    name: 'the scheduler itself',
    open: async (scheduler) => ({ executor: scheduler, close: async () => {} }),
  },
];

describe.each(subjects)('$name as a RemoteExecutor', ({ open }) => {
  let store: MapStore;
  let clock: FakeClock;
  let scheduler: Scheduler;
  let subject: Subject;
  let worker: FakeWorker;

  beforeEach(async () => {
    store = new MapStore();
    clock = new FakeClock();
    const actionCache = new MapActionCache();
    scheduler = await Scheduler.open({ blobs: store, actionCache, clock, log: silentLog, version: 'test' });
    worker = new FakeWorker(store, 'w').joinTo(scheduler);
    subject = await open(scheduler);
  });

  afterEach(async () => {
    await subject.close();
    await scheduler.close();
  });

  /** The next lease that the worker gets; no fixed delay, since frames may have to travel. */
  function nextLease(): Promise<FakeLease> {
    return new Promise((resolve) => {
      worker.onLease = resolve;
    });
  }

  function execute(name: string, signal?: AbortSignal, skipCacheLookup = false) {
    const action = sampleAction(store, name);
    const stages: ExecuteStage[] = [];
    const request = { action: action.digest, hints: action.hints, skipCacheLookup };
    const answer = subject.executor.execute(request, (stage) => stages.push(stage), signal);
    return { action, stages, answer };
  }

  test('runs an action and tells where it is', async () => {
    const arrived = nextLease();
    const { answer, stages } = execute('a');
    const lease = await arrived;
    lease.running();
    lease.succeed('object');
    const result = await answer;
    if (!result.ok) throw new Error(result.error.message);
    expect(result.value).toMatchObject({ cached: false, worker: 'w', attempts: 1 });
    expect(result.value.result.outputFiles[0]?.digest).toEqual(digestOf(Buffer.from('object')));
    expect(stages.map((stage) => stage.kind)).toEqual(['queued', 'leased', 'running']);
  });

  test('hands the hints and the action to the worker', async () => {
    const arrived = nextLease();
    const { answer, action } = execute('a');
    const lease = await arrived;
    expect(lease.request.action).toEqual(action.digest);
    expect(lease.request.hints).toEqual(action.hints);
    lease.succeed();
    await answer;
  });

  test('gives a non-zero exit as a result', async () => {
    const arrived = nextLease();
    const { answer } = execute('a');
    (await arrived).succeed('', { exitCode: 4 });
    expect(await answer).toMatchObject({ ok: true, value: { result: { exitCode: 4 } } });
  });

  test('answers from the cache, by execute and by getActionResult', async () => {
    const arrived = nextLease();
    const { answer, action } = execute('a');
    expect(await subject.executor.getActionResult(action.digest)).toEqual({ ok: true, value: undefined });
    (await arrived).succeed();
    await answer;
    await settled();
    expect(await execute('a').answer).toMatchObject({ ok: true, value: { cached: true, worker: 'w', attempts: 0 } });
    expect(await subject.executor.getActionResult(action.digest)).toMatchObject({ ok: true, value: { exitCode: 0 } });
    expect(worker.leases).toHaveLength(1);
  });

  test('runs again when the lookup is to be skipped', async () => {
    let arrived = nextLease();
    const first = execute('a');
    (await arrived).succeed('one');
    await first.answer;
    await settled();
    arrived = nextLease();
    const second = execute('a', undefined, true);
    (await arrived).succeed('one');
    expect(await second.answer).toMatchObject({ ok: true, value: { cached: false } });
  });

  test('stops the worker when the client gives up', async () => {
    const arrived = nextLease();
    const abort = new AbortController();
    const { answer } = execute('a', abort.signal);
    const lease = await arrived;
    const stopped = new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    abort.abort();
    expect(await answer).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
    await stopped;
  });

  test('names a blob that is missing', async () => {
    const action = sampleAction(store, 'a');
    const nowhere = digestOf(Buffer.from('nowhere'));
    const request = { action: nowhere, hints: action.hints, skipCacheLookup: false };
    const result = await subject.executor.execute(request, () => {});
    expect(result).toMatchObject({ ok: false, error: { reason: 'missing-blob' } });
  });

  test('says so when no worker can run it', async () => {
    worker.say({ draining: true });
    const { answer, stages } = execute('a');
    while (stages.length === 0) await settled();
    await clock.advance(10_000);
    expect(await answer).toMatchObject({ ok: false, error: { reason: 'no-worker' } });
  });

  test('serves the blobs of the cluster', async () => {
    const bytes = Buffer.from('some text');
    const digest = digestOf(bytes);
    const { blobs } = subject.executor;
    expect(await blobs.findMissing([digest])).toEqual({ ok: true, value: [digest] });
    expect(await blobs.write(digest, bytes)).toMatchObject({ ok: true });
    expect(await blobs.findMissing([digest])).toEqual({ ok: true, value: [] });
    const read = await blobs.read(digest);
    expect(read.ok && Buffer.from(read.value).toString()).toBe('some text');
    expect(await blobs.write(digest, Buffer.from('other'))).toMatchObject({ error: { reason: 'invalid-request' } });
  });
});
