// A connected worker as the scheduler knows it: what it said, what it holds, what it has done. Unaware of policy's choices.

import type { Clock } from '../model/clock.ts';
import type { WorkerHandle, WorkerState } from '../model/worker-pool.ts';
import type { Lease } from './lease.ts';

/** the period of the load average that workers report */
const loadPeriodMs = 60_000;

export class Member {
  /** the worker's own id; with a suffix when another connected worker has the same */
  readonly id: string;
  readonly handle: WorkerHandle;
  /** in the order in which they were sent */
  readonly leases = new Set<Lease>();
  completed = 0;
  failed = 0;
  #state: WorkerState | undefined;
  /** predicted peaks of what ran when the state came */
  #leasedBytesThen = 0;
  /** toolchains that ran something there since the state came */
  readonly #shownToolchains = new Set<string>();
  readonly #clock: Clock;
  #runningAverage = 0;
  #averagedMs: number;

  constructor(id: string, handle: WorkerHandle, clock: Clock) {
    this.id = id;
    this.handle = handle;
    this.#clock = clock;
    this.#averagedMs = clock.monotonicMs();
  }

  get name(): string {
    return this.handle.name;
  }

  get state(): WorkerState | undefined {
    return this.#state;
  }

  set state(state: WorkerState) {
    this.#state = state;
    this.#shownToolchains.clear();
    this.#leasedBytesThen = 0;
    for (const lease of this.leases) {
      if (lease.state.kind === 'running') this.#leasedBytesThen += lease.task.facts.prediction.memoryBytes;
    }
  }

  get leasedBytesThen(): number {
    return this.#leasedBytesThen;
  }

  get toolchains(): ReadonlySet<string> {
    return new Set([...(this.#state?.toolchains ?? []), ...this.#shownToolchains]);
  }

  /** A lease that needs this toolchain gave a result. */
  showedToolchain(hash: string): void {
    this.#shownToolchains.add(hash);
  }

  /** Mean number of leases run here, over the time that the load average covers. */
  get runningAverage(): number {
    this.#average();
    return this.#runningAverage;
  }

  add(lease: Lease): void {
    this.#average();
    this.leases.add(lease);
  }

  remove(lease: Lease): void {
    this.#average();
    this.leases.delete(lease);
  }

  #average(): void {
    const nowMs = this.#clock.monotonicMs();
    const keep = Math.exp(-(nowMs - this.#averagedMs) / loadPeriodMs);
    const running = Math.min(this.leases.size, this.handle.info.slots);
    this.#runningAverage = this.#runningAverage * keep + running * (1 - keep);
    this.#averagedMs = nowMs;
  }
}
