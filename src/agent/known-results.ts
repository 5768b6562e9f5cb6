// The cluster's kept results as one agent sees them: which keys it has stopped to believe in, and how lookups went. Unaware of what
// makes a result believable.

import { ok, type Result } from '../base/result.ts';
import type { ActionResult } from '../model/action.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { RemoteExecutor } from '../model/remote-executor.ts';
import type { Counters } from './counters.ts';

/** Why a compile neither asks for a kept result nor leaves one; counted as `cache.REASON`. */
export type Uncacheable = 'no-cache' | 'time-macro';

const refusedLimit = 10_000;

export class KnownResults {
  readonly #counters: Counters;
  /** keys whose results failed our proof, the oldest first */
  readonly #refused = new Set<string>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** The result kept under the key, if there is one that this agent has not refused. */
  async find(
    key: Digest,
    executor: RemoteExecutor,
    signal: AbortSignal,
  ): Promise<Result<ActionResult | undefined, RemoteFailure>> {
    if (this.refuses(key)) return ok(undefined);
    return executor.getActionResult(key, signal);
  }

  refuses(key: Digest): boolean {
    return this.#refused.has(digestKey(key));
  }

  /** The result under this key failed the proof: it is not asked for again, and the cluster drops it. */
  refuse(key: Digest, executor: RemoteExecutor, why: string): void {
    this.#refused.add(digestKey(key));
    for (const oldest of this.#refused) {
      if (this.#refused.size <= refusedLimit) break;
      this.#refused.delete(oldest);
    }
    executor.rejectResult?.(key, why);
  }

  /** A result that was made anew under the key passed the proof and took the place of the refused one. */
  believe(key: Digest): void {
    this.#refused.delete(digestKey(key));
  }

  count(event: Uncacheable | 'hit' | 'miss' | 'evicted' | 'unproven'): void {
    this.#counters.add(`cache.${event}`);
  }
}
