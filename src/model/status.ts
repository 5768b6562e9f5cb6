// What `icets status` shows: the cluster as its scheduler sees it.

import type { AuditStatus } from './audit.ts';

export interface WorkerStatus {
  readonly id: string;
  readonly name: string;
  readonly arch: string;
  readonly slots: number;
  readonly running: readonly string[];
  readonly prefetched: number;
  /** relative to the cluster's mean worker, 1 when nothing is known */
  readonly speed: number;
  readonly load: number;
  readonly freeMemoryBytes: number;
  readonly completed: number;
  readonly failed: number;
  readonly toolchains: number;
  readonly quarantined: string | null;
}

/** The results that a cluster keeps; hits, misses and the like since its scheduler started. */
export interface ResultCacheStatus {
  readonly entries: number;
  readonly bytes: number;
  readonly limitBytes: number;
  readonly hits: number;
  readonly misses: number;
  /** given up to stay below the limit */
  readonly evicted: number;
  /** dropped because a client's proof failed on them */
  readonly rejected: number;
}

/** A worker that gave wrong results: it gets no actions until that is lifted. */
export interface QuarantinedWorker {
  /** its name */
  readonly worker: string;
  /** of workers that had the name */
  readonly ids: readonly string[];
  readonly why: string;
  /** milliseconds since the epoch */
  readonly sinceMs: number;
}

export interface ClusterStatus {
  readonly version: string;
  readonly startedMs: number;
  readonly queued: number;
  readonly running: number;
  readonly completed: number;
  readonly cacheHits: number;
  readonly workers: readonly WorkerStatus[];
  /** found out by an audit; connected now or not */
  readonly quarantined: readonly QuarantinedWorker[];
  readonly store: { readonly blobs: number; readonly bytes: number; readonly limitBytes: number };
  readonly results: ResultCacheStatus;
}

export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  readonly startedMs: number;
  readonly scheduler: {
    readonly url: string;
    readonly state: 'connected' | 'connecting' | 'none';
    readonly message: string;
  };
  readonly localSlots: number;
  readonly localBusy: number;
  readonly running: number;
  readonly counters: Readonly<Record<string, number>>;
  /** of the agent's own process */
  readonly cpuMs: number;
  /** of the programs it ran: a compiler's -M and the questions put to compilers */
  readonly childCpuMs: number;
  readonly rssBytes: number;
  readonly audit: AuditStatus;
}
