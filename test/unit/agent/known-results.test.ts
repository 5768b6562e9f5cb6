import { describe, expect, test } from '@jest/globals';
import { Counters } from '../../../src/agent/counters.ts';
import { KnownResults } from '../../../src/agent/known-results.ts';
import { err, ok } from '../../../src/base/result.ts';
import { ActionResult } from '../../../src/model/action.ts';
import { digestOf, type Digest } from '../../../src/model/digest.ts';
import type { RemoteExecutor } from '../../../src/model/remote-executor.ts';
import { MapStore } from '../../support/memory-cluster.ts';

const key = (n: number): Digest => digestOf(Buffer.from(`key ${n}`));
const signal = new AbortController().signal;

/** A cluster that keeps a result under every key. */
class FullCluster implements RemoteExecutor {
  readonly blobs = new MapStore();
  readonly asked: Digest[] = [];
  readonly rejected: [Digest, string][] = [];

  async getActionResult(asked: Digest) {
    this.asked.push(asked);
    return ok(ActionResult.fromPartial({ exitCode: 0 }));
  }

  rejectResult(rejected: Digest, why: string): void {
    this.rejected.push([rejected, why]);
  }

  async execute() {
    return err({ reason: 'no-worker', message: 'nothing runs here' } as const);
  }
}

describe('the results that an agent knows of', () => {
  test('are asked for until one is refused; then the cluster is told why, and not asked again', async () => {
    const known = new KnownResults(new Counters());
    const cluster = new FullCluster();
    expect(await known.find(key(1), cluster, signal)).toMatchObject({ ok: true, value: { exitCode: 0 } });
    known.refuse(key(1), cluster, 'the worker read b.h');
    expect(cluster.rejected).toEqual([[key(1), 'the worker read b.h']]);
    expect(await known.find(key(1), cluster, signal)).toEqual(ok(undefined));
    expect(await known.find(key(2), cluster, signal)).toMatchObject({ ok: true, value: { exitCode: 0 } });
    expect(cluster.asked).toEqual([key(1), key(2)]);
  });

  test('are asked for again once a result that was made anew passed the proof', async () => {
    const known = new KnownResults(new Counters());
    const cluster = new FullCluster();
    known.refuse(key(1), cluster, 'why');
    expect(known.refuses(key(1))).toBe(true);
    known.believe(key(1));
    expect(known.refuses(key(1))).toBe(false);
    await known.find(key(1), cluster, signal);
    expect(cluster.asked).toEqual([key(1)]);
  });

  test('do not pile up: of very many refusals the oldest are forgotten', () => {
    const known = new KnownResults(new Counters());
    const cluster = new FullCluster();
    for (let n = 0; n <= 10_000; n += 1) known.refuse(key(n), cluster, 'why');
    expect([known.refuses(key(0)), known.refuses(key(1)), known.refuses(key(10_000))]).toEqual([false, true, true]);
  });
});
