// Content-addressed storage in a folder of this machine. Unaware of networks and of what the blobs mean.

import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { BlobWriter } from '../model/blob-store.ts';
import type { Clock, Timer } from '../model/clock.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { badRange, checkDigest, hasDigest, missingBlob, rangeInside, storeCancelled } from './blob-check.ts';
import {
  BlobFileWriter,
  copyExecutable,
  fileHasDigest,
  fileHasSize,
  isAbsent,
  isDiskFull,
  storeFailed,
  writeBlobFile,
} from './blob-file.ts';
import { BlobIndex, type IndexEntry } from './blob-index.ts';
import type { LocalBlobStore, Pin, StoreFigures } from './local-blob-store.ts';
import { blobPath, inspectFolder, prepareFolder, saveOrder, scanFolder, sortBySavedOrder } from './store-folder.ts';
import { lockFolder, type FolderLock } from './store-lock.ts';

export { blobMtimeSeconds } from './blob-file.ts';

export interface DiskStoreOptions {
  /** absolute path of the store's own folder; made when absent */
  readonly dir: string;
  /** counted in whole disk blocks of 4 KiB */
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  /** how long a blob that findMissing found is safe from eviction; 5 minutes when not given */
  readonly protectMs?: number;
}

export type StoreOpenFailure =
  /** another live process has this folder open */
  | { readonly reason: 'locked'; readonly message: string; readonly pid: number | undefined }
  /** the folder holds something else; nothing in it was touched */
  | { readonly reason: 'not-a-store'; readonly message: string }
  | { readonly reason: 'store-failed'; readonly message: string };

export interface DiskStore extends LocalBlobStore {
  /**
   * Path of a file with the blob's bytes: mode 0444, or 0555 in a second file when `executable`; its mtime is `blobMtimeSeconds`.
   * Verified once per process. `missing-blob` when it is not here. Pin the digest first: an unpinned file may be evicted.
   * The file is the store's own: never hand it to something that may write to it or change its mode.
   */
  pathFor(digest: Digest, options: { readonly executable: boolean }): Promise<Result<string, RemoteFailure>>;
  /** Copies a file with these bytes into the store without reading it into memory at once. */
  writeFile(digest: Digest, sourcePath: string): Promise<Result<void, RemoteFailure>>;
  /** Ends background work, remembers the order of use and frees the folder for another process. */
  close(): Promise<void>;
}

const blockBytes = 4096;
const openFiles = 32;
const saveOrderMs = 600_000;

/** Opens or makes the store in a folder that no other process has open. */
export async function openDiskStore(options: DiskStoreOptions): Promise<Result<DiskStore, StoreOpenFailure>> {
  const { dir, log } = options;
  let lock: FolderLock | undefined;
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const inspected = await inspectFolder(dir);
    if (!inspected.ok) return err({ reason: 'not-a-store', message: inspected.error });
    const locked = await lockFolder(dir);
    if (!locked.ok) {
      const { pid } = locked.error;
      const who = pid === undefined ? 'another process' : `process ${pid}`;
      return err({ reason: 'locked', message: `${dir} is in use by ${who}`, pid });
    }
    lock = locked.value;
    if (await prepareFolder(dir)) log.warn({ dir }, 'the store had another version and was emptied');
    const index = new BlobIndex((sizeBytes) => Math.max(1, Math.ceil(sizeBytes / blockBytes)) * blockBytes);
    for (const found of await sortBySavedOrder(dir, await scanFolder(dir))) {
      if (found.plain) index.add(found.digest, 'named', found.executable ? 'named' : 'none');
      else await rm(blobPath(dir, found.digest, true), { force: true });
    }
    const store = new FolderStore(options, index, lock);
    await store.makeRoom(0);
    return ok(store);
  } catch (error) {
    await lock?.release();
    return err({ reason: 'store-failed', message: storeFailed(error).message });
  }
}

class FolderStore implements DiskStore {
  readonly #files = new Semaphore(openFiles);
  readonly #writing = new Map<string, Promise<Result<void, RemoteFailure>>>();
  readonly #copying = new Map<string, Promise<void>>();
  /** blobs whose files are being removed; a write of the same blob waits for that */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #subfolders = new Set<string>();
  #reservedBytes = 0;
  #temporaryCount = 0;
  #changed = false;
  #saving: Timer | undefined;
  #closed = false;

  constructor(
    private readonly options: DiskStoreOptions,
    private readonly index: BlobIndex,
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
    const permit = await this.#files.acquire(signal);
    if (permit === undefined) return err(storeCancelled());
    try {
      const bytes = await readFile(this.#path(digest), signal === undefined ? {} : { signal });
      const right = entry.trust === 'verified' ? bytes.byteLength === digest.sizeBytes : await hasDigest(bytes, digest);
      if (!right) return err(await this.#dropCorrupt(entry));
      entry.trust = 'verified';
      return ok(bytes);
    } catch (error) {
      return err(await this.#readFailed(entry, error, signal));
    } finally {
      permit.release();
    }
  }

  async readMany(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
    return gather(await Promise.all(digests.map((digest) => this.read(digest, signal))));
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
    const all = gather(await Promise.all(blobs.map((blob) => this.write(blob.digest, blob.bytes, signal))));
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
    const permit = await this.#files.acquire(signal);
    if (permit === undefined) return err(storeCancelled());
    try {
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
      return err(await this.#readFailed(entry, error, signal));
    } finally {
      permit.release();
    }
  }

  async openWrite(digest: Digest): Promise<Result<BlobWriter, RemoteFailure>> {
    const room = await this.makeRoom(digest.sizeBytes);
    if (!room.ok) return room;
    const temporary = this.#temporary();
    this.#reservedBytes += digest.sizeBytes;
    const ended = () => {
      this.#reservedBytes -= digest.sizeBytes;
    };
    try {
      return ok(await BlobFileWriter.open(digest, temporary, () => this.#moveIn(digest, temporary), ended));
    } catch (error) {
      ended();
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

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#saving?.cancel();
    await Promise.allSettled([...this.#writing.values(), ...this.#copying.values(), ...this.#leaving.values()]);
    await this.#saveOrder();
    await this.lock.release();
  }

  /** Evicts until a blob of this size fits; public for openDiskStore, where the limit may be smaller than last time. */
  async makeRoom(sizeBytes: number): Promise<Result<void, RemoteFailure>> {
    const { limitBytes, clock, log } = this.options;
    if (sizeBytes > limitBytes) {
      return err({
        reason: 'limit-exceeded',
        message: `a blob of ${sizeBytes} bytes is larger than the store (${limitBytes})`,
      });
    }
    const target = limitBytes - this.#reservedBytes - Math.max(sizeBytes, blockBytes);
    if (this.index.bytes <= target) return ok(undefined);
    // A little more than asked for, so that a full store does not sort out its victims anew at every write.
    const roomy = target - Math.floor(limitBytes / 100 / blockBytes) * blockBytes;
    for (const evenProtected of [false, true]) {
      if (this.index.bytes <= target) break;
      const victims = this.index.takeVictims(roomy, clock.monotonicMs(), evenProtected);
      if (victims.length === 0) continue;
      log.debug({ blobs: victims.length, evenProtected }, 'blobs evicted');
      const removed = this.#removeInTurn(victims);
      for (const victim of victims) this.#leaving.set(digestKey(victim.digest), removed);
    }
    if (this.index.bytes <= target || sizeBytes === 0) return ok(undefined);
    return err({ reason: 'store-failed', message: 'the store is full of blobs that are in use' });
  }

  /** The disk itself is full: gives up a part of what is kept, however much the limit would allow. */
  async #shrink(sizeBytes: number): Promise<void> {
    const { clock, log } = this.options;
    const target = Math.floor(this.index.bytes * 0.95) - sizeBytes - blockBytes;
    const victims = this.index.takeVictims(Math.max(0, target), clock.monotonicMs(), false);
    log.warn({ blobs: victims.length }, 'the disk is full; blobs evicted');
    const removed = this.#removeInTurn(victims);
    for (const victim of victims) this.#leaving.set(digestKey(victim.digest), removed);
    await removed;
  }

  async #removeInTurn(victims: readonly IndexEntry[]): Promise<void> {
    for (const victim of victims) {
      await this.#removeFiles(victim);
      this.#leaving.delete(digestKey(victim.digest));
    }
  }

  async #removeFiles(entry: IndexEntry): Promise<void> {
    try {
      if (entry.executable !== 'none') await rm(this.#path(entry.digest, true), { force: true });
      await rm(this.#path(entry.digest), { force: true });
    } catch (error) {
      this.options.log.warn({ error: storeFailed(error).message }, 'a blob could not be removed');
    }
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
    const room = await this.makeRoom(digest.sizeBytes);
    if (!room.ok) return room;
    this.#reservedBytes += digest.sizeBytes;
    const permit = await this.#files.acquire();
    try {
      await this.#leaving.get(digestKey(digest));
      await this.#makeSubfolder(digest);
      try {
        await writeBlobFile(this.#temporary(), this.#path(digest), bytes);
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        await this.#shrink(digest.sizeBytes);
        await writeBlobFile(this.#temporary(), this.#path(digest), bytes);
      }
      this.index.add(digest, 'verified');
      this.#changed = true;
      return ok(undefined);
    } catch (error) {
      return err(storeFailed(error));
    } finally {
      permit?.release();
      this.#reservedBytes -= digest.sizeBytes;
    }
  }

  async #moveIn(digest: Digest, temporary: string): Promise<void> {
    await this.#leaving.get(digestKey(digest));
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
      const removed = this.#removeInTurn([entry]);
      this.#leaving.set(digestKey(entry.digest), removed);
      await removed;
    }
    return missingBlob(entry.digest);
  }

  async #readFailed(entry: IndexEntry, error: unknown, signal?: AbortSignal): Promise<RemoteFailure> {
    if (signal?.aborted === true) return storeCancelled();
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

function gather<T>(results: readonly Result<T, RemoteFailure>[]): Result<T[], RemoteFailure> {
  const values: T[] = [];
  for (const result of results) {
    if (!result.ok) return result;
    values.push(result.value);
  }
  return ok(values);
}
