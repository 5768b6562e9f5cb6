import { describe, expect, test } from '@jest/globals';
import { deferred } from '../../../src/base/deferred.ts';
import { SingleFlight } from '../../../src/worker/single-flight.ts';

describe('SingleFlight', () => {
  test('does the work once for all who wait, and again for who comes later', async () => {
    const flights = new SingleFlight<number>();
    const signal = new AbortController().signal;
    const work = deferred<number>();
    let started = 0;
    const start = () => {
      started += 1;
      return work.promise;
    };
    const both = [flights.run('k', signal, start), flights.run('k', signal, start)];
    work.resolve(7);
    expect(await Promise.all(both)).toEqual([7, 7]);
    expect(started).toBe(1);
    await flights.run('k', signal, start);
    expect(started).toBe(2);
  });

  test('one who gives up leaves the work to the others; the last one ends it', async () => {
    const flights = new SingleFlight<number>();
    const aborts = [new AbortController(), new AbortController()];
    let own: AbortSignal | undefined;
    const start = (signal: AbortSignal) => {
      own = signal;
      return new Promise<number>(() => {});
    };
    const waiting = aborts.map(({ signal }) => flights.run('k', signal, start));
    aborts[0]!.abort();
    expect(await waiting[0]).toBeUndefined();
    expect(own?.aborted).toBe(false);
    aborts[1]!.abort();
    expect(await waiting[1]).toBeUndefined();
    expect(own?.aborted).toBe(true);
    expect(await flights.run('k', new AbortController().signal, async () => 3)).toBe(3);
  });
});
