// What the scheduling policy looks at and what it answers. Unaware of clocks, promises, the network and the store:
// the scheduler, the simulation and the report's what-if all build these shapes and read these answers.

/** One action that wants to run. Costs are milliseconds on a worker of speed 1. */
export interface PolicyUnit {
  readonly id: string;
  readonly client: string;
  /** `uname -m` that can run it; empty: any */
  readonly arch: string;
  /** hash of the Toolchain message it needs; undefined: none */
  readonly toolchain: string | undefined;
  readonly costMs: number;
  /** false: the cost is a guess, not from an earlier run */
  readonly learned: boolean;
  readonly memoryBytes: number;
  /** ids of workers on which it already failed; used again only when nobody else is eligible */
  readonly excluded: ReadonlySet<string>;
}

export interface QueuedUnit extends PolicyUnit {
  readonly queuedForMs: number;
  /** how long the rest of its build takes at least once it has ended, as far as that waits for it; 0 when unknown */
  readonly downstreamMs: number;
  /** was on a worker already and came back: goes first */
  readonly returned: boolean;
}

/** One copy of a unit on a worker, in the order in which it was sent there. */
export interface PolicyLease {
  readonly unit: PolicyUnit;
  /** the compiler runs (or its inputs are being fetched for a free slot) */
  readonly running: boolean;
  /** from the start of its turn to its end, as predicted when it was sent */
  readonly predictedMs: number;
  /** since the start of its turn; 0 while it waits behind others */
  readonly elapsedMs: number;
  /** how many workers hold a copy of this unit, this one included */
  readonly copies: number;
}

export interface PolicyWorker {
  readonly id: string;
  readonly arch: string;
  readonly cores: number;
  readonly slots: number;
  /** cost milliseconds done per millisecond of wall time by one slot */
  readonly speed: number;
  /** what a lease takes beyond running: fetching, setting up, sending back */
  readonly overheadMs: number;
  /** cores kept busy by somebody else's work */
  readonly foreignLoad: number;
  /** what all leases together may use; Infinity when unknown */
  readonly memoryBudgetBytes: number;
  readonly toolchains: ReadonlySet<string>;
  readonly brokenToolchains: ReadonlySet<string>;
  /** false while it drains or is quarantined */
  readonly available: boolean;
  readonly leases: readonly PolicyLease[];
}

export interface PolicySnapshot {
  readonly queued: readonly QueuedUnit[];
  readonly workers: readonly PolicyWorker[];
  /** cost served so far by client, see ClientLedger; a client that is not in it counts as 0 */
  readonly served: ReadonlyMap<string, number>;
  /** since the last unit came; not given: long ago */
  readonly sinceArrivalMs?: number;
}

export interface Assignment {
  readonly unit: string;
  readonly worker: string;
  /** from now until its turn comes */
  readonly startsInMs: number;
  /** from the start of its turn to its end */
  readonly predictedMs: number;
}

export interface Decision {
  /** second copies of units that run or wait elsewhere; to be leased first: each has an idle slot that an assignment would take */
  readonly duplicates: readonly Assignment[];
  /** to be leased now, in this order */
  readonly assignments: readonly Assignment[];
  /** queued units that no connected worker may run */
  readonly stranded: readonly string[];
}

export interface PolicySettings {
  /** leases sent to a worker beyond its slots */
  readonly prefetch: number;
  /** cost of bringing a toolchain to a worker that has none, shared by all that wait */
  readonly installMs: number;
  /** a wait for a place that is not free yet is counted this many times: predictions may be wrong */
  readonly patience: number;
  /** how deep into the queue the policy plans */
  readonly lookahead: number;
  /** a second copy must be predicted to take less than this part of what the first still needs */
  readonly duplicateGain: number;
  /** and must win at least this much */
  readonly duplicateMinGainMs: number;
  /** while units keep coming, an idle slot is left to the next one and not to a second copy of what runs */
  readonly calmMs: number;
}

export const defaultSettings: PolicySettings = {
  prefetch: 1,
  installMs: 4000,
  patience: 1.1,
  lookahead: 2000,
  duplicateGain: 0.7,
  duplicateMinGainMs: 300,
  calmMs: 800,
};
