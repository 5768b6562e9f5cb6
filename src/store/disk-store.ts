// Content-addressed storage in a folder of this machine. Unaware of networks and of what the blobs mean.

import type { Log } from '../base/log.ts';
import type { Result } from '../base/result.ts';
import type { Clock } from '../model/clock.ts';
import type { Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { LocalBlobStore } from './local-blob-store.ts';

export interface DiskStoreOptions {
  /** absolute path of the store's own folder; made when absent */
  readonly dir: string;
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
  /** Moves a file with these bytes into the store without reading it into memory at once. */
  writeFile(digest: Digest, sourcePath: string): Promise<Result<void, RemoteFailure>>;
  /** Ends background work, remembers the order of use and frees the folder for another process. */
  close(): Promise<void>;
}

/** mtime of every file in a disk store, seconds since the epoch. */
export const blobMtimeSeconds = 1;

export async function openDiskStore(_options: DiskStoreOptions): Promise<Result<DiskStore, StoreOpenFailure>> {
  return Promise.reject(new Error('not written yet'));
}
