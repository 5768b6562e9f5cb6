// What a cache is asked to shrink to, and what it gave up for that.

/** Both may be given: what either of them rules out goes. */
export interface CacheLimits {
  /** bytes that may be kept */
  readonly maxBytes?: number | undefined;
  /** what was not used for so long goes, milliseconds */
  readonly unusedForMs?: number | undefined;
}

export interface CacheRemoval {
  /** results or blobs */
  readonly entries: number;
  readonly bytes: number;
}

/** What a cluster gave up. */
export interface ClusterRemoval {
  readonly results: CacheRemoval;
  readonly blobs: CacheRemoval;
}
