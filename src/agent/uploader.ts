// Brings the blobs of an action into the cluster's store, each once: what is known to be there is not asked about again
// for a while, and two compiles that need the same blob wait for one upload.

import { err, ok, type Result } from '../base/result.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { digestKey, digestOf, sameDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';

/** Something that may have to go up: bytes at hand, or a file that must still have the digest when it is read. */
export type UploadItem =
  | { readonly kind: 'bytes'; readonly digest: Digest; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly digest: Digest; readonly path: string };

/** Many blobs that are known, or not, as a whole: a toolchain, a tree of system headers. */
export interface UploadGroup {
  /** names the content of the group, such as the digest of its root */
  readonly key: string;
  items(): readonly UploadItem[];
}

export type UploadFailure = RemoteFailure | { readonly reason: 'input-changed'; readonly message: string };

const batchBytes = 1024 * 1024;
const chunkBytes = 256 * 1024;
const batchesAtOnce = 4;
const unaskedBytes = 16 * 1024;
const unaskedItems = 40;
const knownLimit = 500_000;

export interface UploaderOptions {
  readonly blobs: BlobStore;
  /** reads a whole file; throws like fs */
  readonly readFile: (path: string) => Promise<Uint8Array>;
  readonly nowMs: () => number;
  /** how long a blob that was seen in the store counts as being there; shorter than the store's own protection */
  readonly knownForMs: number;
}

export class Uploader {
  readonly #options: UploaderOptions;
  /** digest key to the time until which the blob is known to be in the store */
  readonly #known = new Map<string, number>();
  readonly #knownGroups = new Map<string, number>();
  readonly #sending = new Map<string, Promise<Result<number, UploadFailure>>>();

  constructor(options: UploaderOptions) {
    this.#options = options;
  }

  /** Forgets what is known to be there: after a reconnect, or when a blob turned out to be missing. */
  forget(): void {
    this.#known.clear();
    this.#knownGroups.clear();
  }

  /** Makes sure that all of these are in the store; answers the bytes that went up on behalf of this call. */
  async ensure(
    items: readonly UploadItem[],
    groups: readonly UploadGroup[],
    signal?: AbortSignal,
  ): Promise<Result<number, UploadFailure>> {
    const startMs = this.#options.nowMs();
    const newGroups = groups.filter((group) => (this.#knownGroups.get(group.key) ?? 0) <= startMs);
    const all = newGroups.length === 0 ? items : [...items, ...newGroups.flatMap((group) => group.items())];
    const sent = await this.#ensureEach(all, signal);
    if (sent.ok) {
      for (const group of newGroups) this.#knownGroups.set(group.key, startMs + this.#options.knownForMs);
    }
    return sent;
  }

  async #ensureEach(items: readonly UploadItem[], signal?: AbortSignal): Promise<Result<number, UploadFailure>> {
    const now = this.#options.nowMs();
    const wanted = new Map<string, UploadItem>();
    const waiting: Promise<Result<number, UploadFailure>>[] = [];
    for (const item of items) {
      const key = digestKey(item.digest);
      if ((this.#known.get(key) ?? 0) > now) continue;
      const sending = this.#sending.get(key);
      if (sending !== undefined) waiting.push(sending);
      else wanted.set(key, item);
    }
    let sent = 0;
    if (wanted.size > 0) {
      // Not given the caller's signal: others may be waiting for the same blobs.
      const upload = this.#send([...wanted.values()]).finally(() => {
        for (const key of wanted.keys()) this.#sending.delete(key);
      });
      for (const key of wanted.keys()) this.#sending.set(key, upload);
      const done = await upload;
      if (!done.ok) return done;
      sent = done.value;
    }
    for (const other of new Set(waiting)) {
      const done = await other;
      if (!done.ok) return done;
    }
    if (signal?.aborted) return err({ reason: 'cancelled', message: 'the step was cancelled' });
    return ok(sent);
  }

  async #send(items: readonly UploadItem[]): Promise<Result<number, UploadFailure>> {
    const lacking = await this.#lacking(items);
    if (!lacking.ok) return lacking;
    let sent = 0;
    let batch: { digest: Digest; bytes: Uint8Array }[] = [];
    let batched = 0;
    // A few batches are under way at once: while the store writes one, the next is read here.
    const lanes = new Semaphore(batchesAtOnce);
    const underWay: Promise<void>[] = [];
    let failure: UploadFailure | undefined;
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return;
      const blobs = batch;
      batch = [];
      batched = 0;
      const lane = await lanes.acquire();
      underWay.push(
        this.#options.blobs.writeMany(blobs).then((written) => {
          lane?.release();
          if (!written.ok) failure ??= written.error;
        }),
      );
    };
    for (const item of items) {
      if (failure !== undefined) break;
      if (!lacking.value.has(digestKey(item.digest))) continue;
      const bytes = await this.#bytesOf(item);
      if (!bytes.ok) {
        failure = bytes.error;
        break;
      }
      sent += bytes.value.byteLength;
      if (bytes.value.byteLength > batchBytes) {
        const large = await this.#sendLarge(item.digest, bytes.value);
        if (!large.ok) failure = large.error;
        continue;
      }
      if (batched + bytes.value.byteLength > batchBytes) await flush();
      batch.push({ digest: item.digest, bytes: bytes.value });
      batched += bytes.value.byteLength;
    }
    if (failure === undefined) await flush();
    await Promise.all(underWay);
    if (failure !== undefined) return err(failure);
    if (this.#known.size > knownLimit) this.forget();
    const until = this.#options.nowMs() + this.#options.knownForMs;
    for (const item of items) this.#known.set(digestKey(item.digest), until);
    return ok(sent);
  }

  /** Which of these are to be sent. A few small blobs that are not known are rarely there: sending costs less than asking. */
  async #lacking(items: readonly UploadItem[]): Promise<Result<ReadonlySet<string>, UploadFailure>> {
    const few = items.length <= unaskedItems;
    const unasked = items.filter((item) => few && item.digest.sizeBytes <= unaskedBytes);
    const lacking = new Set(unasked.map((item) => digestKey(item.digest)));
    const asked = items.filter((item) => !lacking.has(digestKey(item.digest)));
    if (asked.length === 0) return ok(lacking);
    const missing = await this.#options.blobs.findMissing(asked.map((item) => item.digest));
    if (!missing.ok) return missing;
    for (const digest of missing.value) lacking.add(digestKey(digest));
    return ok(lacking);
  }

  async #bytesOf(item: UploadItem): Promise<Result<Uint8Array, UploadFailure>> {
    if (item.kind === 'bytes') return ok(item.bytes);
    try {
      const bytes = await this.#options.readFile(item.path);
      if (sameDigest(digestOf(bytes), item.digest)) return ok(bytes);
      return err({ reason: 'input-changed', message: `${item.path} changed during the compile` });
    } catch (error) {
      return err({ reason: 'input-changed', message: `${item.path}: ${(error as Error).message}` });
    }
  }

  async #sendLarge(digest: Digest, bytes: Uint8Array): Promise<Result<void, UploadFailure>> {
    const writer = await this.#options.blobs.openWrite(digest);
    if (!writer.ok) return writer;
    for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
      const appended = await writer.value.append(bytes.subarray(at, at + chunkBytes));
      if (!appended.ok) {
        await writer.value.abort();
        return appended;
      }
    }
    return writer.value.commit();
  }
}
