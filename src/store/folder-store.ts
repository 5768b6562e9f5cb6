// The disk store at work in a folder that is prepared and locked. Unaware of how it came to be, and of what goes when room is needed.

import { createReadStream, readFileSync } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { err, ok, type Result } from '../base/result.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { BlobWriter } from '../model/blob-store.ts';
import type { CacheLimits, CacheRemoval } from '../model/cache-limits.ts';
import type { Timer } from '../model/clock.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { badRange, checkDigest, hasDigest, missingBlob, rangeInside, storeCancelled } from './blob-check.ts';
import type { BlobEviction, BlobEvictionOptions } from './blob-eviction.ts';
import {
  BlobFileWriter,
  copyExecutable,
  fileHasDigest,
  fileHasSize,
  isAbsent,
  isDiskFull,
  storeFailed,
  writeBlobFile,
  writeSmallBlobFile,
} from './blob-file.ts';
import type { BlobIndex, IndexEntry } from './blob-index.ts';
import type { LocalBlobStore, Pin, StoreFigures } from './local-blob-store.ts';
import { blobPath, saveOrder } from './store-folder.ts';
import type { FolderLock } from './store-lock.ts';

export interface FolderStoreOptions extends BlobEvictionOptions {
  readonly protectMs?: number;
}

const openFiles = 32;
/**
 * Up to this size files are written, and read when they are known to be good, in the calling turn of the event loop: handing their
 * five system calls to other threads costs more than the calls (6 KB on a quiet disk: 45 us of CPU this way, 106 the other).
 */
const smallBytes = 64 * 1024;
/** small blobs that are handled before something else gets a turn */
const groupSize = 8;
const saveOrderMs = 600_000;

/** The DiskStore of disk-store.ts, where its own methods are described. */
export class FolderStore implements LocalBlobStore {
  readonly #files = new Semaphore(openFiles);
  readonly #writing = new Map<string, Promise<Result<void, RemoteFailure>>>();
  readonly #copying = new Map<string, Promise<void>>();
  readonly #subfolders = new Set<string>();
  #temporaryCount = 0;
  #changed = false;
  #saving: Timer | undefined;
  #closed = false;

  constructor(
    private readonly options: FolderStoreOptions,
    private readonly index: BlobIndex,
    private readonly eviction: BlobEviction,
    private readonly lock: FolderLock,
  ) {
    this.#saveLater();
  }

  async findMissing(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Digest[], RemoteFailure>> {
    const until = this.options.clock.monotonicMs() + (this.options.protectMs ?? 300_000);
    const missing: Digest[] = [];
    for (const digest of digests) {
      if (digest.sizeBytes === 0) continue;
      const entry = this.index.use(digest);
      if (entry === undefined) {
        missing.push(digest);
        continue;
      }
      entry.protectedUntilMs = until;
      if (entry.trust !== 'named') continue;
      if (signal?.aborted === true) return err(storeCancelled());
      const sized = await this.#checked(entry, 'sized');
      if (!sized.ok) return sized;
      if (!sized.value) missing.push(digest);
    }
    this.#changed = true;
    return ok(missing);
  }

  async read(digest: Digest, signal?: AbortSignal): Promise<Result<Uint8Array, RemoteFailure>> {
    if (digest.sizeBytes === 0) return ok(new Uint8Array(0));
    const entry = this.index.use(digest);
    if (entry === undefined) return err(missingBlob(digest));
    this.#changed = true;
    const quick = entry.trust === 'verified' && digest.sizeBytes <= smallBytes;
    const permit = quick ? undefined : await this.#files.acquire();
    try {
      if (isAborted(signal)) return err(storeCancelled());
      const bytes = quick ? readFileSync(this.#path(digest)) : await readFile(this.#path(digest));
      const right = entry.trust === 'verified' ? bytes.byteLength === digest.sizeBytes : await hasDigest(bytes, digest);
      if (!right) return err(await this.#dropCorrupt(entry));
      entry.trust = 'verified';
      return ok(bytes);
    } catch (error) {
      return err(await this.#readFailed(entry, error));
    } finally {
      permit?.release();
    }
  }

  async readMany(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
    return inGroups(digests, (digest) => this.read(digest, signal));
  }

  async write(digest: Digest, bytes: Uint8Array, signal?: AbortSignal): Promise<Result<void, RemoteFailure>> {
    const checked = await checkDigest(bytes, digest);
    if (!checked.ok) return checked;
    if (signal?.aborted === true) return err(storeCancelled());
    if (digest.sizeBytes === 0) return ok(undefined);
    return this.#writeChecked(digest, bytes);
  }

  async writeMany(
    blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[],
    signal?: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    const all = await inGroups(blobs, (blob) => this.write(blob.digest, blob.bytes, signal));
    return all.ok ? ok(undefined) : all;
  }

  async readChunk(
    digest: Digest,
    offset: number,
    limit: number,
    signal?: AbortSignal,
  ): Promise<Result<Uint8Array, RemoteFailure>> {
    if (!rangeInside(digest, offset, limit)) return err(badRange(digest, offset));
    if (digest.sizeBytes === 0) return ok(new Uint8Array(0));
    const entry = this.index.use(digest);
    if (entry === undefined) return err(missingBlob(digest));
    this.#changed = true;
    const verified = await this.#checked(entry, 'verified');
    if (!verified.ok) return verified;
    if (!verified.value) return err(missingBlob(digest));
    const permit = await this.#files.acquire();
    try {
      if (isAborted(signal)) return err(storeCancelled());
      const bytes = Buffer.allocUnsafe(Math.min(limit, digest.sizeBytes - offset));
      const handle = await open(this.#path(digest), 'r');
      try {
        let at = 0;
        while (at < bytes.length) {
          const { bytesRead } = await handle.read(bytes, at, bytes.length - at, offset + at);
          if (bytesRead === 0) return err(await this.#dropCorrupt(entry));
          at += bytesRead;
        }
      } finally {
        await handle.close();
      }
      return ok(bytes);
    } catch (error) {
      return err(await this.#readFailed(entry, error));
    } finally {
      permit?.release();
    }
  }

  async openWrite(digest: Digest): Promise<Result<BlobWriter, RemoteFailure>> {
    const room = this.eviction.reserve(digest.sizeBytes);
    if (!room.ok) return room;
    const { release } = room.value;
    const temporary = this.#temporary();
    try {
      return ok(await BlobFileWriter.open(digest, temporary, () => this.#moveIn(digest, temporary), release));
    } catch (error) {
      release();
      return err(storeFailed(error));
    }
  }

  async writeFile(digest: Digest, sourcePath: string): Promise<Result<void, RemoteFailure>> {
    const opened = await this.openWrite(digest);
    if (!opened.ok) return opened;
    try {
      for await (const bytes of createReadStream(sourcePath, { highWaterMark: 1024 * 1024 })) {
        const appended = await opened.value.append(bytes as Buffer);
        if (!appended.ok) return appended;
      }
      return await opened.value.commit();
    } catch (error) {
      return err(storeFailed(error));
    } finally {
      await opened.value.abort();
    }
  }

  async pathFor(digest: Digest, options: { readonly executable: boolean }): Promise<Result<string, RemoteFailure>> {
    if (digest.sizeBytes === 0 && this.index.peek(digest) === undefined) {
      const written = await this.#writeChecked(digest, new Uint8Array(0));
      if (!written.ok) return written;
    }
    const entry = this.index.use(digest);
    if (entry === undefined) return err(missingBlob(digest));
    this.#changed = true;
    const verified = await this.#checked(entry, 'verified');
    if (!verified.ok) return verified;
    if (!verified.value) return err(missingBlob(digest));
    const path = this.#path(digest, options.executable);
    if (!options.executable || entry.executable === 'verified') return ok(path);
    const key = digestKey(digest);
    let copying = this.#copying.get(key);
    if (copying === undefined) {
      copying = this.#makeExecutable(entry).finally(() => this.#copying.delete(key));
      this.#copying.set(key, copying);
    }
    try {
      await copying;
      return ok(path);
    } catch (error) {
      return err(await this.#readFailed(entry, error));
    }
  }

  pin(digests: readonly Digest[]): Pin {
    return this.index.pin(digests);
  }

  figures(): StoreFigures {
    return { blobs: this.index.count, bytes: this.index.bytes, limitBytes: this.options.limitBytes };
  }

  trim(limits: CacheLimits): Promise<CacheRemoval> {
    this.#changed = true;
    return this.eviction.shed(limits);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#saving?.cancel();
    await Promise.allSettled([...this.#writing.values(), ...this.#copying.values()]);
    await this.eviction.settled();
    await this.#saveOrder();
    await this.lock.release();
  }

  async #writeChecked(digest: Digest, bytes: Uint8Array): Promise<Result<void, RemoteFailure>> {
    const key = digestKey(digest);
    if (this.index.use(digest)?.trust === 'verified') return ok(undefined);
    const before = this.#writing.get(key);
    if (before !== undefined) return before;
    const writing = this.#writeNew(digest, bytes).finally(() => this.#writing.delete(key));
    this.#writing.set(key, writing);
    return writing;
  }

  async #writeNew(digest: Digest, bytes: Uint8Array): Promise<Result<void, RemoteFailure>> {
    const room = this.eviction.reserve(digest.sizeBytes);
    if (!room.ok) return room;
    const small = bytes.byteLength <= smallBytes;
    const permit = small ? undefined : await this.#files.acquire();
    const write = async () => {
      if (small) writeSmallBlobFile(this.#temporary(), this.#path(digest), bytes);
      else await writeBlobFile(this.#temporary(), this.#path(digest), bytes);
    };
    try {
      await this.eviction.gone(digest);
      await this.#makeSubfolder(digest);
      try {
        await write();
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        await this.eviction.shrink(digest.sizeBytes);
        await write();
      }
      this.index.add(digest, 'verified');
      this.#changed = true;
      return ok(undefined);
    } catch (error) {
      return err(storeFailed(error));
    } finally {
      permit?.release();
      room.value.release();
    }
  }

  async #moveIn(digest: Digest, temporary: string): Promise<void> {
    await this.eviction.gone(digest);
    await this.#makeSubfolder(digest);
    await rename(temporary, this.#path(digest));
    this.index.add(digest, 'verified');
    this.#changed = true;
  }

  async #makeExecutable(entry: IndexEntry): Promise<void> {
    const target = this.#path(entry.digest, true);
    if (entry.executable === 'none' || !(await fileHasDigest(target, entry.digest))) {
      await copyExecutable(this.#path(entry.digest), this.#temporary(), target);
    }
    this.index.setExecutable(entry, 'verified');
  }

  /** Brings the trust in an entry up to the wanted level; false when its file turned out wrong and was removed. */
  async #checked(entry: IndexEntry, wanted: 'sized' | 'verified'): Promise<Result<boolean, RemoteFailure>> {
    if (entry.trust === 'verified' || entry.trust === wanted) return ok(true);
    const path = this.#path(entry.digest);
    const permit = await this.#files.acquire();
    try {
      const right = await (wanted === 'sized' ? fileHasSize(path, entry.digest) : fileHasDigest(path, entry.digest));
      if (!right) {
        await this.#dropCorrupt(entry);
        return ok(false);
      }
      if (wanted === 'verified' || entry.trust === 'named') entry.trust = wanted;
      return ok(true);
    } catch (error) {
      return err(storeFailed(error));
    } finally {
      permit?.release();
    }
  }

  /** Removes a blob whose file does not have its bytes, unless somebody has written it anew meanwhile. */
  async #dropCorrupt(entry: IndexEntry): Promise<RemoteFailure> {
    if (this.index.peek(entry.digest) === entry) {
      this.options.log.warn({ digest: digestKey(entry.digest) }, 'a stored blob was corrupt and is removed');
      this.index.remove(entry.digest);
      await this.eviction.remove(entry);
    }
    return missingBlob(entry.digest);
  }

  async #readFailed(entry: IndexEntry, error: unknown): Promise<RemoteFailure> {
    return isAbsent(error) ? this.#dropCorrupt(entry) : storeFailed(error);
  }

  #saveLater(): void {
    this.#saving = this.options.clock.after(saveOrderMs, () => {
      void this.#saveOrder().finally(() => {
        if (!this.#closed) this.#saveLater();
      });
    });
  }

  async #saveOrder(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    try {
      const digests = Array.from(this.index.entries(), (entry) => entry.digest);
      await saveOrder(this.options.dir, digests, digests.length);
    } catch (error) {
      this.options.log.warn({ error: storeFailed(error).message }, 'the order of use could not be saved');
    }
  }

  /** One of the 256, made when its first blob comes. */
  async #makeSubfolder(digest: Digest): Promise<void> {
    const folder = dirname(this.#path(digest));
    if (this.#subfolders.has(folder)) return;
    await mkdir(folder, { recursive: true });
    this.#subfolders.add(folder);
  }

  #path(digest: Digest, executable = false): string {
    return blobPath(this.options.dir, digest, executable);
  }

  #temporary(): string {
    this.#temporaryCount += 1;
    return `${this.options.dir}/tmp/${this.#temporaryCount}`;
  }
}

/** Handles some at a time, and lets others have a turn in between; the first failure ends it. */
async function inGroups<Item, T>(
  items: readonly Item[],
  handle: (item: Item) => Promise<Result<T, RemoteFailure>>,
): Promise<Result<T[], RemoteFailure>> {
  const values: T[] = [];
  for (let at = 0; at < items.length; at += groupSize) {
    if (at > 0) await nextTurn();
    for (const result of await Promise.all(items.slice(at, at + groupSize).map(handle))) {
      if (!result.ok) return result;
      values.push(result.value);
    }
  }
  return ok(values);
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal !== undefined && signal.aborted;
}
