// Which workers are kept away from work because they keep failing, by worker id and beyond reconnects. Unaware of tasks.

export interface QuarantineOptions {
  /** different actions that must fail in a row */
  readonly failures: number;
  readonly firstMs: number;
  /** each further quarantine without a success between lasts twice as long, up to this */
  readonly longestMs: number;
}

export const defaultQuarantine: QuarantineOptions = { failures: 3, firstMs: 30_000, longestMs: 600_000 };

const maxWorkers = 1_000;

interface Record {
  /** actions that failed since the last success */
  readonly failing: Set<string>;
  /** quarantines since the last success */
  episodes: number;
  untilMs: number;
  why: string;
}

export class WorkerHealth {
  readonly #options: QuarantineOptions;
  readonly #records = new Map<string, Record>();

  constructor(options: QuarantineOptions = defaultQuarantine) {
    this.#options = options;
  }

  /** The action failed there by the worker's fault. Answers how long it is quarantined now, undefined when it is not. */
  blame(worker: string, action: string, nowMs: number): number | undefined {
    const record = this.#recordOf(worker);
    if (record.untilMs > nowMs) return undefined;
    record.failing.add(action);
    // After a quarantine the first failure is enough.
    const bound = record.episodes > 0 ? 1 : this.#options.failures;
    if (record.failing.size < bound) return undefined;
    const durationMs = Math.min(this.#options.firstMs * 2 ** record.episodes, this.#options.longestMs);
    record.why = `${record.failing.size} action${record.failing.size === 1 ? '' : 's'} in a row failed there`;
    record.episodes += 1;
    record.failing.clear();
    record.untilMs = nowMs + durationMs;
    return durationMs;
  }

  /** The action failed elsewhere too: it is not this worker's fault after all. */
  forgive(worker: string, action: string): void {
    this.#records.get(worker)?.failing.delete(action);
  }

  /** The worker gave a result. */
  succeeded(worker: string): void {
    const record = this.#records.get(worker);
    if (record === undefined) return;
    record.failing.clear();
    record.episodes = 0;
  }

  isQuarantined(worker: string, nowMs: number): boolean {
    return (this.#records.get(worker)?.untilMs ?? 0) > nowMs;
  }

  /** For people; null when it is not quarantined. */
  describe(worker: string, nowMs: number): string | null {
    const record = this.#records.get(worker);
    if (record === undefined || record.untilMs <= nowMs) return null;
    return `${record.why}; back in ${Math.ceil((record.untilMs - nowMs) / 1000)} s`;
  }

  #recordOf(worker: string): Record {
    const record = this.#records.get(worker) ?? { failing: new Set<string>(), episodes: 0, untilMs: 0, why: '' };
    this.#records.delete(worker);
    this.#records.set(worker, record);
    for (const oldest of this.#records.keys()) {
      if (this.#records.size <= maxWorkers) break;
      this.#records.delete(oldest);
    }
    return record;
  }
}
