// Content-addressed storage in a folder of this machine: what it offers, and how it is opened. Unaware of networks and of what the
// blobs mean.

import { mkdir, rm } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CacheLimits, CacheRemoval } from '../model/cache-limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { BlobEviction, blockBytes } from './blob-eviction.ts';
import { storeFailed } from './blob-file.ts';
import { BlobIndex } from './blob-index.ts';
import { FolderStore } from './folder-store.ts';
import type { LocalBlobStore } from './local-blob-store.ts';
import { blobPath, inspectFolder, prepareFolder, scanFolder, sortBySavedOrder } from './store-folder.ts';
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
  /** Gives up blobs, the least recently used first; pinned ones and those found by findMissing a moment ago stay. */
  trim(limits: CacheLimits): Promise<CacheRemoval>;
  /** Ends background work, remembers the order of use and frees the folder for another process. */
  close(): Promise<void>;
}

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
    const index = new BlobIndex(
      (sizeBytes) => Math.max(1, Math.ceil(sizeBytes / blockBytes)) * blockBytes,
      () => options.clock.monotonicMs(),
    );
    for (const found of await sortBySavedOrder(dir, await scanFolder(dir))) {
      if (found.plain) index.add(found.digest, 'named', found.executable ? 'named' : 'none');
      else await rm(blobPath(dir, found.digest, true), { force: true });
    }
    const eviction = new BlobEviction(options, index);
    // The limit may be smaller than last time.
    eviction.trim(0);
    return ok(new FolderStore(options, index, eviction, lock));
  } catch (error) {
    await lock?.release();
    return err({ reason: 'store-failed', message: storeFailed(error).message });
  }
}
