// Content-addressed storage in memory, for tests and small clusters. Unaware of disks.

import { createHash } from 'node:crypto';
import { err, ok, type Result } from '../base/result.ts';
import type { BlobWriter } from '../model/blob-store.ts';
import type { Clock } from '../model/clock.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { badRange, checkDigest, missingBlob, rangeInside, storeCancelled, wrongDigest } from './blob-check.ts';
import { BlobIndex } from './blob-index.ts';
import type { LocalBlobStore, Pin, StoreFigures } from './local-blob-store.ts';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly limitBytes: number;
  /** how long a blob that findMissing found is safe from eviction; 5 minutes when not given */
  readonly protectMs?: number;
}

export class MemoryStore implements LocalBlobStore {
  readonly #index = new BlobIndex(
    (sizeBytes) => sizeBytes,
    () => 0,
  );
  readonly #bytes = new Map<string, Uint8Array>();

  constructor(private readonly options: MemoryStoreOptions) {}

  async findMissing(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Digest[], RemoteFailure>> {
    if (signal?.aborted === true) return err(storeCancelled());
    const until = this.options.clock.monotonicMs() + (this.options.protectMs ?? 300_000);
    return ok(
      digests.filter((digest) => {
        if (digest.sizeBytes === 0) return false;
        const entry = this.#index.use(digest);
        if (entry === undefined) return true;
        entry.protectedUntilMs = until;
        return false;
      }),
    );
  }

  async read(digest: Digest, signal?: AbortSignal): Promise<Result<Uint8Array, RemoteFailure>> {
    if (signal?.aborted === true) return err(storeCancelled());
    if (digest.sizeBytes === 0) return ok(new Uint8Array(0));
    this.#index.use(digest);
    const bytes = this.#bytes.get(digestKey(digest));
    return bytes === undefined ? err(missingBlob(digest)) : ok(bytes);
  }

  async readMany(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
    const all: Uint8Array[] = [];
    for (const digest of digests) {
      const one = await this.read(digest, signal);
      if (!one.ok) return one;
      all.push(one.value);
    }
    return ok(all);
  }

  async write(digest: Digest, bytes: Uint8Array, signal?: AbortSignal): Promise<Result<void, RemoteFailure>> {
    if (signal?.aborted === true) return err(storeCancelled());
    const checked = await checkDigest(bytes, digest);
    if (!checked.ok) return checked;
    return this.#keep(digest, Uint8Array.from(bytes));
  }

  async writeMany(
    blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[],
    signal?: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    for (const blob of blobs) {
      const one = await this.write(blob.digest, blob.bytes, signal);
      if (!one.ok) return one;
    }
    return ok(undefined);
  }

  async readChunk(
    digest: Digest,
    offset: number,
    limit: number,
    signal?: AbortSignal,
  ): Promise<Result<Uint8Array, RemoteFailure>> {
    if (!rangeInside(digest, offset, limit)) return err(badRange(digest, offset));
    const whole = await this.read(digest, signal);
    return whole.ok ? ok(whole.value.subarray(offset, offset + limit)) : whole;
  }

  async openWrite(digest: Digest): Promise<Result<BlobWriter, RemoteFailure>> {
    if (digest.sizeBytes > this.options.limitBytes) return err(this.#tooLarge(digest));
    let parts: Uint8Array[] = [];
    let size = 0;
    let ended = false;
    const hash = createHash('sha256');
    const over: RemoteFailure = { reason: 'invalid-request', message: 'this upload has ended' };
    return ok({
      append: async (bytes) => {
        if (ended) return err(over);
        size += bytes.byteLength;
        if (size > digest.sizeBytes) {
          ended = true;
          parts = [];
          return err(wrongDigest(digest));
        }
        hash.update(bytes);
        parts.push(Uint8Array.from(bytes));
        return ok(undefined);
      },
      commit: async () => {
        if (ended) return err(over);
        ended = true;
        const kept = parts;
        parts = [];
        if (size !== digest.sizeBytes || hash.digest('hex') !== digest.hash) return err(wrongDigest(digest));
        return this.#keep(digest, Buffer.concat(kept));
      },
      abort: async () => {
        ended = true;
        parts = [];
      },
    });
  }

  pin(digests: readonly Digest[]): Pin {
    return this.#index.pin(digests);
  }

  figures(): StoreFigures {
    return { blobs: this.#index.count, bytes: this.#index.bytes, limitBytes: this.options.limitBytes };
  }

  #keep(digest: Digest, bytes: Uint8Array): Result<void, RemoteFailure> {
    if (digest.sizeBytes === 0 || this.#index.use(digest) !== undefined) return ok(undefined);
    if (digest.sizeBytes > this.options.limitBytes) return err(this.#tooLarge(digest));
    for (const evenProtected of [false, true]) {
      const target = this.options.limitBytes - digest.sizeBytes;
      for (const victim of this.#index.takeVictims(target, this.options.clock.monotonicMs(), evenProtected)) {
        this.#bytes.delete(digestKey(victim.digest));
      }
    }
    if (this.#index.bytes + digest.sizeBytes > this.options.limitBytes) {
      return err({ reason: 'store-failed', message: 'the store is full of blobs that are in use' });
    }
    this.#index.add(digest, 'verified');
    this.#bytes.set(digestKey(digest), bytes);
    return ok(undefined);
  }

  #tooLarge(digest: Digest): RemoteFailure {
    return {
      reason: 'limit-exceeded',
      message: `a blob of ${digest.sizeBytes} bytes is larger than the store (${this.options.limitBytes})`,
    };
  }
}
