// Brings blobs from the scheduler's store into the worker's own, each at most once at a time however many leases ask for it.
// Unaware of what the blobs mean.

import { err, ok, type Result } from '../base/result.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { digestKey, digestOf, sameDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { DiskStore } from '../store/disk-store.ts';
import { OwnFiles, type PathOf } from './own-files.ts';

/** What the worker needs of its own store. */
export type WorkerStore = Pick<
  DiskStore,
  'findMissing' | 'pin' | 'write' | 'writeMany' | 'writeFile' | 'openWrite' | 'pathFor'
>;

export const batchBytes = 1024 * 1024;
const batchBlobs = 1000;
const concurrentTransfers = 4;
const attempts = 3;

export const cancelled: RemoteFailure = { reason: 'cancelled', message: 'the lease was cancelled' };

/** Splits into groups of at most 1 MiB; a blob above that is a group of its own. */
export function batchesOf(digests: readonly Digest[]): Digest[][] {
  const batches: Digest[][] = [];
  let batch: Digest[] = [];
  let bytes = 0;
  for (const digest of digests) {
    if (batch.length > 0 && (bytes + digest.sizeBytes > batchBytes || batch.length >= batchBlobs)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(digest);
    bytes += digest.sizeBytes;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

/** Reads small blobs in batches, larger ones in chunks, into memory, and checks every one against its digest. */
export async function readVerified(
  from: BlobStore,
  digests: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
  const all: Uint8Array[] = [];
  for (const batch of batchesOf(digests)) {
    const [first] = batch;
    const blobs =
      first !== undefined && first.sizeBytes > batchBytes
        ? await readChunks(from, first, signal)
        : await from.readMany(batch, signal);
    if (!blobs.ok) return blobs;
    for (const [index, digest] of batch.entries()) {
      const bytes = blobs.value[index];
      if (bytes === undefined || !sameDigest(digestOf(bytes), digest)) return err(corrupt(digest));
      all.push(bytes);
    }
  }
  return ok(all);
}

async function readChunks(
  from: BlobStore,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
  const bytes = Buffer.allocUnsafe(digest.sizeBytes);
  let offset = 0;
  while (offset < bytes.length) {
    const chunk = await from.readChunk(digest, offset, batchBytes, signal);
    if (!chunk.ok) return chunk;
    if (chunk.value.byteLength === 0 || chunk.value.byteLength > bytes.length - offset) return err(corrupt(digest));
    bytes.set(chunk.value, offset);
    offset += chunk.value.byteLength;
  }
  return ok([bytes]);
}

/** Where the blobs of one lease come from. */
interface Source {
  readonly from: BlobStore;
  readonly signal: AbortSignal;
  readonly pathOf: PathOf;
}

export class BlobFetcher {
  readonly #flights = new Map<string, Promise<Result<void, RemoteFailure>>>();
  readonly #transfers = new Semaphore(concurrentTransfers);

  constructor(
    readonly store: WorkerStore,
    readonly ownFiles = new OwnFiles(),
  ) {}

  /**
   * Makes sure that the worker's store has these blobs. Pin them first.
   * `missing-blob` when the scheduler's store lacks one, else what either store says.
   * @param pathOf a blob that this machine has as a system file at that path is taken from there
   */
  async fetch(
    digests: readonly Digest[],
    from: BlobStore,
    signal: AbortSignal,
    pathOf: PathOf = () => undefined,
  ): Promise<Result<void, RemoteFailure>> {
    let wanted = [...new Map(digests.map((digest) => [digestKey(digest), digest])).values()];
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (wanted.length === 0) return ok(undefined);
      if (signal.aborted) return err(cancelled);
      const missing = await this.store.findMissing(wanted, signal);
      if (!missing.ok) return missing;
      wanted = [...missing.value];
      if (wanted.length === 0) return ok(undefined);
      const done = await Promise.all(this.#join(wanted, { from, signal, pathOf }));
      const failure = done.find((result) => !result.ok && result.error.reason !== 'cancelled');
      if (failure !== undefined) return failure;
      // A flight that another lease started ends with that lease; what it left is asked for again.
      if (done.every((result) => result.ok)) return ok(undefined);
    }
    return err(signal.aborted ? cancelled : { reason: 'disconnected', message: 'inputs did not arrive' });
  }

  /** Paths of blobs that are here and pinned, as a lookup that throws for others. */
  async paths(
    files: readonly { readonly digest: Digest; readonly executable: boolean }[],
  ): Promise<Result<(digest: Digest, executable: boolean) => string, RemoteFailure>> {
    const found = new Map<string, string>();
    for (const { digest, executable } of files) {
      const key = `${digestKey(digest)}${executable ? '+x' : ''}`;
      if (found.has(key)) continue;
      const path = await this.store.pathFor(digest, { executable });
      if (!path.ok) return path;
      found.set(key, path.value);
    }
    return ok((digest, executable) => {
      const path = found.get(`${digestKey(digest)}${executable ? '+x' : ''}`);
      if (path === undefined) throw new Error(`no path was asked for ${digestKey(digest)}`);
      return path;
    });
  }

  #join(wanted: readonly Digest[], source: Source): Set<Promise<Result<void, RemoteFailure>>> {
    const flights = new Set<Promise<Result<void, RemoteFailure>>>();
    const mine: Digest[] = [];
    for (const digest of wanted) {
      const flight = this.#flights.get(digestKey(digest));
      if (flight === undefined) mine.push(digest);
      else flights.add(flight);
    }
    for (const batch of batchesOf(mine)) {
      const flight = this.#transfer(batch, source).finally(() => {
        for (const digest of batch) this.#flights.delete(digestKey(digest));
      });
      for (const digest of batch) this.#flights.set(digestKey(digest), flight);
      flights.add(flight);
    }
    return flights;
  }

  async #transfer(batch: readonly Digest[], source: Source): Promise<Result<void, RemoteFailure>> {
    const { from, signal, pathOf } = source;
    const permit = await this.#transfers.acquire(signal);
    if (permit === undefined) return err(cancelled);
    try {
      const [first] = batch;
      if (first !== undefined && first.sizeBytes > batchBytes) {
        return (await this.#adoptLarge(first, pathOf)) ? ok(undefined) : await this.#transferLarge(first, from, signal);
      }
      const own = await Promise.all(batch.map((digest) => this.#readOwn(digest, pathOf)));
      const rest = batch.filter((_, index) => own[index] === undefined);
      const received = await readVerified(from, rest, signal);
      if (!received.ok) return received;
      const others = received.value.values();
      return await this.store.writeMany(
        batch.map((digest, index) => ({ digest, bytes: own[index] ?? others.next().value! })),
      );
    } finally {
      permit.release();
    }
  }

  async #readOwn(digest: Digest, pathOf: PathOf): Promise<Uint8Array | undefined> {
    const path = pathOf(digest);
    return path === undefined ? undefined : await this.ownFiles.read(digest, path);
  }

  /** Other bytes of the same size are found out by the store; then the blob is sent after all. */
  async #adoptLarge(digest: Digest, pathOf: PathOf): Promise<boolean> {
    const path = pathOf(digest);
    if (path === undefined || !(await this.ownFiles.mayHave(digest, path))) return false;
    return (await this.store.writeFile(digest, path)).ok;
  }

  async #transferLarge(digest: Digest, from: BlobStore, signal: AbortSignal): Promise<Result<void, RemoteFailure>> {
    const writer = await this.store.openWrite(digest);
    if (!writer.ok) return writer;
    let offset = 0;
    while (offset < digest.sizeBytes) {
      const chunk = await from.readChunk(digest, offset, batchBytes, signal);
      const empty = chunk.ok && chunk.value.byteLength === 0;
      const appended = chunk.ok && !empty ? await writer.value.append(chunk.value) : chunk;
      if (!appended.ok || empty) {
        await writer.value.abort();
        return appended.ok ? err(corrupt(digest)) : appended;
      }
      offset += chunk.ok ? chunk.value.byteLength : 0;
    }
    const committed = await writer.value.commit();
    // The store refuses bytes of another digest as a wrong request; here they came from the far store.
    if (!committed.ok && committed.error.reason === 'invalid-request') return err(corrupt(digest));
    return committed;
  }
}

function corrupt(digest: Digest): RemoteFailure {
  return { reason: 'store-failed', message: `the scheduler's store gave other bytes for ${digestKey(digest)}` };
}
