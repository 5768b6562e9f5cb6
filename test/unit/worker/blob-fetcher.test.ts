import { describe, expect, test } from '@jest/globals';
import { deferred } from '../../../src/base/deferred.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { BlobStore } from '../../../src/model/blob-store.ts';
import { digestKey, digestOf, type Digest } from '../../../src/model/digest.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { batchesOf, BlobFetcher, type WorkerStore } from '../../../src/worker/blob-fetcher.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const mib = 1024 * 1024;
const memory = () => new MemoryStore({ clock: new FakeClock(), limitBytes: 1024 * mib });
const sized = (sizeBytes: number): Digest => ({ ...digestOf(Buffer.from(String(sizeBytes))), sizeBytes });

/** A far store whose batches wait until they are let go, and are counted. */
function slow(from: BlobStore) {
  const gate = deferred<void>();
  const asked: string[] = [];
  const store = Object.assign(Object.create(from) as BlobStore, {
    readMany: async (digests: readonly Digest[], signal?: AbortSignal) => {
      asked.push(...digests.map(digestKey));
      const cancelled = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
      await Promise.race([gate.promise, cancelled]);
      if (signal?.aborted) return err({ reason: 'cancelled', message: 'gone' } as const);
      return from.readMany(digests);
    },
  });
  return { store, gate, asked };
}

async function stored(...texts: string[]) {
  const far = memory();
  const digests: Digest[] = [];
  for (const text of texts) {
    const bytes = Buffer.from(text);
    digests.push(digestOf(bytes));
    await far.write(digestOf(bytes), bytes);
  }
  return { far, digests };
}

const fetcherOn = (store: MemoryStore) => new BlobFetcher(store as unknown as WorkerStore);
const never = () => new AbortController().signal;

describe('BlobFetcher', () => {
  test('batches hold at most 1 MiB, larger blobs go alone', () => {
    const sizes = [400_000, 400_000, 400_000, 3 * mib, 5];
    expect(batchesOf(sizes.map(sized)).map((batch) => batch.map(({ sizeBytes }) => sizeBytes))).toEqual([
      [400_000, 400_000],
      [400_000],
      [3 * mib],
      [5],
    ]);
  });

  test('two leases that want the same blobs ask for each of them once', async () => {
    const { far, digests } = await stored('a', 'b', 'c');
    const { store, gate, asked } = slow(far);
    const near = memory();
    const fetcher = fetcherOn(near);
    const both = [fetcher.fetch(digests.slice(0, 2), store, never()), fetcher.fetch(digests.slice(1), store, never())];
    gate.resolve();
    expect(await Promise.all(both)).toEqual([ok(undefined), ok(undefined)]);
    expect([...asked].sort()).toEqual(digests.map(digestKey).sort());
    expect(await near.findMissing(digests)).toEqual(ok([]));
  });

  test('a lease that goes away does not take the blobs from one that waits for the same', async () => {
    const { far, digests } = await stored('a');
    const { store, gate } = slow(far);
    const fetcher = fetcherOn(memory());
    const leaving = new AbortController();
    const first = fetcher.fetch(digests, store, leaving.signal);
    const second = fetcher.fetch(digests, store, never());
    leaving.abort();
    gate.resolve();
    expect(await first).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
    expect(await second).toEqual(ok(undefined));
  });

  test('blobs above the size of a message come in chunks and are verified', async () => {
    const bytes = Buffer.alloc(2.5 * mib, 'x');
    const far = memory();
    const digest = digestOf(bytes);
    await far.write(digest, bytes);
    const near = memory();
    expect(await fetcherOn(near).fetch([digest], far, never())).toEqual(ok(undefined));
    expect(await near.findMissing([digest])).toEqual(ok([]));
    const liar = Object.assign(Object.create(far) as BlobStore, {
      readChunk: async (_digest: Digest, _offset: number, limit: number) =>
        ok(new Uint8Array(Math.min(limit, mib / 2))),
    });
    expect(await fetcherOn(memory()).fetch([digest], liar, never())).toMatchObject({
      error: { reason: 'store-failed' },
    });
  });
});
