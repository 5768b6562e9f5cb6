// How much one peer may ask of this process, and how large the pieces are.

export interface LinkLimits {
  /** largest frame taken or sent, bytes */
  readonly maxFrameBytes: number;
  /** requests of one peer that are being answered at once; further ones fail with `limit-exceeded` */
  readonly maxRequests: number;
  /** replies with blobs of one peer that are being prepared at once; further ones wait */
  readonly maxBulkReplies: number;
  /** bytes of a peer's requests in work above which nothing more is read from it for a while */
  readonly maxRequestBytes: number;
  /** unsent bytes above which replies with blobs and uploads wait */
  readonly highWaterBytes: number;
  /** unsent bytes above which a peer is taken for one that does not read, and dropped */
  readonly maxUnsentBytes: number;
  /** uploads that one peer may have open */
  readonly maxUploads: number;
  /** an upload without a chunk for so long is dropped */
  readonly uploadIdleMs: number;
  /** time between connecting and the first frame */
  readonly helloMs: number;
}

export const defaultLinkLimits: LinkLimits = {
  maxFrameBytes: 8 * 1024 * 1024,
  maxRequests: 4096,
  maxBulkReplies: 8,
  maxRequestBytes: 32 * 1024 * 1024,
  highWaterBytes: 1024 * 1024,
  maxUnsentBytes: 64 * 1024 * 1024,
  maxUploads: 64,
  uploadIdleMs: 60_000,
  helloMs: 5_000,
};

/** bytes of a blob in one chunk frame */
export const chunkBytes = 256 * 1024;
/** bytes of small blobs that travel in one batch frame */
export const batchBytes = 1024 * 1024;
/** digests in one findMissing frame */
export const findMissingCount = 5_000;
