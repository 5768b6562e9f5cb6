// Random lives of a cluster: clients come and give up, workers join, fail, hang and vanish. Every client gets an answer,
// nothing is left over, no worker holds more than it may.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { silentLog } from '../../src/base/log.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { FakeWorker, MapActionCache, MapStore, sampleAction, type FakeLease } from '../support/memory-cluster.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);

type Event =
  | { readonly kind: 'request'; readonly action: number; readonly client: number; readonly skip: boolean }
  | { readonly kind: 'abort' | 'leave' | 'drain' | 'refresh' | 'hang'; readonly pick: number }
  | { readonly kind: 'join'; readonly slots: number }
  | { readonly kind: 'end'; readonly pick: number; readonly how: 'ok' | 'differ' | 'error' | 'worker-failed' | 'limit' }
  | { readonly kind: 'run'; readonly pick: number }
  | { readonly kind: 'wait'; readonly ms: number };

const pick = fc.nat(1000);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      action: fc.nat(12),
      client: fc.nat(2),
      skip: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('abort', 'leave', 'drain', 'refresh', 'hang' as const), pick }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), slots: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      pick,
      how: fc.constantFrom('ok', 'ok', 'ok', 'differ', 'error', 'worker-failed', 'limit' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('run' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(40_000) }) },
);

describe('the scheduler under random events', () => {
  test('answers every client and leaves nothing over', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60 }), async (events) => {
        const clock = new FakeClock();
        const store = new MapStore();
        const actionCache = new MapActionCache();
        const scheduler = await Scheduler.open({ blobs: store, actionCache, clock, log: silentLog, version: 'test' });
        const ended = new Set<FakeLease>();
        const workers: FakeWorker[] = [];
        const requests: { readonly abort: AbortController; answers: number }[] = [];

        const openLeases = () =>
          workers.flatMap((w) => w.leases.filter((lease) => !ended.has(lease) && !lease.signal.aborted));
        const check = () => {
          for (const status of scheduler.status().workers) {
            // Not by what runs: these workers claim to run what should wait.
            const held = status.running.length + status.prefetched;
            if (held > status.slots + 1) throw new Error(`${status.name} holds ${held} leases`);
          }
        };

        for (const each of events) {
          switch (each.kind) {
            case 'request': {
              const hints = { client: `c${each.client}` };
              const action = sampleAction(store, `u${each.action}`, { doNotCache: each.action === 0, hints });
              const request = { abort: new AbortController(), answers: 0 };
              requests.push(request);
              void scheduler
                .execute(
                  { action: action.digest, hints: action.hints, skipCacheLookup: each.skip },
                  () => {},
                  request.abort.signal,
                )
                .then(() => {
                  request.answers += 1;
                });
              break;
            }
            case 'abort':
              requests[each.pick % Math.max(1, requests.length)]?.abort.abort();
              break;
            case 'join':
              workers.push(new FakeWorker(store, `w${workers.length}`, { slots: each.slots }).joinTo(scheduler));
              break;
            case 'leave':
              workers[each.pick % Math.max(1, workers.length)]?.leave();
              break;
            case 'drain':
              workers[each.pick % Math.max(1, workers.length)]?.say({ draining: true });
              break;
            case 'refresh':
              workers[each.pick % Math.max(1, workers.length)]?.say({ freeMemoryBytes: each.pick * 2 ** 20 });
              break;
            case 'hang': {
              const hanging = workers[each.pick % Math.max(1, workers.length)];
              if (hanging !== undefined) hanging.stubborn = true;
              break;
            }
            case 'run':
              openLeases()[each.pick % Math.max(1, openLeases().length)]?.running();
              break;
            case 'end': {
              const lease = openLeases()[each.pick % Math.max(1, openLeases().length)];
              if (lease === undefined) break;
              ended.add(lease);
              if (each.how === 'worker-failed') lease.fail('worker-failed');
              else if (each.how === 'limit') lease.fail('limit-exceeded');
              else if (each.how === 'differ') lease.succeed(`odd ${ended.size}`);
              else lease.succeed('same', { exitCode: each.how === 'error' ? 1 : 0 });
              break;
            }
            case 'wait':
              await clock.advance(each.ms);
              break;
          }
          await settled();
          check();
        }

        // Everybody who is left keeps silent: time limits alone must bring every client an answer.
        for (const worker of workers) worker.leave();
        await clock.advance(15 * 60_000);
        expect(requests.map((request) => request.answers)).toEqual(requests.map(() => 1));
        expect(scheduler.status()).toMatchObject({ queued: 0, running: 0, workers: [] });
        expect(store.pinned).toEqual([]);
        await scheduler.close();
        expect(clock.pending).toBe(0);
      }),
      { interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false, numRuns: 100_000 },
    );
  });
});
