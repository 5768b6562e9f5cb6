// What a scheduler is made of and what it counts.

import type { Log } from '../base/log.ts';
import type { Result } from '../base/result.ts';
import type { ActionCache } from '../model/action-cache.ts';
import type { BlobStore } from '../model/blob-store.ts';
import type { CacheLimits, CacheRemoval } from '../model/cache-limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { PolicySettings } from '../policy/snapshot.ts';
import type { LearnedStore } from './learned-store.ts';
import type { QuarantineOptions } from './worker-health.ts';

/** What a store in the same process may offer beyond the port; the disk store does. */
export interface LocalStoreExtras {
  pin(digests: readonly Digest[]): { release(): void };
  figures(): { readonly blobs: number; readonly bytes: number; readonly limitBytes: number };
  trim(limits: CacheLimits): Promise<CacheRemoval>;
}

/** What an action cache in the same process may offer beyond the port; the disk one does. */
export interface LocalCacheExtras {
  figures(): {
    readonly entries: number;
    readonly bytes: number;
    readonly limitBytes: number;
    readonly evicted: number;
  };
  trim(limits: CacheLimits): Promise<Result<CacheRemoval, RemoteFailure>>;
}

export interface SchedulerOptions {
  readonly blobs: BlobStore & Partial<LocalStoreExtras>;
  readonly actionCache: ActionCache & Partial<LocalCacheExtras>;
  readonly clock: Clock;
  readonly log: Log;
  /** of icets, for people */
  readonly version: string;
  /** not given: what is learned ends with the process */
  readonly learned?: LearnedStore;
  /** where workers in quarantine are remembered; not given: that ends with the process */
  readonly quarantined?: LearnedStore;
  readonly policy?: PolicySettings;
  readonly quarantine?: QuarantineOptions;
  /** how long an action that no connected worker may run waits for one to join; 2 s */
  readonly noWorkerGraceMs?: number;
  /** the longest that any action may run; 10 min */
  readonly leaseTimeoutMs?: number;
  /** workers that may fail on one action before its client hears of it; 3 */
  readonly maxAttempts?: number;
}

export interface SchedulerCounters {
  readonly executed: number;
  readonly cacheHits: number;
  /** lookups that found nothing; an execution that follows one is not counted again */
  readonly cacheMisses: number;
  /** kept results that failed a client's proof */
  readonly rejected: number;
  readonly coalesced: number;
  readonly failed: number;
  readonly retried: number;
  readonly cancelled: number;
  readonly duplicates: number;
  readonly duplicateWins: number;
  /** two copies of one action gave different results */
  readonly differing: number;
  readonly quarantines: number;
}

export const zeroCounters: SchedulerCounters = {
  executed: 0,
  cacheHits: 0,
  cacheMisses: 0,
  rejected: 0,
  coalesced: 0,
  failed: 0,
  retried: 0,
  cancelled: 0,
  duplicates: 0,
  duplicateWins: 0,
  differing: 0,
  quarantines: 0,
};
