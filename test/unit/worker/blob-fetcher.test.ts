import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { deferred } from '../../../src/base/deferred.ts';
import { silentLog } from '../../../src/base/log.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { BlobStore } from '../../../src/model/blob-store.ts';
import { digestKey, digestOf, type Digest } from '../../../src/model/digest.ts';
import { openDiskStore } from '../../../src/store/disk-store.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { batchesOf, BlobFetcher, type WorkerStore } from '../../../src/worker/blob-fetcher.ts';
import { OwnFiles } from '../../../src/worker/own-files.ts';
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

  test('what this machine has at the same path is taken from there when the bytes are the same, else sent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'icets-own-'));
    const large = Buffer.alloc(1.5 * mib, 'y');
    const bytes: Record<string, Buffer> = {
      same: Buffer.from('same'),
      other: Buffer.from('new!'),
      absent: Buffer.from('n'),
      large,
    };
    const far = memory();
    for (const each of Object.values(bytes)) await far.write(digestOf(each), each);
    writeFileSync(join(folder, 'same'), 'same');
    writeFileSync(join(folder, 'other'), 'old?');
    writeFileSync(join(folder, 'large'), large);
    const paths = new Map(Object.entries(bytes).map(([name, each]) => [digestKey(digestOf(each)), join(folder, name)]));
    const digests = Object.values(bytes).map((each) => digestOf(each));
    const run = async (folders: readonly string[]) => {
      const { store, gate, asked } = slow(far);
      gate.resolve();
      const chunks: string[] = [];
      Object.assign(store, {
        readChunk: (digest: Digest, offset: number, limit: number) => {
          chunks.push(digestKey(digest));
          return far.readChunk(digest, offset, limit);
        },
      });
      const near = await openDiskStore({
        dir: mkdtempSync(join(folder, 'store-')),
        limitBytes: 64 * mib,
        clock: new FakeClock(),
        log: silentLog,
      });
      if (!near.ok) throw new Error(near.error.message);
      const fetcher = new BlobFetcher(near.value, new OwnFiles(folders));
      expect(await fetcher.fetch(digests, store, never(), (digest) => paths.get(digestKey(digest)))).toEqual(
        ok(undefined),
      );
      for (const [index, each] of Object.values(bytes).entries()) {
        const path = await near.value.pathFor(digests[index]!, { executable: false });
        expect(path.ok && readFileSync(path.value).equals(each)).toBe(true);
      }
      await near.value.close();
      return [...new Set([...asked, ...chunks])].map((key) =>
        Object.keys(bytes).find((name) => digestKey(digestOf(bytes[name]!)) === key),
      );
    };
    expect(await run([`${folder}/`])).toEqual(['other', 'absent']);
    writeFileSync(join(folder, 'large'), Buffer.alloc(1.5 * mib, 'z'));
    expect(await run([`${folder}/`])).toEqual(['other', 'absent', 'large']);
    expect(await run(['/usr/'])).toEqual(['same', 'other', 'absent', 'large']);
    rmSync(folder, { recursive: true });
  });
});
