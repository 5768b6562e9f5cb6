// Workers in quarantine: who gets no work, what becomes of what they held and left, and that it outlives the scheduler.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../../src/base/log.ts';
import { digestOf } from '../../../src/model/digest.ts';
import type { LearnedStore } from '../../../src/scheduler/learned-store.ts';
import { QuarantineList } from '../../../src/scheduler/quarantine-list.ts';
import { Scheduler } from '../../../src/scheduler/scheduler.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { FakeWorker, MapActionCache, MapStore, sampleAction } from '../../support/memory-cluster.ts';

class MemoryFile implements LearnedStore {
  data: unknown;
  async load(): Promise<unknown> {
    return this.data;
  }
  async save(data: unknown): Promise<void> {
    this.data = JSON.parse(JSON.stringify(data));
  }
}

let clock: FakeClock;
let store: MapStore;
let cache: MapActionCache;
let file: MemoryFile;
let scheduler: Scheduler;

async function open(): Promise<Scheduler> {
  return Scheduler.open({
    blobs: store,
    actionCache: cache,
    clock,
    log: silentLog,
    version: 'test',
    quarantined: file,
  });
}

beforeEach(async () => {
  clock = new FakeClock();
  store = new MapStore();
  cache = new MapActionCache();
  file = new MemoryFile();
  scheduler = await open();
});

afterEach(async () => {
  await scheduler.close();
});

function run(name: string) {
  const { digest, hints } = sampleAction(store, name);
  return scheduler.execute({ action: digest, hints, skipCacheLookup: false }, () => {});
}

describe('a worker in quarantine', () => {
  test('loses what it has in hand to another worker, and its late answer counts for nothing', async () => {
    const wrong = new FakeWorker(store, 'wrong').joinTo(scheduler);
    wrong.stubborn = true;
    const answer = run('a');
    await settled();
    const held = wrong.leaseOf('a.c');
    held.running();
    const right = new FakeWorker(store, 'right').joinTo(scheduler);
    expect(await scheduler.quarantineWorker('wrong', 'other bytes')).toEqual({
      ok: true,
      value: { wasQuarantined: false, connected: 1 },
    });
    held.succeed('spoiled');
    await settled();
    right.leaseOf('a.c').succeed('good');
    expect(await answer).toMatchObject({ ok: true, value: { worker: 'right' } });
    const [kept] = [...cache.results.values()];
    expect(kept?.outputFiles[0]?.digest).toEqual(digestOf(Buffer.from('good')));
    expect(kept?.executionMetadata?.worker).toBe('right');
  });

  test('gets nothing more, whatever it is called when it comes back, until that is lifted', async () => {
    const worker = new FakeWorker(store, 'wrong', { id: 'board-7' }).joinTo(scheduler);
    await scheduler.quarantineWorker('wrong', 'other bytes');
    worker.leave();
    const renamed = new FakeWorker(store, 'fresh', { id: 'board-7' }).joinTo(scheduler);
    const namesake = new FakeWorker(store, 'wrong', { id: 'board-8' }).joinTo(scheduler);
    const answer = run('a');
    await settled();
    await clock.advance(60_000);
    await settled();
    expect(await answer).toMatchObject({ ok: false, error: { reason: 'no-worker' } });
    expect([renamed.leases, namesake.leases]).toEqual([[], []]);
    expect(scheduler.status()).toMatchObject({
      quarantined: [{ worker: 'wrong', ids: ['board-7'], why: 'other bytes' }],
      workers: [{ quarantined: 'other bytes' }, { quarantined: 'other bytes' }],
    });
    expect(await scheduler.liftQuarantine('wrong')).toMatchObject({ ok: true, value: { wasQuarantined: true } });
    const again = run('b');
    await settled();
    const [lease] = [...renamed.leases, ...namesake.leases];
    lease?.succeed();
    expect(await again).toMatchObject({ ok: true });
    expect(scheduler.status().quarantined).toEqual([]);
  });

  test('leaves results behind that nobody gets any more', async () => {
    const wrong = new FakeWorker(store, 'wrong').joinTo(scheduler);
    const first = run('a');
    await settled();
    wrong.leaseOf('a.c').succeed('spoiled');
    await first;
    await settled();
    const { digest } = sampleAction(store, 'a');
    expect(await scheduler.getActionResult(digest)).toMatchObject({ ok: true, value: { exitCode: 0 } });
    await scheduler.quarantineWorker('wrong', 'other bytes');
    expect(await scheduler.getActionResult(digest)).toEqual({ ok: true, value: undefined });
    expect(cache.results.size).toBe(0);
  });

  test('is remembered by the next scheduler', async () => {
    await scheduler.quarantineWorker('wrong', 'other bytes');
    await scheduler.close();
    scheduler = await open();
    const wrong = new FakeWorker(store, 'wrong').joinTo(scheduler);
    const right = new FakeWorker(store, 'right').joinTo(scheduler);
    const answer = run('a');
    await settled();
    right.leaseOf('a.c').succeed();
    expect(await answer).toMatchObject({ ok: true, value: { worker: 'right' } });
    expect(wrong.leases).toEqual([]);
    expect(await scheduler.liftQuarantine('nobody')).toMatchObject({ ok: true, value: { wasQuarantined: false } });
  });
});

describe('the list', () => {
  test('keeps the first reason, adds ids, starts empty when the file is damaged, and is bounded', async () => {
    const entry = { worker: 'w', ids: ['1'], why: 'first', sinceMs: 5 };
    const list = await QuarantineList.open(file);
    await list.add(entry);
    await list.add({ ...entry, ids: ['2'], why: 'second' });
    expect((await QuarantineList.open(file)).entries).toEqual([{ ...entry, ids: ['1', '2'] }]);
    file.data = { v: 1, workers: [{ worker: 5 }] };
    const fresh = await QuarantineList.open(file);
    expect(fresh.entries).toEqual([]);
    for (let at = 0; at < 1000; at += 1) await fresh.add({ ...entry, worker: `w${at}` });
    expect(await fresh.add({ ...entry, worker: 'one too many' })).toMatchObject({
      ok: false,
      error: { reason: 'limit-exceeded' },
    });
  });
});
