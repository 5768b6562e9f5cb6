// One copy of a task on one worker, from sending it there to exactly one end, whatever the worker does. Unaware of policy.

import { err, type Result } from '../base/result.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { LeaseOutcome, LeaseRequest } from '../model/worker-pool.ts';
import type { Member } from './member.ts';
import type { Task } from './task.ts';

export type LeaseState =
  | { readonly kind: 'sent' }
  | { readonly kind: 'running'; readonly sinceMs: number }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'ended' };

export interface LeaseOptions {
  readonly task: Task;
  readonly member: Member;
  readonly request: LeaseRequest;
  readonly clock: Clock;
  /** as the policy predicted */
  readonly startsInMs: number;
  readonly predictedMs: number;
  /** runs before a good outcome counts; may turn it into a failure */
  readonly verify: (outcome: LeaseOutcome) => Promise<Result<LeaseOutcome, RemoteFailure>>;
  readonly onRunning: (lease: Lease) => void;
  /** called exactly once */
  readonly onEnd: (lease: Lease, result: Result<LeaseOutcome, RemoteFailure>) => void;
}

/** for the answer to travel once the worker's own time limit has struck */
const answerMs = 5_000;
/** a cancelled lease keeps its slot until the worker says that it has stopped, but not longer */
const cancelMs = 5_000;

export class Lease {
  readonly task: Task;
  readonly member: Member;
  readonly sentMs: number;
  readonly predictedMs: number;
  readonly #options: LeaseOptions;
  readonly #abort = new AbortController();
  #state: LeaseState = { kind: 'sent' };
  #givenUp = false;
  #watchdog: Timer;

  constructor(options: LeaseOptions) {
    this.task = options.task;
    this.member = options.member;
    this.predictedMs = options.predictedMs;
    this.sentMs = options.clock.monotonicMs();
    this.#options = options;
    const waitMs = 3 * options.startsInMs + options.request.timeoutMs + answerMs;
    this.#watchdog = options.clock.after(waitMs, () => this.#timeOut());
  }

  get state(): LeaseState {
    return this.#state;
  }

  /** Sends it; the end is told through `onEnd`. */
  start(): void {
    void this.#run();
  }

  /** Tells the worker to stop. The lease ends when the worker says so, or soon after by itself. */
  cancel(): void {
    if (this.#state.kind === 'ended' || this.#state.kind === 'cancelled') return;
    this.#state = { kind: 'cancelled' };
    this.#watchdog.cancel();
    this.#watchdog = this.#options.clock.after(cancelMs, () => this.#timeOut());
    this.#abort.abort();
  }

  /** Another copy runs while this one still waits for its turn: it ends, and nobody is to blame. */
  giveUp(): void {
    this.#givenUp = true;
    this.cancel();
  }

  get givenUp(): boolean {
    return this.#givenUp;
  }

  /** The worker is gone. */
  disconnect(): void {
    this.#end(err({ reason: 'disconnected', message: `worker ${this.member.name} left` }));
    this.#abort.abort();
  }

  /** What the worker gives is not to be believed any more. */
  revoke(): void {
    this.#end(err({ reason: 'disconnected', message: `worker ${this.member.name} is in quarantine` }));
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { member, request } = this.#options;
    let result: Result<LeaseOutcome, RemoteFailure>;
    try {
      result = await member.handle.lease(request, () => this.#started(), this.#abort.signal);
      if (result.ok) result = await this.#options.verify(result.value);
    } catch (error) {
      result = err({ reason: 'worker-failed', message: `lease on ${member.name} broke: ${String(error)}` });
    }
    this.#end(result);
  }

  #started(): void {
    if (this.#state.kind !== 'sent') return;
    this.#state = { kind: 'running', sinceMs: this.#options.clock.monotonicMs() };
    this.#watchdog.cancel();
    this.#watchdog = this.#options.clock.after(this.#options.request.timeoutMs + answerMs, () => this.#timeOut());
    this.#options.onRunning(this);
  }

  #timeOut(): void {
    this.#end(err({ reason: 'timeout', message: `worker ${this.member.name} gave no answer in time` }));
    this.#abort.abort();
  }

  #end(result: Result<LeaseOutcome, RemoteFailure>): void {
    if (this.#state.kind === 'ended') return;
    this.#state = { kind: 'ended' };
    this.#watchdog.cancel();
    this.#options.onEnd(this, result);
  }
}
