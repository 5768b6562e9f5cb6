// What every BlobStore promises, asked of the memory store, the disk store, and a store at the far end of a Link.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../src/base/log.ts';
import type { Result } from '../../src/base/result.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { LinkBlobStore } from '../../src/link/link-blob-store.ts';
import type { BlobStore } from '../../src/model/blob-store.ts';
import { digestOf, emptyDigest, type Digest } from '../../src/model/digest.ts';
import { openDiskStore } from '../../src/store/disk-store.ts';
import { idleExecutor, memoryStore, openClient, startServer } from '../unit/link/loopback.ts';

interface Opened {
  readonly store: BlobStore;
  close(): Promise<void>;
}

async function openDisk(): Promise<Opened> {
  const dir = await mkdtemp(join(tmpdir(), 'icets-store-'));
  const opened = await openDiskStore({ dir, limitBytes: 1e9, clock: systemClock, log: silentLog });
  const store = value(opened);
  return {
    store,
    close: async () => {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
}

async function openLink(behind: Opened): Promise<Opened> {
  const server = await startServer({ executor: idleExecutor(behind.store) });
  const client = openClient(server);
  return {
    store: new LinkBlobStore(client),
    close: async () => {
      await client.close();
      await server.close();
      await behind.close();
    },
  };
}

const stores: Record<string, () => Promise<Opened>> = {
  'the memory store': async () => ({ store: memoryStore(), close: async () => {} }),
  'the disk store': openDisk,
  'a Link to a memory store': async () => openLink({ store: memoryStore(), close: async () => {} }),
  'a Link to a disk store': async () => openLink(await openDisk()),
};

function value<T>(result: Result<T, { readonly reason: string; readonly message: string }>): T {
  if (!result.ok) throw new Error(`${result.error.reason}: ${result.error.message}`);
  return result.value;
}

function reason(result: Result<unknown, { readonly reason: string }>): string {
  return result.ok ? 'no failure' : result.error.reason;
}

function blob(size: number): { digest: Digest; bytes: Uint8Array } {
  const bytes = randomBytes(size);
  return { digest: digestOf(bytes), bytes };
}

describe.each(Object.keys(stores))('%s', (name) => {
  let opened: Opened;
  let store: BlobStore;

  beforeEach(async () => {
    opened = await (stores[name] as () => Promise<Opened>)();
    store = opened.store;
  });

  afterEach(() => opened.close());

  test.each([1, 5_000, 256 * 1024, 256 * 1024 + 1, 3 * 1024 * 1024 + 17])(
    'gives %d written bytes back',
    async (size) => {
      const { digest, bytes } = blob(size);
      value(await store.write(digest, bytes));
      expect(Buffer.compare(value(await store.read(digest)), bytes)).toBe(0);
    },
  );

  test('has the empty blob without being given it', async () => {
    expect(value(await store.findMissing([emptyDigest]))).toEqual([]);
    expect(value(await store.read(emptyDigest)).byteLength).toBe(0);
    value(await store.write(emptyDigest, new Uint8Array(0)));
  });

  test('tells which blobs are missing', async () => {
    const here = blob(100);
    const absent = blob(100);
    value(await store.write(here.digest, here.bytes));
    expect(value(await store.findMissing([here.digest, absent.digest]))).toEqual([absent.digest]);
  });

  test('tells of many missing blobs at once', async () => {
    const here = blob(10);
    value(await store.write(here.digest, here.bytes));
    const absent = Array.from({ length: 12_000 }, (_, n) => digestOf(Buffer.from(`absent ${n}`)));
    expect(value(await store.findMissing([...absent, here.digest])).length).toBe(12_000);
  });

  test('fails with missing-blob for what it does not have', async () => {
    const { digest } = blob(10);
    expect(reason(await store.read(digest))).toBe('missing-blob');
    expect(reason(await store.readChunk(digest, 0, 10))).toBe('missing-blob');
    expect(reason(await store.readMany([digest]))).toBe('missing-blob');
    const large: Digest = { hash: digest.hash, sizeBytes: 2_000_000 };
    expect(reason(await store.read(large))).toBe('missing-blob');
  });

  test('refuses bytes under a digest that is not theirs', async () => {
    const { digest, bytes } = blob(50);
    const other = Uint8Array.from(bytes);
    other[7] = (other[7] ?? 0) ^ 1;
    expect(reason(await store.write(digest, other))).toBe('invalid-request');
    expect(reason(await store.write(digest, bytes.subarray(1)))).toBe('invalid-request');
    expect(reason(await store.writeMany([{ digest, bytes: other }]))).toBe('invalid-request');
    expect(value(await store.findMissing([digest]))).toEqual([digest]);
  });

  test('takes the same blob twice, also at the same time', async () => {
    const { digest, bytes } = blob(10_000);
    const writes = await Promise.all([
      store.write(digest, bytes),
      store.write(digest, bytes),
      store.write(digest, bytes),
    ]);
    writes.forEach(value);
    value(await store.write(digest, bytes));
    expect(value(await store.findMissing([digest]))).toEqual([]);
  });

  test('writes and reads many blobs of many sizes in the order asked', async () => {
    const blobs = [10, 0, 300_000, 70_000, 1, 900_000, 200_000, 250_000, 250_000, 250_000, 250_000].map(blob);
    value(await store.writeMany(blobs));
    const order = [...blobs].reverse().concat(blobs.slice(0, 3));
    const read = value(await store.readMany(order.map((one) => one.digest)));
    expect(read.map((bytes) => Buffer.from(bytes).toString('hex', 0, 40))).toEqual(
      order.map((one) => Buffer.from(one.bytes).toString('hex', 0, 40)),
    );
    expect(read.map((bytes) => bytes.byteLength)).toEqual(order.map((one) => one.bytes.byteLength));
  });

  test('reads nothing for an empty list', async () => {
    expect(value(await store.readMany([]))).toEqual([]);
    value(await store.writeMany([]));
    expect(value(await store.findMissing([]))).toEqual([]);
  });

  test('reads parts of a blob', async () => {
    const { digest, bytes } = blob(500_000);
    value(await store.write(digest, bytes));
    const part = value(await store.readChunk(digest, 499_990, 100));
    expect(Buffer.compare(part, bytes.subarray(499_990))).toBe(0);
    expect(value(await store.readChunk(digest, 500_000, 10)).byteLength).toBe(0);
    expect(reason(await store.readChunk(digest, 500_001, 10))).toBe('invalid-request');
    expect(reason(await store.readChunk(digest, -1, 10))).toBe('invalid-request');
  });

  test('takes an upload in pieces of any size', async () => {
    const { digest, bytes } = blob(1_300_000);
    const writer = value(await store.openWrite(digest));
    const scratch = Buffer.alloc(700_000);
    for (const [from, to] of [
      [0, 1],
      [1, 600_000],
      [600_000, 600_000],
      [600_000, 1_300_000],
    ] as const) {
      // The caller's buffer is used again for the next piece.
      scratch.set(bytes.subarray(from, to));
      value(await writer.append(scratch.subarray(0, to - from)));
    }
    value(await writer.commit());
    expect(Buffer.compare(value(await store.read(digest)), bytes)).toBe(0);
    expect(reason(await writer.append(bytes.subarray(0, 1)))).not.toBe('no failure');
  });

  test('takes an empty upload', async () => {
    const writer = value(await store.openWrite(emptyDigest));
    value(await writer.commit());
  });

  test('refuses an upload that is short, long, or of other bytes', async () => {
    const { digest, bytes } = blob(600_000);
    const short = value(await store.openWrite(digest));
    value(await short.append(bytes.subarray(0, 599_999)));
    expect(reason(await short.commit())).toBe('invalid-request');

    const long = value(await store.openWrite(digest));
    const appended = await long.append(Buffer.concat([bytes, bytes]));
    expect(reason(appended.ok ? await long.commit() : appended)).toBe('invalid-request');

    const other = value(await store.openWrite(digest));
    value(await other.append(randomBytes(600_000)));
    expect(reason(await other.commit())).toBe('invalid-request');
    expect(value(await store.findMissing([digest]))).toEqual([digest]);
  });

  test('forgets an upload that was given up', async () => {
    const { digest, bytes } = blob(600_000);
    const writer = value(await store.openWrite(digest));
    value(await writer.append(bytes));
    await writer.abort();
    await writer.abort();
    expect(reason(await writer.commit())).not.toBe('no failure');
    expect(value(await store.findMissing([digest]))).toEqual([digest]);
    value(await store.write(digest, bytes));
  });

  test('does nothing for a request that is no longer wanted', async () => {
    const { digest, bytes } = blob(10);
    value(await store.write(digest, bytes));
    expect(reason(await store.read(digest, AbortSignal.abort()))).toBe('cancelled');
    const other = blob(10);
    expect(reason(await store.write(other.digest, other.bytes, AbortSignal.abort()))).toBe('cancelled');
    expect(value(await store.findMissing([other.digest]))).toEqual([other.digest]);
  });
});
