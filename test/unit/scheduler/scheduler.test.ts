import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Result } from '../../../src/base/result.ts';
import { silentLog } from '../../../src/base/log.ts';
import { ActionResult } from '../../../src/model/action.ts';
import { digestKey, digestOf } from '../../../src/model/digest.ts';
import type { RemoteFailure } from '../../../src/model/failure.ts';
import type { ExecuteOutcome, ExecuteStage } from '../../../src/model/remote-executor.ts';
import { Scheduler } from '../../../src/scheduler/scheduler.ts';
import type { SchedulerOptions } from '../../../src/scheduler/scheduler-options.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { FakeWorker, MapActionCache, MapStore, sampleAction, type SampleAction } from '../../support/memory-cluster.ts';

/** An execute call under way. */
interface Call {
  readonly stages: string[];
  readonly abort: AbortController;
  readonly answer: Promise<Result<ExecuteOutcome, RemoteFailure>>;
  result: Result<ExecuteOutcome, RemoteFailure> | undefined;
}

let clock: FakeClock;
let store: MapStore;
let cache: MapActionCache;
let scheduler: Scheduler;

async function open(more: Partial<SchedulerOptions> = {}): Promise<Scheduler> {
  return Scheduler.open({ blobs: store, actionCache: cache, clock, log: silentLog, version: 'test', ...more });
}

beforeEach(async () => {
  clock = new FakeClock();
  store = new MapStore();
  cache = new MapActionCache();
  scheduler = await open();
});

afterEach(async () => {
  await scheduler.close();
});

function start(action: SampleAction, skipCacheLookup = false): Call {
  const stages: string[] = [];
  const abort = new AbortController();
  const onStage = (stage: ExecuteStage) => {
    stages.push(stage.kind === 'queued' ? 'queued' : `${stage.kind} ${stage.worker}`);
  };
  const request = { action: action.digest, hints: action.hints, skipCacheLookup };
  const answer = scheduler.execute(request, onStage, abort.signal);
  const call: Call = { stages, abort, answer, result: undefined };
  void answer.then((result) => {
    call.result = result;
  });
  return call;
}

function compile(name: string, more: Parameters<typeof sampleAction>[2] = {}): Call {
  return start(sampleAction(store, name, more));
}

function worker(name: string, info: ConstructorParameters<typeof FakeWorker>[2] = {}): FakeWorker {
  return new FakeWorker(store, name, info).joinTo(scheduler);
}

function reasonOf(call: Call): string {
  if (call.result === undefined) return 'pending';
  return call.result.ok ? 'ok' : call.result.error.reason;
}

function outcomeOf(call: Call): ExecuteOutcome {
  if (call.result?.ok !== true) throw new Error(`no outcome: ${reasonOf(call)}`);
  return call.result.value;
}

describe('a result key', () => {
  const key = digestOf(Buffer.from('icets result key'));
  const other = digestOf(Buffer.from('another result key'));
  /** An action of its own for each name, all with the same result. */
  const keyed = (name: string, under = key): SampleAction =>
    sampleAction(store, name, { hints: { label: 'a.c', resultKey: under } });

  test('stands for the action: another action with the key gets the kept result', async () => {
    const w = worker('w');
    start(keyed('before'));
    await settled();
    w.leaseOf('a.c').succeed('object');
    await settled();
    expect([...cache.results.keys()]).toEqual([digestKey(key)]);
    const after = start(keyed('after'));
    await settled();
    expect(outcomeOf(after)).toMatchObject({ cached: true, worker: 'w' });
    expect(await scheduler.getActionResult(key)).toMatchObject({ ok: true, value: { exitCode: 0 } });
    expect(reasonOf(start(keyed('after', other)))).toBe('pending');
    await settled();
    expect(w.leases).toHaveLength(2);
  });

  test('lets actions share a run that is under way', async () => {
    const w = worker('w', { slots: 2 });
    const calls = [start(keyed('one')), start(keyed('two')), start(keyed('three', other))];
    await settled();
    expect(w.leases).toHaveLength(2);
    for (const lease of w.leases) lease.succeed('object');
    await settled();
    expect(calls.map(reasonOf)).toEqual(['ok', 'ok', 'ok']);
    expect(scheduler.counters.coalesced).toBe(1);
  });

  test('of an action that must not be cached keeps and shares nothing', async () => {
    const w = worker('w', { slots: 2 });
    const make = () => sampleAction(store, 'a', { doNotCache: true, hints: { resultKey: key } });
    start(make());
    start(make());
    await settled();
    expect(w.leases).toHaveLength(2);
    for (const lease of w.leases) lease.succeed('object');
    await settled();
    expect(cache.results.size).toBe(0);
  });

  test('whose result a client could not prove has none any more', async () => {
    const w = worker('w');
    const first = start(keyed('a'));
    await settled();
    w.leaseOf('a.c').succeed('object');
    await first.answer;
    scheduler.rejectResult(key, 'the worker read b.h');
    await settled();
    expect(cache.results.size).toBe(0);
    const second = start(keyed('a'));
    await settled();
    expect(reasonOf(second)).toBe('pending');
    expect(scheduler.status().results).toMatchObject({ hits: 0, rejected: 1 });
  });

  test('is not kept when its proof fails while a slower copy is still out', async () => {
    const slow = worker('slow');
    const call = start(keyed('a'));
    await settled();
    slow.leaseOf('a.c').running();
    slow.stubborn = true;
    await clock.advance(60_000);
    const fast = worker('fast');
    await clock.advance(60_000);
    fast.leaseOf('a.c').succeed('object');
    await settled();
    expect(reasonOf(call)).toBe('ok');
    scheduler.rejectResult(key, 'the worker read b.h');
    slow.leaseOf('a.c').fail('cancelled');
    await settled();
    expect(cache.results.size).toBe(0);
  });

  test('finds outputs in its result although the cache keeps only their digests, unless they are large', async () => {
    const w = worker('w');
    const outputs = [
      { path: 'a.d', bytes: Buffer.from('a.o: a.c\n') },
      { path: 'a.o', bytes: Buffer.alloc(5000, 'object') },
      { path: 'a.su', bytes: Buffer.alloc(0) },
      { path: 'large.dwo', bytes: Buffer.alloc(1024 * 1024 + 1) },
    ];
    const outputFiles = outputs.map(({ path, bytes }) => ({
      path,
      digest: store.put(bytes),
      contents: bytes.byteLength > 1024 * 1024 ? Buffer.alloc(0) : bytes,
    }));
    start(keyed('a'));
    await settled();
    w.leaseOf('a.c').succeedWith(ActionResult.fromPartial({ outputFiles, stderrRaw: Buffer.from('warning') }));
    await settled();
    const kept = cache.results.get(digestKey(key));
    expect(kept?.outputFiles.map(({ path, contents }) => [path, contents.byteLength])).toEqual(
      outputs.map(({ path }) => [path, 0]),
    );
    const found = await scheduler.getActionResult(key);
    if (!found.ok || found.value === undefined) throw new Error('no result');
    expect(found.value.outputFiles.map(({ path, contents }) => ({ path, contents }))).toEqual(
      outputFiles.map(({ path, contents }) => ({ path, contents })),
    );
    expect(found.value.stderrRaw.toString()).toBe('warning');
  });

  test('counts lookups that find nothing, but not the execution that follows', async () => {
    worker('w');
    await scheduler.getActionResult(key);
    start(keyed('a'));
    await settled();
    expect(scheduler.status().results).toMatchObject({ hits: 0, misses: 1 });
  });

  test('of a result whose outputs were evicted is a miss, and the entry goes', async () => {
    const w = worker('w');
    start(keyed('a'));
    await settled();
    w.leaseOf('a.c').succeed('object');
    await settled();
    store.blobs.delete(digestKey(digestOf(Buffer.from('object'))));
    expect(await scheduler.getActionResult(key)).toEqual({ ok: true, value: undefined });
    expect(cache.results.size).toBe(0);
  });
});

describe('an action', () => {
  test('is queued, leased and run, and its result comes back with the name of its worker', async () => {
    const w = worker('w');
    const call = compile('a');
    await settled();
    w.leaseOf('a.c').running();
    await clock.advance(900);
    w.leaseOf('a.c').succeed('the object', { runMs: 700 });
    await settled();
    expect(call.stages).toEqual(['queued', 'leased w', 'running w']);
    const outcome = outcomeOf(call);
    expect(outcome).toMatchObject({ cached: false, worker: 'w', attempts: 1 });
    expect(outcome.timings).toMatchObject({ runUs: 700_000, queueUs: 200_000 });
    expect(outcome.result.outputFiles[0]?.digest).toEqual(digestOf(Buffer.from('the object')));
  });

  test('that was run comes from the cache the next time', async () => {
    const w = worker('w');
    const first = compile('a');
    await settled();
    w.leaseOf('a.c').succeed();
    await first.answer;
    await settled();
    const second = compile('a');
    await settled();
    expect(outcomeOf(second)).toMatchObject({ cached: true, worker: 'w', attempts: 0 });
    expect(second.stages).toEqual([]);
    expect(w.leases).toHaveLength(1);
    expect(scheduler.status().cacheHits).toBe(1);
  });

  test('is run again when the client says so, or when an output is gone from the store', async () => {
    const w = worker('w');
    const action = sampleAction(store, 'a');
    start(action);
    await settled();
    w.leaseOf('a.c').succeed('object');
    await settled();
    const skipping = start(action, true);
    await settled();
    expect(reasonOf(skipping)).toBe('pending');
    w.leases[1]?.succeed('object');
    await settled();
    store.blobs.delete(digestKey(digestOf(Buffer.from('object'))));
    const incomplete = start(action);
    await settled();
    expect(reasonOf(incomplete)).toBe('pending');
    expect(w.leases).toHaveLength(3);
  });

  test('with a failing compiler is a result, but not a cached one', async () => {
    const w = worker('w');
    const call = compile('a');
    await settled();
    w.leaseOf('a.c').succeed('', { exitCode: 1 });
    await settled();
    expect(outcomeOf(call).result.exitCode).toBe(1);
    expect(cache.results.size).toBe(0);
  });

  test('that must not be cached is neither kept nor shared', async () => {
    const w = worker('w', { slots: 2 });
    const calls = [compile('a', { doNotCache: true }), compile('a', { doNotCache: true })];
    await settled();
    expect(w.leases).toHaveLength(2);
    for (const lease of w.leases) lease.succeed();
    await settled();
    expect(calls.map(reasonOf)).toEqual(['ok', 'ok']);
    expect(cache.results.size).toBe(0);
  });

  test('whose blobs are missing or wrong is refused before it is queued', async () => {
    const action = sampleAction(store, 'a');
    const whole = new Map(store.blobs);
    store.blobs.delete(digestKey(action.digest));
    const withoutAction = start(action);
    await settled();
    expect(reasonOf(withoutAction)).toBe('missing-blob');
    for (const key of whole.keys()) {
      if (key === digestKey(action.digest)) continue;
      store.blobs.clear();
      for (const [other, bytes] of whole) if (other !== key) store.blobs.set(other, bytes);
      const incomplete = start(action);
      await settled();
      expect(reasonOf(incomplete)).toBe('missing-blob');
    }
    const nonsense = start({ digest: store.put(Buffer.from([255, 1, 2])), hints: action.hints });
    await settled();
    expect(reasonOf(nonsense)).toBe('invalid-request');
  });

  test('pins its blobs from the queue to its end', async () => {
    const w = worker('w');
    const action = sampleAction(store, 'a');
    start(action);
    await settled();
    expect(store.pinned).toContain(digestKey(action.digest));
    w.leaseOf('a.c').succeed();
    await settled();
    expect(store.pinned).toEqual([]);
  });

  test('whose result names outputs that are not in the store goes to another worker', async () => {
    const bad = worker('bad', { cores: 8 });
    const call = compile('a');
    await settled();
    const good = worker('good');
    const digest = digestOf(Buffer.from('never uploaded'));
    bad.leaseOf('a.c').succeedWith(ActionResult.fromPartial({ outputFiles: [{ path: 'o', digest }] }));
    await settled();
    good.leaseOf('a.c').succeed();
    await settled();
    expect(outcomeOf(call)).toMatchObject({ worker: 'good', attempts: 2 });
  });
});

describe('several clients', () => {
  test('that want the same action share one run', async () => {
    const w = worker('w', { slots: 2 });
    const first = compile('a');
    await settled();
    w.leaseOf('a.c').running();
    const second = compile('a');
    await settled();
    expect(w.leases).toHaveLength(1);
    expect(second.stages).toEqual(['running w']);
    w.leaseOf('a.c').succeed();
    await settled();
    expect([reasonOf(first), reasonOf(second)]).toEqual(['ok', 'ok']);
    expect(scheduler.counters).toMatchObject({ executed: 1, coalesced: 1 });
  });

  test('that come at the same moment share one run', async () => {
    const w = worker('w', { slots: 4 });
    const calls = [compile('a'), compile('a'), compile('a')];
    await settled();
    expect(w.leases).toHaveLength(1);
    w.leaseOf('a.c').succeed();
    await settled();
    expect(calls.map(reasonOf)).toEqual(['ok', 'ok', 'ok']);
  });

  test('may leave: the run goes on for the other one', async () => {
    const w = worker('w');
    const leaving = compile('a');
    const staying = compile('a');
    await settled();
    leaving.abort.abort();
    await settled();
    expect(reasonOf(leaving)).toBe('cancelled');
    expect(w.leaseOf('a.c').signal.aborted).toBe(false);
    w.leaseOf('a.c').succeed();
    await settled();
    expect(reasonOf(staying)).toBe('ok');
  });

  test('that all leave end the lease', async () => {
    const w = worker('w');
    const calls = [compile('a'), compile('a')];
    await settled();
    for (const call of calls) call.abort.abort();
    await settled();
    expect(calls.map(reasonOf)).toEqual(['cancelled', 'cancelled']);
    expect(w.leaseOf('a.c').signal.aborted).toBe(true);
    expect(scheduler.status()).toMatchObject({ queued: 0, running: 0 });
  });

  test('are served by turns', async () => {
    const w = worker('w');
    for (let i = 0; i < 6; i++) compile(`big${i}`, { hints: { client: 'big' } });
    await settled();
    for (let i = 0; i < 2; i++) compile(`late${i}`, { hints: { client: 'late' } });
    await settled();
    for (let i = 0; i < 6; i++) {
      w.leases[i]?.succeed();
      await settled();
    }
    const order = w.leases.map((lease) => lease.request.hints.client);
    expect(order.slice(0, 6).filter((client) => client === 'late')).toHaveLength(2);
  });
});

describe('cancelling', () => {
  test('a queued action never reaches a worker', async () => {
    const w = worker('w');
    compile('a');
    compile('b');
    const queued = compile('c');
    await settled();
    queued.abort.abort();
    await settled();
    expect(reasonOf(queued)).toBe('cancelled');
    w.leases[0]?.succeed();
    w.leases[1]?.succeed();
    await settled();
    expect(w.leases.map((lease) => lease.label)).not.toContain('c.c');
  });

  test('before anything happened is answered at once', async () => {
    const action = sampleAction(store, 'a');
    const request = { action: action.digest, hints: action.hints, skipCacheLookup: false };
    const result = await scheduler.execute(request, () => {}, AbortSignal.abort());
    expect(result).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
  });

  test('keeps a result that arrives all the same for the next client', async () => {
    const w = worker('w');
    w.stubborn = true;
    const call = compile('a');
    await settled();
    call.abort.abort();
    await settled();
    expect(reasonOf(call)).toBe('cancelled');
    w.leaseOf('a.c').succeed();
    await settled();
    const next = compile('a');
    await settled();
    expect(outcomeOf(next).cached).toBe(true);
  });

  test('frees the slot of a worker that does not react only after a while', async () => {
    const w = worker('w');
    w.stubborn = true;
    const calls = [compile('a'), compile('b')];
    await settled();
    for (const call of calls) call.abort.abort();
    compile('c');
    await settled();
    expect(w.leases).toHaveLength(2);
    await clock.advance(5_000);
    expect(w.leaseOf('c.c')).toBeDefined();
  });
});

describe('a failing worker', () => {
  test('is followed by another one, and the failed one gets the action no more', async () => {
    const bad = worker('bad');
    const call = compile('a');
    await settled();
    const good = worker('good');
    bad.leaseOf('a.c').fail('worker-failed');
    await settled();
    good.leaseOf('a.c').running();
    good.leaseOf('a.c').succeed();
    await settled();
    expect(outcomeOf(call)).toMatchObject({ worker: 'good', attempts: 2 });
    expect(call.stages).toEqual(['queued', 'leased bad', 'queued', 'leased good', 'running good']);
    expect(bad.leases).toHaveLength(1);
  });

  test('is tried again when there is nobody else, three times in all', async () => {
    const w = worker('w');
    const call = compile('a');
    for (let i = 0; i < 3; i++) {
      await settled();
      w.leases[i]?.fail('worker-failed');
    }
    await settled();
    expect(reasonOf(call)).toBe('worker-failed');
    expect(w.leases).toHaveLength(3);
  });

  test('does not make the scheduler try what cannot be mended', async () => {
    for (const reason of ['missing-blob', 'invalid-request'] as const) {
      const w = worker(`for-${reason}`);
      const call = compile(`unit-${reason}`);
      await settled();
      w.leases[0]?.fail(reason);
      await settled();
      expect(reasonOf(call)).toBe(reason);
      w.leave();
    }
  });

  test('that hits a limit is followed by one other try', async () => {
    const w = worker('w');
    const call = compile('a');
    await settled();
    w.leases[0]?.fail('limit-exceeded');
    await settled();
    expect(reasonOf(call)).toBe('pending');
    w.leases[1]?.fail('limit-exceeded');
    await settled();
    expect(reasonOf(call)).toBe('limit-exceeded');
  });

  test('that throws counts like one that failed', async () => {
    const broken = new FakeWorker(store, 'broken');
    broken.lease = () => Promise.reject(new Error('a bug'));
    broken.joinTo(scheduler);
    const call = compile('a');
    await settled();
    expect(reasonOf(call)).toBe('worker-failed');
  });

  test('that gives no answer in time counts like one that failed', async () => {
    await scheduler.close();
    scheduler = await open({ leaseTimeoutMs: 20_000 });
    const silent = worker('silent');
    silent.stubborn = true;
    const call = compile('a');
    await settled();
    expect(silent.leases[0]?.request.timeoutMs).toBe(20_000);
    silent.leases[0]?.running();
    await clock.advance(24_999);
    expect(silent.leases).toHaveLength(1);
    await clock.advance(1);
    expect(silent.leases).toHaveLength(2);
    silent.leases[1]?.succeed();
    await settled();
    expect(outcomeOf(call).attempts).toBe(2);
  });

  test('answers late for nothing: the lease has ended', async () => {
    await scheduler.close();
    scheduler = await open({ leaseTimeoutMs: 20_000 });
    const silent = worker('silent');
    silent.stubborn = true;
    const call = compile('a');
    await clock.advance(25_000);
    const [first, second] = silent.leases;
    first?.succeed('late');
    second?.succeed('in time');
    await settled();
    expect(outcomeOf(call).result.outputFiles[0]?.contents.toString()).toBe('in time');
    expect(scheduler.counters.executed).toBe(1);
  });
});

describe('quarantine', () => {
  async function failAll(w: FakeWorker, names: readonly string[]): Promise<void> {
    for (const name of names) {
      compile(name);
      for (let i = 0; i < 3; i++) {
        await settled();
        w.leases.at(-1)?.fail('worker-failed');
      }
      await settled();
    }
  }

  test('comes after three different actions in a row, is shown, and ends', async () => {
    const w = worker('w');
    await failAll(w, ['a', 'b']);
    expect(scheduler.status().workers[0]?.quarantined).toBeNull();
    compile('c');
    await settled();
    w.leases.at(-1)?.fail('worker-failed');
    await settled();
    expect(scheduler.status().workers[0]?.quarantined).toMatch(/3 actions .* back in 30 s/);
    const waiting = compile('d');
    await clock.advance(2_000);
    expect(reasonOf(waiting)).toBe('no-worker');
    await clock.advance(28_001);
    expect(scheduler.status().workers[0]?.quarantined).toBeNull();
    const after = compile('e');
    await settled();
    w.leaseOf('e.c').succeed();
    await settled();
    expect(reasonOf(after)).toBe('ok');
  });

  test('lasts longer when the first action after it fails too, and is remembered over a reconnect', async () => {
    let w = worker('w');
    await failAll(w, ['a', 'b', 'c']);
    await clock.advance(31_000);
    w.leave();
    w = worker('w');
    compile('d');
    await settled();
    w.leaseOf('d.c').fail('worker-failed');
    await settled();
    expect(scheduler.status().workers[0]?.quarantined).toMatch(/back in 60 s/);
  });

  test('does not strike workers that all fail on the same actions', async () => {
    const workers = [worker('v'), worker('w')];
    for (const name of ['a', 'b', 'c', 'd']) {
      compile(name);
      for (let i = 0; i < 3; i++) {
        await settled();
        for (const each of workers) each.leases.at(-1)?.fail('worker-failed');
      }
      await settled();
    }
    expect(scheduler.status().workers.map((each) => each.quarantined)).toEqual([null, null]);
    expect(scheduler.counters.quarantines).toBe(0);
  });

  test('is forgotten by a success between the failures', async () => {
    const w = worker('w');
    await failAll(w, ['a', 'b']);
    compile('good');
    await settled();
    w.leaseOf('good.c').succeed();
    await failAll(w, ['c']);
    expect(scheduler.status().workers[0]?.quarantined).toBeNull();
  });
});

describe('workers that come and go', () => {
  test('without a worker the action waits for one and then fails as no-worker', async () => {
    const call = compile('a');
    await clock.advance(1_999);
    expect(reasonOf(call)).toBe('pending');
    await clock.advance(1);
    expect(reasonOf(call)).toBe('no-worker');
  });

  test('a worker that joins in time gets the action', async () => {
    const call = compile('a');
    await clock.advance(1_900);
    const w = worker('w');
    await clock.advance(1_000);
    w.leaseOf('a.c').succeed();
    await settled();
    expect(reasonOf(call)).toBe('ok');
  });

  test('a busy worker is no reason to give up', async () => {
    const w = worker('w');
    const calls = [compile('a'), compile('b'), compile('c')];
    await clock.advance(10_000);
    expect(calls.map(reasonOf)).toEqual(['pending', 'pending', 'pending']);
    expect(w.leases).toHaveLength(2);
  });

  test('another architecture or a broken toolchain is', async () => {
    worker('arm', { arch: 'aarch64' });
    const toolchain = digestOf(Buffer.from('gcc'));
    const broken = worker('broken');
    broken.say({ brokenToolchains: [toolchain.hash] });
    const call = compile('a', { hints: { toolchain } });
    await clock.advance(2_000);
    expect(reasonOf(call)).toBe('no-worker');
  });

  test('a worker that leaves takes nothing with it: running, prefetched and queued go to the next', async () => {
    const dying = worker('dying');
    const calls = [compile('a'), compile('b'), compile('c')];
    await settled();
    dying.leases[0]?.running();
    await settled();
    expect(dying.leases).toHaveLength(2);
    const next = worker('next', { slots: 3 });
    dying.leave();
    await settled();
    expect(next.leases.map((lease) => lease.label).sort()).toEqual(['a.c', 'b.c', 'c.c']);
    for (const lease of next.leases) lease.succeed();
    await settled();
    expect(calls.map(reasonOf)).toEqual(['ok', 'ok', 'ok']);
    expect(scheduler.status().workers.map((each) => each.name)).toEqual(['next']);
  });

  test('what a lost worker held goes before what was queued', async () => {
    const dying = worker('dying');
    compile('a');
    compile('b');
    compile('c', { hints: { costKey: 'c' } });
    await settled();
    const held = dying.leases.map((lease) => lease.label);
    const next = worker('next');
    dying.leave();
    await settled();
    expect(next.leases.map((lease) => lease.label).sort()).toEqual(held.sort());
  });

  test('an answer after the worker left changes nothing', async () => {
    const dying = worker('dying');
    dying.stubborn = true;
    const call = compile('a');
    await settled();
    dying.leave();
    await settled();
    dying.leaseOf('a.c').succeed('from the grave');
    const next = worker('next');
    await settled();
    next.leaseOf('a.c').succeed('alive');
    await settled();
    expect(outcomeOf(call).worker).toBe('next');
  });

  test('an action that loses every worker ends as a failure after three', async () => {
    const call = compile('a');
    for (let i = 0; i < 3; i++) {
      const w = worker(`w${i}`);
      await settled();
      w.leaseOf('a.c').running();
      w.leave();
      await settled();
    }
    expect(reasonOf(call)).toBe('worker-failed');
  });

  test('a draining worker keeps what it has and gets nothing new', async () => {
    const w = worker('w');
    const first = compile('a');
    await settled();
    w.say({ draining: true });
    const second = compile('b');
    await clock.advance(2_000);
    w.leaseOf('a.c').succeed();
    await settled();
    expect([reasonOf(first), reasonOf(second)]).toEqual(['ok', 'no-worker']);
  });

  test('two workers with one id are both used', async () => {
    const one = worker('one', { id: 'same' });
    const two = worker('two', { id: 'same' });
    compile('a');
    compile('b');
    await settled();
    expect([one.leases.length, two.leases.length]).toEqual([1, 1]);
    one.leave();
    expect(scheduler.status().workers.map((each) => each.name)).toEqual(['two']);
  });
});

describe('stragglers', () => {
  async function late(): Promise<{ call: Call; first: FakeWorker; second: FakeWorker }> {
    const first = worker('first');
    const call = compile('a');
    await settled();
    first.leaseOf('a.c').running();
    const second = worker('second');
    await clock.advance(11_000);
    expect(second.leases).toHaveLength(1);
    return { call, first, second };
  }

  test('are run a second time on an idle worker; the first answer wins and the other run is cancelled', async () => {
    const { call, first, second } = await late();
    second.leaseOf('a.c').succeed();
    await settled();
    expect(outcomeOf(call).worker).toBe('second');
    expect(first.leaseOf('a.c').signal.aborted).toBe(true);
    expect(cache.results.size).toBe(1);
    expect(scheduler.counters).toMatchObject({ duplicates: 1, duplicateWins: 1, differing: 0 });
    expect(scheduler.status()).toMatchObject({ queued: 0, running: 0 });
  });

  test('may still win themselves', async () => {
    const { call, first, second } = await late();
    first.leaseOf('a.c').succeed();
    await settled();
    expect(outcomeOf(call)).toMatchObject({ worker: 'first', attempts: 1 });
    expect(second.leaseOf('a.c').signal.aborted).toBe(true);
    expect(scheduler.counters.duplicateWins).toBe(0);
  });

  test('are not given up while one copy is left', async () => {
    const { call, first, second } = await late();
    second.leaseOf('a.c').fail('invalid-request');
    await settled();
    expect(reasonOf(call)).toBe('pending');
    first.leaseOf('a.c').succeed();
    await settled();
    expect(reasonOf(call)).toBe('ok');
  });

  test('whose two results differ are counted and not cached, now and later', async () => {
    const { call, first, second } = await late();
    first.stubborn = true;
    second.leaseOf('a.c').succeed('one');
    await settled();
    expect(reasonOf(call)).toBe('ok');
    expect(cache.results.size).toBe(0);
    first.leaseOf('a.c').succeed('two');
    await settled();
    expect(scheduler.counters.differing).toBe(1);
    compile('a');
    await settled();
    second.leases.at(-1)?.succeed('one');
    first.leases.at(-1)?.succeed('one');
    await settled();
    expect(cache.results.size).toBe(0);
  });

  test('that still wait for their turn are given up once their copy runs, and nobody is blamed', async () => {
    const first = worker('first');
    compile('a');
    await settled();
    first.leaseOf('a.c').running();
    const call = compile('b');
    await settled();
    const second = worker('second');
    await clock.advance(11_000);
    const waiting = first.leaseOf('b.c');
    const copy = second.leases.find(({ request }) => request.hints.label === 'b.c');
    expect([waiting.signal.aborted, copy === undefined]).toEqual([false, false]);
    copy?.running();
    await settled();
    expect(waiting.signal.aborted).toBe(true);
    expect(reasonOf(call)).toBe('pending');
    copy?.fail('worker-failed');
    await settled();
    first.leases.at(-1)?.succeed();
    await settled();
    expect(reasonOf(call)).toBe('ok');
    expect(scheduler.counters.quarantines).toBe(0);
  });

  test('whose two results agree are cached', async () => {
    const { first, second } = await late();
    first.stubborn = true;
    second.leaseOf('a.c').succeed('one');
    await settled();
    first.leaseOf('a.c').succeed('one');
    await settled();
    expect(cache.results.size).toBe(1);
    expect(scheduler.counters.differing).toBe(0);
  });
});

describe('what was learned', () => {
  test('is saved now and then and at the end, and used after a restart', async () => {
    let saved: unknown;
    let saves = 0;
    const learned = {
      load: async () => saved,
      save: async (data: unknown) => {
        saves += 1;
        saved = JSON.parse(JSON.stringify(data));
      },
    };
    await scheduler.close();
    scheduler = await open({ learned });
    const [slow, fast] = [worker('slow'), worker('fast')];
    for (let i = 0; i < 8; i++) {
      const action = sampleAction(store, `u${i}`);
      for (const skip of [false, true]) {
        start(action, skip);
        await settled();
        for (const lease of slow.leases) lease.succeed(lease.label, { runMs: 4000 });
        for (const lease of fast.leases) lease.succeed(lease.label, { runMs: 500 });
        await settled();
      }
      compile(`v${i}`);
      compile(`w${i}`);
      await settled();
      for (const lease of slow.leases) lease.succeed(lease.label, { runMs: 4000 });
      for (const lease of fast.leases) lease.succeed(lease.label, { runMs: 500 });
      await settled();
    }
    await clock.advance(60_000);
    expect(saves).toBe(1);
    await scheduler.close();
    expect(saves).toBe(2);
    scheduler = await open({ learned });
    const again = [worker('slow'), worker('fast')];
    const speeds = Object.fromEntries(scheduler.status().workers.map((each) => [each.name, each.speed]));
    expect(speeds['fast']).toBeGreaterThan(2 * speeds['slow']!);
    compile('new');
    await settled();
    expect(again.map((each) => each.leases.length)).toEqual([0, 1]);
  });
});

describe('closing', () => {
  test('answers everybody and leaves no timer behind', async () => {
    const w = worker('w');
    const calls = [compile('a'), compile('b'), compile('c')];
    await settled();
    await scheduler.close();
    await settled();
    expect(calls.map(reasonOf)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(w.leases.every((lease) => lease.signal.aborted)).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('answers a request that was still being looked up', async () => {
    const call = compile('a');
    await scheduler.close();
    await settled();
    expect(reasonOf(call)).toBe('disconnected');
  });
});
