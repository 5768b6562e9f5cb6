import { describe, expect, test } from '@jest/globals';
import { deferred } from '../../../src/base/deferred.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { BlobStore } from '../../../src/model/blob-store.ts';
import { digestKey, digestOf, type Digest } from '../../../src/model/digest.ts';
import { KnownBlobs } from '../../../src/store/known-blobs.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function blob(text: string): { digest: Digest; bytes: Uint8Array } {
  const bytes = Buffer.from(text);
  return { digest: digestOf(bytes), bytes };
}

/** A store that counts what it is asked, and may be told to wait or to fail. */
function setUp(maxEntries = 100) {
  const clock = new FakeClock();
  const memory = new MemoryStore({ clock, limitBytes: 1e6 });
  const asked: string[][] = [];
  const written: string[][] = [];
  const gate = { promise: Promise.resolve() };
  const behind: BlobStore = {
    findMissing: async (digests) => {
      asked.push(digests.map(digestKey));
      await gate.promise;
      return memory.findMissing(digests);
    },
    read: (digest) => memory.read(digest),
    readMany: (digests) => memory.readMany(digests),
    write: (digest, bytes) => memory.write(digest, bytes),
    writeMany: async (blobs, signal) => {
      written.push(blobs.map(({ digest }) => digestKey(digest)));
      await gate.promise;
      if (signal?.aborted === true) return err({ reason: 'cancelled', message: 'no longer wanted' });
      return memory.writeMany(blobs);
    },
    readChunk: (digest, offset, limit) => memory.readChunk(digest, offset, limit),
    openWrite: (digest) => memory.openWrite(digest),
  };
  const known = new KnownBlobs(behind, { clock, keepMs: 1000, maxEntries });
  return { clock, known, memory, asked, written, gate };
}

describe('known blobs', () => {
  test('does not ask again for what was found, until that is too long ago', async () => {
    const { clock, known, asked } = setUp();
    const { digest, bytes } = blob('a');
    await known.write(digest, bytes);
    expect(await known.findMissing([digest])).toEqual(ok([]));
    expect(asked.length).toBe(0);
    await clock.advance(1000);
    expect(await known.findMissing([digest])).toEqual(ok([]));
    expect(asked.length).toBe(1);
    await known.findMissing([digest]);
    expect(asked.length).toBe(1);
  });

  test('asks again for what was missing', async () => {
    const { known, asked } = setUp();
    const { digest } = blob('a');
    await known.findMissing([digest]);
    expect(await known.findMissing([digest])).toEqual(ok([digest]));
    expect(asked.length).toBe(2);
  });

  test('writes a blob once for all that want it at the same time', async () => {
    const { known, written, gate } = setUp();
    const open = deferred<void>();
    gate.promise = open.promise;
    const [a, b, c] = [blob('a'), blob('b'), blob('c')];
    const first = known.writeMany([a, b]);
    const second = known.writeMany([b, c]);
    open.resolve();
    expect(await Promise.all([first, second])).toEqual([ok(undefined), ok(undefined)]);
    expect(written).toEqual([[digestKey(a.digest), digestKey(b.digest)], [digestKey(c.digest)]]);
  });

  test('writes itself when the write that it waited for was cancelled', async () => {
    const { known, memory, gate } = setUp();
    const open = deferred<void>();
    gate.promise = open.promise;
    const a = blob('a');
    const ending = new AbortController();
    const first = known.write(a.digest, a.bytes, ending.signal);
    const second = known.write(a.digest, a.bytes);
    ending.abort();
    open.resolve();
    expect((await first).ok).toBe(false);
    expect(await second).toEqual(ok(undefined));
    expect(await memory.findMissing([a.digest])).toEqual(ok([]));
  });

  test('learns nothing from an answer that is older than a forget', async () => {
    const { known, asked, gate } = setUp();
    const a = blob('a');
    await known.write(a.digest, a.bytes);
    known.forgetAll();
    const open = deferred<void>();
    gate.promise = open.promise;
    const finding = known.findMissing([a.digest]);
    known.forget([a.digest]);
    open.resolve();
    await finding;
    await known.findMissing([a.digest]);
    expect(asked.length).toBe(2);
  });

  test('forgets a blob whose read failed', async () => {
    const { clock, known, asked } = setUp();
    const a = blob('a');
    const empty = new MemoryStore({ clock, limitBytes: 100 });
    await known.write(a.digest, a.bytes);
    const lossy = new KnownBlobs(
      { ...bound(empty), findMissing: async () => ok([]) },
      { clock, keepMs: 1000, maxEntries: 9 },
    );
    expect(await lossy.findMissing([a.digest])).toEqual(ok([]));
    expect(await lossy.read(a.digest)).toMatchObject({ ok: false, error: { reason: 'missing-blob' } });
    expect(asked.length).toBe(0);
  });

  test('remembers no more than it may', async () => {
    const { known, asked } = setUp(2);
    const blobs = ['a', 'b', 'c'].map(blob);
    for (const one of blobs) await known.write(one.digest, one.bytes);
    await known.findMissing(blobs.map((one) => one.digest));
    expect(asked).toEqual([[digestKey((blobs[0] as { digest: Digest }).digest)]]);
  });
});

function bound(store: BlobStore): BlobStore {
  return {
    findMissing: store.findMissing.bind(store),
    read: store.read.bind(store),
    readMany: store.readMany.bind(store),
    write: store.write.bind(store),
    writeMany: store.writeMany.bind(store),
    readChunk: store.readChunk.bind(store),
    openWrite: store.openWrite.bind(store),
  };
}
