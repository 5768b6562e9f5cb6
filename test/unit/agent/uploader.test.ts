import { describe, expect, test } from '@jest/globals';
import { Uploader } from '../../../src/agent/uploader.ts';
import { deferred } from '../../../src/base/deferred.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import { blobOf, type Blob } from '../../../src/model/action.ts';
import type { BlobStore } from '../../../src/model/blob-store.ts';
import { digestKey, type Digest } from '../../../src/model/digest.ts';
import type { RemoteFailure } from '../../../src/model/failure.ts';

class RecordingStore implements BlobStore {
  readonly present = new Set<string>();
  asked = 0;
  readonly writes: string[] = [];
  gate: Promise<void> = Promise.resolve();

  async findMissing(digests: readonly Digest[]): Promise<Result<readonly Digest[], RemoteFailure>> {
    this.asked += 1;
    await this.gate;
    return ok(digests.filter((digest) => !this.present.has(digestKey(digest))));
  }
  async writeMany(blobs: readonly Blob[]): Promise<Result<void, RemoteFailure>> {
    for (const blob of blobs) {
      this.writes.push(digestKey(blob.digest));
      this.present.add(digestKey(blob.digest));
    }
    return ok(undefined);
  }
  read(): never {
    throw new Error('not asked for');
  }
  readMany(): never {
    throw new Error('not asked for');
  }
  write(): never {
    throw new Error('not asked for');
  }
  readChunk(): never {
    throw new Error('not asked for');
  }
  async openWrite(digest: Digest) {
    const parts: Uint8Array[] = [];
    return ok({
      append: async (bytes: Uint8Array) => {
        parts.push(bytes);
        return ok(undefined);
      },
      commit: async () => {
        expect(Buffer.concat(parts).byteLength).toBe(digest.sizeBytes);
        this.writes.push(digestKey(digest));
        this.present.add(digestKey(digest));
        return ok(undefined);
      },
      abort: async () => {},
    });
  }
}

function setUp(files: Record<string, string> = {}) {
  const store = new RecordingStore();
  const clock = { nowMs: 0 };
  const uploader = new Uploader({
    blobs: store,
    readFile: async (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('no such file');
      return Buffer.from(text);
    },
    nowMs: () => clock.nowMs,
    knownForMs: 1000,
  });
  return { store, clock, uploader };
}

/** Large enough to be asked about before it is sent. */
const padded = (text: string) => text.padEnd(20_000, '.');
const item = (text: string) => ({ kind: 'bytes' as const, ...blobOf(Buffer.from(padded(text))) });

describe('Uploader', () => {
  test('sends a blob once and does not ask again while it is known', async () => {
    const { store, uploader, clock } = setUp();
    expect(await uploader.ensure([item('a')], [])).toEqual(ok(20_000));
    expect(await uploader.ensure([item('a')], [])).toEqual(ok(0));
    expect(store.asked).toBe(1);
    clock.nowMs = 2000;
    expect(await uploader.ensure([item('a')], [])).toEqual(ok(0));
    expect(store.asked).toBe(2);
    expect(store.writes).toHaveLength(1);
  });

  test('lets two compiles that need one blob wait for one upload', async () => {
    const { store, uploader } = setUp();
    const gate = deferred<void>();
    store.gate = gate.promise;
    const first = uploader.ensure([item('a')], []);
    const second = uploader.ensure([item('a'), item('b')], []);
    gate.resolve();
    expect((await first).ok && (await second).ok).toBe(true);
    expect(store.writes.sort()).toEqual([item('a'), item('b')].map((one) => digestKey(one.digest)).sort());
  });

  test('refuses a file whose content is no longer what was predicted', async () => {
    const { store, uploader } = setUp({ '/a.h': 'changed' });
    const result = await uploader.ensure([{ kind: 'file', path: '/a.h', digest: item('as it was').digest }], []);
    expect(result).toEqual(err(expect.objectContaining({ reason: 'input-changed' })));
    expect(store.writes).toEqual([]);
  });

  test('asks about a group as a whole, and not again while it is known', async () => {
    const { store, uploader, clock } = setUp();
    let listed = 0;
    const group = {
      key: 'headers',
      items: () => {
        listed += 1;
        return [item('a'), item('b')];
      },
    };
    expect(await uploader.ensure([item('c')], [group])).toEqual(ok(60_000));
    expect(await uploader.ensure([item('d')], [group])).toEqual(ok(20_000));
    expect(listed).toBe(1);
    clock.nowMs = 2000;
    await uploader.ensure([], [group]);
    expect(listed).toBe(2);
    expect(store.writes).toHaveLength(4);
  });

  test('asks again after it was told to forget', async () => {
    const { store, uploader } = setUp();
    await uploader.ensure([item('a')], []);
    store.present.clear();
    uploader.forget();
    expect(await uploader.ensure([item('a')], [])).toEqual(ok(20_000));
  });

  test('sends what is small and at hand without asking', async () => {
    const { store, uploader } = setUp();
    const small = { kind: 'bytes' as const, ...blobOf(Buffer.from('a command')) };
    expect(await uploader.ensure([small], [])).toEqual(ok(9));
    expect(store.asked).toBe(0);
    expect(store.writes).toHaveLength(1);
  });

  test('sends a large blob in chunks', async () => {
    const { store, uploader } = setUp();
    const large = item('x'.repeat(3 * 1024 * 1024));
    expect(await uploader.ensure([large, item('small')], [])).toEqual(ok(3 * 1024 * 1024 + 20_000));
    expect(store.writes).toContain(digestKey(large.digest));
  });
});
