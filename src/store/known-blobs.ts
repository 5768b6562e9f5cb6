// Remembers for a while what a remote store is known to have, and lets one write of a blob stand for all that want it at the same
// time. Unaware of how the store behind it is reached.

import { err, ok, type Result } from '../base/result.ts';
import type { BlobStore, BlobWriter } from '../model/blob-store.ts';
import type { Clock } from '../model/clock.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { checkDigest, storeCancelled } from './blob-check.ts';

export interface KnownBlobsOptions {
  readonly clock: Clock;
  /** how long a blob counts as present; must be below the time for which the store keeps what was found */
  readonly keepMs: number;
  readonly maxEntries: number;
}

export class KnownBlobs implements BlobStore {
  /** by digest key, when it was last known to be there; the oldest first */
  readonly #known = new Map<string, number>();
  readonly #writing = new Map<string, Promise<Result<void, RemoteFailure>>>();
  #epoch = 0;

  constructor(
    private readonly store: BlobStore,
    private readonly options: KnownBlobsOptions,
  ) {}

  /** For blobs that turned out to be missing after all. */
  forget(digests: readonly Digest[]): void {
    this.#epoch += 1;
    for (const digest of digests) this.#known.delete(digestKey(digest));
  }

  /** For a store that may be another one now, as after a reconnect. */
  forgetAll(): void {
    this.#epoch += 1;
    this.#known.clear();
    this.#writing.clear();
  }

  async findMissing(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Digest[], RemoteFailure>> {
    const asked = digests.filter((digest) => !this.#knows(digest));
    if (asked.length === 0) return ok([]);
    const epoch = this.#epoch;
    const missing = await this.store.findMissing(asked, signal);
    if (!missing.ok) return missing;
    const absent = new Set(missing.value.map(digestKey));
    this.#learn(
      epoch,
      asked.filter((digest) => !absent.has(digestKey(digest))),
    );
    return missing;
  }

  async read(digest: Digest, signal?: AbortSignal): Promise<Result<Uint8Array, RemoteFailure>> {
    return this.#unlessMissing([digest], await this.store.read(digest, signal));
  }

  async readMany(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
    return this.#unlessMissing(digests, await this.store.readMany(digests, signal));
  }

  async write(digest: Digest, bytes: Uint8Array, signal?: AbortSignal): Promise<Result<void, RemoteFailure>> {
    return this.writeMany([{ digest, bytes }], signal);
  }

  async writeMany(
    blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[],
    signal?: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    const own: { readonly digest: Digest; readonly bytes: Uint8Array }[] = [];
    const others: { readonly blob: (typeof blobs)[number]; readonly writing: Promise<Result<void, RemoteFailure>> }[] =
      [];
    for (const blob of blobs) {
      const writing = this.#writing.get(digestKey(blob.digest));
      if (writing !== undefined) others.push({ blob, writing });
      else if (!this.#knows(blob.digest)) own.push(blob);
      else {
        const checked = await checkDigest(blob.bytes, blob.digest);
        if (!checked.ok) return checked;
      }
    }
    if (signal?.aborted === true) return err(storeCancelled());
    const written = own.length === 0 ? ok(undefined) : await this.#writeOwn(own, signal);
    if (!written.ok) return written;
    const again: (typeof blobs)[number][] = [];
    for (const { blob, writing } of others) {
      const shared = await writing;
      if (!shared.ok) again.push(blob);
    }
    // Somebody else's write may have failed for a reason that is not ours: a cancelled step, wrong bytes beside ours.
    return again.length === 0 ? ok(undefined) : this.store.writeMany(again, signal);
  }

  readChunk(
    digest: Digest,
    offset: number,
    limit: number,
    signal?: AbortSignal,
  ): Promise<Result<Uint8Array, RemoteFailure>> {
    return this.store.readChunk(digest, offset, limit, signal);
  }

  openWrite(digest: Digest): Promise<Result<BlobWriter, RemoteFailure>> {
    return this.store.openWrite(digest);
  }

  async #writeOwn(
    blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[],
    signal: AbortSignal | undefined,
  ): Promise<Result<void, RemoteFailure>> {
    const epoch = this.#epoch;
    const writing = this.store.writeMany(blobs, signal);
    for (const { digest } of blobs) this.#writing.set(digestKey(digest), writing);
    const written = await writing;
    for (const { digest } of blobs) {
      if (this.#writing.get(digestKey(digest)) === writing) this.#writing.delete(digestKey(digest));
    }
    if (written.ok) {
      this.#learn(
        epoch,
        blobs.map((blob) => blob.digest),
      );
    }
    return written;
  }

  #unlessMissing<T>(digests: readonly Digest[], result: Result<T, RemoteFailure>): Result<T, RemoteFailure> {
    if (!result.ok && result.error.reason === 'missing-blob') this.forget(digests);
    return result;
  }

  #knows(digest: Digest): boolean {
    const since = this.#known.get(digestKey(digest));
    return since !== undefined && this.options.clock.monotonicMs() - since < this.options.keepMs;
  }

  /** An answer from before something was forgotten teaches nothing. */
  #learn(epoch: number, digests: readonly Digest[]): void {
    if (epoch !== this.#epoch) return;
    const now = this.options.clock.monotonicMs();
    for (const digest of digests) {
      const key = digestKey(digest);
      this.#known.delete(key);
      this.#known.set(key, now);
    }
    for (const key of this.#known.keys()) {
      if (this.#known.size <= this.options.maxEntries) break;
      this.#known.delete(key);
    }
  }
}
