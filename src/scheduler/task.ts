// One action on its way through the scheduler, and everybody who waits for it. Unaware of workers and of policy.

import { err, type Result } from '../base/result.ts';
import type { ExecutionHints } from '../model/action.ts';
import type { Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { ExecuteOutcome, ExecuteStage } from '../model/remote-executor.ts';
import type { UnitPrediction } from '../policy/learn.ts';
import type { Lease } from './lease.ts';

export type TaskState =
  | {
      readonly kind: 'queued';
      readonly sinceMs: number;
      /** since when no connected worker may run it */
      strandedSinceMs: number | undefined;
    }
  | { readonly kind: 'leased'; readonly leases: Set<Lease> }
  /** answered; copies that lost may still be on their way back */
  | { readonly kind: 'settled'; readonly result: Result<ExecuteOutcome, RemoteFailure>; readonly losers: Set<Lease> };

interface Waiter {
  readonly onStage: (stage: ExecuteStage) => void;
  readonly answer: (result: Result<ExecuteOutcome, RemoteFailure>) => void;
}

export interface TaskFacts {
  /** unique among live tasks */
  readonly id: string;
  readonly action: Digest;
  /** under what it is shared and its result kept: the client's result key, else the action's digest */
  readonly key: Digest;
  readonly hints: ExecutionHints;
  readonly cacheable: boolean;
  /** the action's own limit */
  readonly timeoutMs: number | undefined;
  readonly prediction: UnitPrediction;
  readonly enteredMs: number;
}

export class Task {
  readonly facts: TaskFacts;
  state: TaskState;
  readonly #waiters = new Set<Waiter>();
  /** ids of workers on which it failed */
  readonly excluded = new Set<string>();
  /** of those, the ones to blame if somebody else can do it */
  readonly blamed = new Set<string>();
  /** leases that failed and count */
  failures = 0;
  /** leases that hit a limit */
  limits = 0;
  /** leases lost before they ran, which count less */
  losses = 0;
  /** a client's proof failed on the result: it is not kept */
  rejected = false;
  /** when the compiler first started */
  runningMs: number | undefined;
  #stage: ExecuteStage = { kind: 'queued' };

  constructor(facts: TaskFacts) {
    this.facts = facts;
    this.state = { kind: 'queued', sinceMs: facts.enteredMs, strandedSinceMs: undefined };
  }

  get returned(): boolean {
    return this.failures + this.losses > 0;
  }

  /** Tells everybody who waits, and those who join later. */
  enter(stage: ExecuteStage): void {
    this.#stage = stage;
    for (const waiter of this.#waiters) waiter.onStage(stage);
  }

  /**
   * Somebody waits for it: is told where it is, now and later, and gets its answer, or `cancelled` on giving up.
   * @param onAbandoned called when the last one who waited gave up
   */
  wait(
    onStage: (stage: ExecuteStage) => void,
    onAbandoned: () => void,
    signal: AbortSignal | undefined,
  ): Promise<Result<ExecuteOutcome, RemoteFailure>> {
    if (this.state.kind === 'settled') return Promise.resolve(this.state.result);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        onStage,
        answer: (result) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(result);
        },
      };
      const onAbort = () => {
        if (!this.#waiters.delete(waiter)) return;
        waiter.answer(abandoned());
        if (this.#waiters.size === 0) onAbandoned();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      onStage(this.#stage);
    });
  }

  /** Answers everybody who waits. */
  answer(result: Result<ExecuteOutcome, RemoteFailure>): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.answer(result);
  }
}

/** The answer of an action for which nobody waits any more. */
export function abandoned(): Result<ExecuteOutcome, RemoteFailure> {
  return err({ reason: 'cancelled', message: 'nobody waits for this action any more' });
}
