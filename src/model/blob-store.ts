// Port: content-addressed storage. The disk store, the memory store and the far end of a Link all have this shape.

import type { Result } from '../base/result.ts';
import type { Digest } from './digest.ts';
import type { RemoteFailure } from './failure.ts';

export interface BlobStore {
  /** Which of these are not here. The empty blob is always here. A blob found here is safe from eviction for a while. */
  findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Result<readonly Digest[], RemoteFailure>>;

  /** The whole blob, verified; `missing-blob` when it is not here (a corrupt one is removed and counts as missing). */
  read(digest: Digest, signal?: AbortSignal): Promise<Result<Uint8Array, RemoteFailure>>;

  /** Several small blobs (together at most a few MiB are sensible); fails as a whole when one is missing. */
  readMany(digests: readonly Digest[], signal?: AbortSignal): Promise<Result<readonly Uint8Array[], RemoteFailure>>;

  /** Stores bytes under their digest; `invalid-request` when the bytes do not have it. Storing twice is no error. */
  write(digest: Digest, bytes: Uint8Array, signal?: AbortSignal): Promise<Result<void, RemoteFailure>>;

  /** Several small blobs at once. */
  writeMany(
    blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[],
    signal?: AbortSignal,
  ): Promise<Result<void, RemoteFailure>>;

  /** Up to `limit` bytes from `offset`; for blobs too large for one message. */
  readChunk(
    digest: Digest,
    offset: number,
    limit: number,
    signal?: AbortSignal,
  ): Promise<Result<Uint8Array, RemoteFailure>>;

  /** Opens an upload for a blob too large for one message. */
  openWrite(digest: Digest): Promise<Result<BlobWriter, RemoteFailure>>;
}

export interface BlobWriter {
  /** Appends; chunks come in order. */
  append(bytes: Uint8Array): Promise<Result<void, RemoteFailure>>;
  /** Verifies size and hash and makes the blob visible. */
  commit(): Promise<Result<void, RemoteFailure>>;
  /** Forgets what was appended. */
  abort(): Promise<void>;
}
