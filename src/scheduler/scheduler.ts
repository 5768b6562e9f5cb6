// The embedded scheduler: actions in, leases out, results back. What goes where is the policy's business, how frames
// travel the Link's; here live the queue, the leases, the retries and the promise that nothing is lost.
//
// A task is queued, leased (once, or twice for a straggler) or settled. Every change asks for a dispatch, which runs
// once per turn of the event loop, shows the policy a snapshot and carries out its answer.

import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { ActionResult, zeroTimings } from '../model/action.ts';
import type { BlobStore } from '../model/blob-store.ts';
import type { CacheLimits, ClusterRemoval } from '../model/cache-limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import { digestKey, parseDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type {
  ExecuteOutcome,
  ExecuteRequest,
  ExecuteStage,
  QuarantineChange,
  RemoteExecutor,
} from '../model/remote-executor.ts';
import type { ClusterStatus } from '../model/status.ts';
import type { LeaseOutcome, WorkerHandle, WorkerMembership, WorkerPool } from '../model/worker-pool.ts';
import { choose } from '../policy/choose.ts';
import { ClientLedger } from '../policy/fairness.ts';
import { Learning, parseLearned } from '../policy/learn.ts';
import { contention } from '../policy/prediction.ts';
import { defaultSettings, type Assignment } from '../policy/snapshot.ts';
import { Lease } from './lease.ts';
import { Member } from './member.ts';
import { foreignLoadOf, policyView } from './policy-view.ts';
import { QuarantineList } from './quarantine-list.ts';
import { ResultKeeper, type ActionFacts } from './result-keeper.ts';
import { zeroCounters, type SchedulerCounters, type SchedulerOptions } from './scheduler-options.ts';
import { clusterStatus } from './status-view.ts';
import { abandoned, Task } from './task.ts';
import { clientFailure, judge, sameResult } from './verdict.ts';
import { defaultQuarantine, WorkerHealth } from './worker-health.ts';

const tickMs = 250;
const saveEveryMs = 60_000;
const maxLosses = 10;
const maxDiffering = 10_000;
/** no lease whose cost is known gets less time than this to run */
const leastTimeoutMs = 60_000;

export class Scheduler implements RemoteExecutor, WorkerPool {
  readonly blobs: BlobStore;
  readonly #options: SchedulerOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #learning: Learning;
  readonly #keeper: ResultKeeper;
  readonly #health: WorkerHealth;
  readonly #quarantine: QuarantineList;
  readonly #ledger = new ClientLedger();
  readonly #startedMs: number;
  /** tasks that equal requests join, by their keys */
  readonly #shared = new Map<string, Task>();
  readonly #live = new Map<string, Task>();
  readonly #queued = new Set<Task>();
  readonly #members = new Map<string, Member>();
  readonly #pins = new Map<Task, { release(): void }>();
  /** keys of actions that gave two different results */
  readonly #differing = new Set<string>();
  readonly #counters: { -readonly [K in keyof SchedulerCounters]: number } = { ...zeroCounters };
  #lastArrivalMs = -Infinity;
  #dispatching = false;
  #tick: Timer | undefined;
  #saving: Timer | undefined;
  #nextId = 1;
  #closed = false;

  private constructor(options: SchedulerOptions, learning: Learning, quarantine: QuarantineList) {
    this.#options = options;
    this.#quarantine = quarantine;
    this.blobs = options.blobs;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#learning = learning;
    this.#keeper = new ResultKeeper(options.actionCache, options.blobs, options.log);
    this.#health = new WorkerHealth(options.quarantine ?? defaultQuarantine);
    this.#startedMs = options.clock.nowMs();
  }

  /** Reads what was learned and starts with an empty queue and no workers. */
  static async open(options: SchedulerOptions): Promise<Scheduler> {
    const learned = await options.learned?.load();
    const quarantine = await QuarantineList.open(options.quarantined);
    return new Scheduler(options, new Learning(parseLearned(learned)), quarantine);
  }

  /** Fails what is queued, cancels what runs, saves what was learned. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#tick?.cancel();
    for (const task of [...this.#live.values()]) {
      this.#settle(task, err({ reason: 'cancelled', message: 'the scheduler is closing' }));
    }
    this.#saving?.cancel();
    await this.#options.learned?.save(this.#learning.data);
  }

  get counters(): SchedulerCounters {
    return { ...this.#counters };
  }

  status(): ClusterStatus {
    return clusterStatus({
      version: this.#options.version,
      startedMs: this.#startedMs,
      nowMs: this.#clock.monotonicMs(),
      queued: this.#queued.size,
      running: [...this.#live.values()].filter((task) => task.state.kind === 'leased').length,
      completed: this.#counters.executed,
      cacheHits: this.#counters.cacheHits,
      members: [...this.#members.values()],
      learning: this.#learning,
      health: this.#health,
      quarantine: this.#quarantine,
      store: this.#options.blobs.figures?.() ?? { blobs: 0, bytes: 0, limitBytes: 0 },
      results: {
        ...(this.#options.actionCache.figures?.() ?? { entries: 0, bytes: 0, limitBytes: 0, evicted: 0 }),
        hits: this.#counters.cacheHits,
        misses: this.#counters.cacheMisses,
        rejected: this.#counters.rejected,
      },
    });
  }

  async getActionResult(key: Digest): Promise<Result<ActionResult | undefined, RemoteFailure>> {
    const found = await this.#findKept(key);
    if (found === undefined) this.#counters.cacheMisses += 1;
    else this.#counters.cacheHits += 1;
    return ok(found);
  }

  /** What a worker in quarantine left is not believed: it is dropped. */
  async #findKept(key: Digest): Promise<ActionResult | undefined> {
    const found = await this.#keeper.find(key);
    if (found === undefined || this.#quarantine.find(found.executionMetadata?.worker ?? '') === undefined) return found;
    this.#counters.rejected += 1;
    await this.#keeper.drop(key);
    return undefined;
  }

  /** Takes back what such workers have in hand; other workers get it. */
  async quarantineWorker(worker: string, why: string): Promise<Result<QuarantineChange, RemoteFailure>> {
    const members = this.#membersNamed(worker);
    const wasQuarantined = this.#quarantine.find(worker) !== undefined;
    const ids = members.map((member) => member.handle.info.id);
    const adding = this.#quarantine.add({ worker, ids, why, sinceMs: this.#clock.nowMs() });
    if (this.#quarantine.find(worker) !== undefined) {
      this.#log.error({ worker, why, connected: ids.length }, 'worker quarantined until its owner lifts it');
      for (const member of members) for (const lease of [...member.leases]) lease.revoke();
      this.#dispatchSoon();
    }
    const added = await adding;
    return added.ok ? ok({ wasQuarantined, connected: members.length }) : added;
  }

  async liftQuarantine(worker: string): Promise<Result<QuarantineChange, RemoteFailure>> {
    const wasQuarantined = await this.#quarantine.remove(worker);
    if (wasQuarantined) this.#log.info({ worker }, 'quarantine lifted');
    this.#dispatchSoon();
    return ok({ wasQuarantined, connected: this.#membersNamed(worker).length });
  }

  #membersNamed(worker: string): Member[] {
    return [...this.#members.values()].filter((member) => member.name === worker);
  }

  rejectResult(key: Digest, why: string): void {
    this.#counters.rejected += 1;
    this.#log.warn({ key: key.hash, why }, 'a client could not prove a result; it is dropped');
    const task = this.#shared.get(digestKey(key));
    if (task?.state.kind === 'settled') {
      task.rejected = true;
      this.#unshare(task);
    }
    void this.#keeper.drop(key);
  }

  /**
   * Gives up results and blobs, the least recently used first. A limit of bytes is shared out between the two as they are now; a
   * result whose blobs have gone is a miss and goes when it is asked for.
   */
  async trimCache({ maxBytes, unusedForMs }: CacheLimits): Promise<Result<ClusterRemoval, RemoteFailure>> {
    const { actionCache, blobs } = this.#options;
    const resultBytes = actionCache.figures?.().bytes ?? 0;
    const blobBytes = blobs.figures?.().bytes ?? 0;
    const share = maxBytes === undefined ? 1 : Math.min(1, maxBytes / Math.max(1, resultBytes + blobBytes));
    const limits = (bytes: number): CacheLimits => ({
      maxBytes: maxBytes === undefined ? undefined : Math.floor(bytes * share),
      unusedForMs,
    });
    const results = await actionCache.trim?.(limits(resultBytes));
    if (results !== undefined && !results.ok) return results;
    const nothing = { entries: 0, bytes: 0 };
    const removed = { results: results?.value ?? nothing, blobs: (await blobs.trim?.(limits(blobBytes))) ?? nothing };
    this.#log.info({ maxBytes, unusedForMs, removed }, 'the cache was trimmed');
    return ok(removed);
  }

  async execute(
    request: ExecuteRequest,
    onStage: (stage: ExecuteStage) => void,
    signal?: AbortSignal,
  ): Promise<Result<ExecuteOutcome, RemoteFailure>> {
    if (this.#closed) return closing();
    if (signal?.aborted) return abandoned();
    const key = parseDigest(request.hints.resultKey) ?? request.action;
    const joined = this.#joinable(key, request);
    if (joined !== undefined) return this.#await(joined, onStage, signal);
    if (!request.skipCacheLookup) {
      const found = await this.#findKept(key);
      if (found !== undefined) {
        this.#counters.cacheHits += 1;
        const worker = found.executionMetadata?.worker ?? '';
        return ok({ result: found, cached: true, worker, timings: zeroTimings, attempts: 0 });
      }
    }
    const facts = await this.#keeper.readAction(request.action, signal);
    if (signal?.aborted) return abandoned();
    if (this.#closed) return closing();
    if (!facts.ok) return facts;
    // Somebody may have brought the same action while this one was looked up.
    const task = this.#joinable(key, request) ?? this.#enqueue(request, key, facts.value);
    return this.#await(task, onStage, signal);
  }

  join(handle: WorkerHandle): WorkerMembership {
    let id = handle.info.id;
    while (this.#members.has(id)) id = `${handle.info.id}#${this.#nextId++}`;
    const member = new Member(id, handle, this.#clock);
    this.#members.set(id, member);
    this.#log.info({ worker: id, name: handle.name, slots: handle.info.slots }, 'worker joined');
    this.#dispatchSoon();
    return {
      stateChanged: (state) => {
        member.state = state;
        this.#dispatchSoon();
      },
      left: () => {
        if (this.#members.get(id) !== member) return;
        this.#members.delete(id);
        this.#log.info({ worker: id, name: handle.name, leases: member.leases.size }, 'worker left');
        for (const lease of [...member.leases]) lease.disconnect();
        this.#dispatchSoon();
      },
    };
  }

  // ---- clients

  /** A live task for the same result that this request may share. */
  #joinable(key: Digest, request: ExecuteRequest): Task | undefined {
    const task = this.#shared.get(digestKey(key));
    if (task === undefined) return undefined;
    // A result that is already there is what such a request does not want.
    if (task.state.kind === 'settled' && request.skipCacheLookup) return undefined;
    this.#counters.coalesced += 1;
    return task;
  }

  #await(
    task: Task,
    onStage: (stage: ExecuteStage) => void,
    signal: AbortSignal | undefined,
  ): Promise<Result<ExecuteOutcome, RemoteFailure>> {
    const safely = (stage: ExecuteStage) => {
      try {
        onStage(stage);
      } catch (error) {
        this.#log.error({ error: String(error) }, 'a stage callback threw');
      }
    };
    const onAbandoned = () => {
      if (task.state.kind === 'settled') return;
      this.#counters.cancelled += 1;
      this.#settle(task, abandoned());
      this.#dispatchSoon();
    };
    return task.wait(safely, onAbandoned, signal);
  }

  #enqueue({ action, hints }: ExecuteRequest, key: Digest, facts: ActionFacts): Task {
    const task = new Task({
      id: String(this.#nextId++),
      action,
      key,
      hints,
      cacheable: !facts.doNotCache && !this.#differing.has(digestKey(key)),
      timeoutMs: facts.timeoutMs,
      prediction: this.#learning.unit(hints.costKey, hints.sourceBytes),
      enteredMs: this.#clock.monotonicMs(),
    });
    this.#live.set(task.facts.id, task);
    // REAPI v2: requests for an action that must not be cached are not merged either.
    if (!facts.doNotCache) this.#shared.set(digestKey(key), task);
    this.#lastArrivalMs = task.facts.enteredMs;
    this.#queued.add(task);
    this.#ledger.enter(hints.client);
    const pin = this.#options.blobs.pin?.([action, facts.command, facts.inputRoot]);
    if (pin !== undefined) this.#pins.set(task, pin);
    this.#dispatchSoon();
    return task;
  }

  // ---- dispatch

  #dispatchSoon(): void {
    if (this.#dispatching || this.#closed) return;
    this.#dispatching = true;
    queueMicrotask(() => {
      this.#dispatching = false;
      if (!this.#closed) this.#dispatch();
    });
  }

  #dispatch(): void {
    const snapshot = policyView({
      queued: this.#queued,
      members: this.#members.values(),
      ledger: this.#ledger,
      learning: this.#learning,
      health: this.#health,
      quarantine: this.#quarantine,
      clock: this.#clock,
      lastArrivalMs: this.#lastArrivalMs,
    });
    const decision = choose(snapshot, this.#options.policy ?? defaultSettings);
    for (const assignment of decision.duplicates) this.#carryOut(assignment);
    for (const assignment of decision.assignments) this.#carryOut(assignment);
    const waitMs = this.#failStranded(new Set(decision.stranded));
    this.#tick?.cancel();
    this.#tick = this.#live.size > 0 ? this.#clock.after(Math.min(tickMs, waitMs), () => this.#dispatch()) : undefined;
  }

  /** Gives up on what nobody can run; answers after how long the next one is due. */
  #failStranded(stranded: ReadonlySet<string>): number {
    const nowMs = this.#clock.monotonicMs();
    const graceMs = this.#options.noWorkerGraceMs ?? 2_000;
    let nextMs = Infinity;
    for (const task of [...this.#queued]) {
      if (task.state.kind !== 'queued') continue;
      if (!stranded.has(task.facts.id)) {
        task.state.strandedSinceMs = undefined;
        continue;
      }
      task.state.strandedSinceMs ??= nowMs;
      const leftMs = task.state.strandedSinceMs + graceMs - nowMs;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        continue;
      }
      const arch = task.facts.hints.arch;
      const message = `no worker can run this action (${arch === '' ? 'any machine' : arch}, ${this.#members.size} connected)`;
      this.#settle(task, err({ reason: 'no-worker', message }));
    }
    return nextMs;
  }

  #carryOut({ unit, worker, startsInMs, predictedMs }: Assignment): void {
    const task = this.#live.get(unit);
    const member = this.#members.get(worker);
    if (task === undefined || member === undefined || task.state.kind === 'settled') return;
    const { action, hints, prediction } = task.facts;
    const lease = new Lease({
      task,
      member,
      request: { id: String(this.#nextId++), action, hints, timeoutMs: this.#timeoutOf(task, predictedMs) },
      clock: this.#clock,
      startsInMs,
      predictedMs,
      verify: (outcome) => this.#verify(outcome),
      onRunning: (running) => this.#leaseRunning(running),
      onEnd: (ended, result) => this.#leaseEnded(ended, result),
    });
    member.add(lease);
    if (task.state.kind === 'leased') {
      task.state.leases.add(lease);
      this.#counters.duplicates += 1;
    } else {
      this.#queued.delete(task);
      task.state = { kind: 'leased', leases: new Set([lease]) };
      task.enter({ kind: 'leased', worker: member.name });
    }
    this.#ledger.charge(hints.client, prediction.costMs);
    lease.start();
  }

  #timeoutOf(task: Task, predictedMs: number): number {
    const longestMs = Math.min(this.#options.leaseTimeoutMs ?? 600_000, task.facts.timeoutMs ?? Infinity);
    if (!task.facts.prediction.learned) return Math.ceil(longestMs);
    return Math.ceil(Math.min(longestMs, Math.max(leastTimeoutMs, predictedMs * 20)));
  }

  async #verify(outcome: LeaseOutcome): Promise<Result<LeaseOutcome, RemoteFailure>> {
    const missing = await this.#keeper.missingOutput(outcome.result);
    return missing === undefined ? ok(outcome) : err({ reason: 'worker-failed', message: missing });
  }

  // ---- leases

  #leaseRunning(lease: Lease): void {
    const { task, member } = lease;
    if (task.state.kind === 'leased' && task.runningMs === undefined) {
      task.runningMs = this.#clock.monotonicMs();
      task.enter({ kind: 'running', worker: member.name });
    }
    if (task.state.kind === 'leased') {
      // a copy was made because an earlier one waits: running both would be work for nothing
      for (const earlier of task.state.leases) {
        if (earlier === lease) break;
        if (earlier.state.kind === 'sent') earlier.giveUp();
      }
    }
    this.#dispatchSoon();
  }

  #leaseEnded(lease: Lease, result: Result<LeaseOutcome, RemoteFailure>): void {
    const { task, member } = lease;
    member.remove(lease);
    if (result.ok) this.#learnFrom(lease, result.value);
    if (task.state.kind === 'settled') this.#loserEnded(task, lease, result);
    else if (task.state.kind === 'leased') {
      task.state.leases.delete(lease);
      if (result.ok) this.#succeeded(task, lease, result.value);
      else if (lease.givenUp) this.#queueAgain(task);
      else this.#leaseFailed(task, lease, result.error);
    }
    this.#dispatchSoon();
  }

  #learnFrom({ task, member }: Lease, { timings }: LeaseOutcome): void {
    const { hints } = task.facts;
    member.completed += 1;
    this.#health.succeeded(member.handle.info.id);
    if (hints.toolchain !== undefined) member.showedToolchain(hints.toolchain.hash);
    this.#learning.observe({
      costKey: hints.costKey,
      sourceBytes: hints.sourceBytes,
      worker: member.handle.info.id,
      runMs: timings.runUs / 1000,
      cpuMs: (timings.userUs + timings.systemUs) / 1000,
      contention: contentionOf(member),
      memoryBytes: timings.maxRssBytes,
      overheadMs: (timings.fetchUs + timings.setupUs + timings.uploadUs) / 1000,
    });
    this.#saving ??= this.#clock.after(saveEveryMs, () => {
      this.#saving = undefined;
      void this.#options.learned?.save(this.#learning.data);
    });
  }

  #succeeded(task: Task, lease: Lease, outcome: LeaseOutcome): void {
    const { member } = lease;
    const nowMs = this.#clock.monotonicMs();
    this.#counters.executed += 1;
    if (task.state.kind === 'leased' && task.state.leases.size > 0) {
      const first = [...task.state.leases].some((other) => other.sentMs < lease.sentMs);
      if (first) this.#counters.duplicateWins += 1;
    }
    // Another worker could do it, so those that could not are at fault.
    for (const worker of task.blamed) this.#blame(worker, task);
    const { timings } = outcome;
    const workedUs = timings.fetchUs + timings.setupUs + timings.runUs + timings.uploadUs;
    const queueUs = Math.max(0, Math.round((nowMs - task.facts.enteredMs) * 1000 - workedUs));
    const metadata = { ...outcome.result.executionMetadata, worker: member.name };
    const result = ActionResult.fromPartial({ ...outcome.result, executionMetadata: metadata });
    this.#settle(
      task,
      ok({
        result,
        cached: false,
        worker: member.name,
        timings: { ...timings, queueUs },
        attempts: task.failures + 1,
      }),
    );
  }

  #leaseFailed(task: Task, lease: Lease, failure: RemoteFailure): void {
    const { member } = lease;
    const verdict = judge(failure);
    member.failed += 1;
    const lost = failure.reason === 'disconnected' && task.runningMs === undefined;
    if (lost) task.losses += 1;
    else task.failures += 1;
    if (failure.reason === 'limit-exceeded') task.limits += 1;
    task.excluded.add(member.id);
    if (verdict.workerAtFault) {
      const worker = member.handle.info.id;
      task.blamed.add(worker);
      // The second worker that fails on it acquits the first: now the action is the suspect.
      if (task.blamed.size === 1) this.#blame(worker, task);
      else for (const other of task.blamed) this.#health.forgive(other, task.facts.id);
    }
    this.#log.warn(
      { worker: member.id, label: task.facts.hints.label, correlation: task.facts.hints.correlation, failure },
      'lease failed',
    );
    if (task.state.kind !== 'leased' || task.state.leases.size > 0) return;
    const exhausted = task.failures >= (this.#options.maxAttempts ?? 3) || task.losses >= maxLosses;
    if (verdict.retry === 'no' || exhausted || task.limits > 1) {
      this.#settle(task, err(clientFailure(failure)));
      return;
    }
    this.#counters.retried += 1;
    this.#queueAgain(task);
  }

  /** Unless another copy is still out. */
  #queueAgain(task: Task): void {
    if (task.state.kind !== 'leased' || task.state.leases.size > 0) return;
    task.runningMs = undefined;
    task.state = { kind: 'queued', sinceMs: this.#clock.monotonicMs(), strandedSinceMs: undefined };
    this.#queued.add(task);
    task.enter({ kind: 'queued' });
  }

  #blame(worker: string, task: Task): void {
    const durationMs = this.#health.blame(worker, task.facts.id, this.#clock.monotonicMs());
    if (durationMs === undefined) return;
    this.#counters.quarantines += 1;
    this.#log.warn({ worker, durationMs }, 'worker quarantined');
    this.#clock.after(durationMs + 1, () => this.#dispatchSoon());
  }

  // ---- ends

  /** Answers the clients, stops the other copies, and keeps the result once none of them can contradict it. */
  #settle(task: Task, result: Result<ExecuteOutcome, RemoteFailure>): void {
    if (task.state.kind === 'settled') return;
    const losers = task.state.kind === 'leased' ? new Set(task.state.leases) : new Set<Lease>();
    this.#queued.delete(task);
    this.#live.delete(task.facts.id);
    this.#ledger.leave(task.facts.hints.client);
    this.#pins.get(task)?.release();
    this.#pins.delete(task);
    task.state = { kind: 'settled', result, losers };
    if (!result.ok && result.error.reason !== 'cancelled') this.#counters.failed += 1;
    if (losers.size === 0) this.#concluded(task);
    // Nobody new joins a failure; a result may be shared until the cache has it.
    if (!result.ok || !isKept(task, result.value.result)) this.#unshare(task);
    task.answer(result);
    for (const loser of losers) loser.cancel();
  }

  #loserEnded(task: Task, lease: Lease, result: Result<LeaseOutcome, RemoteFailure>): void {
    if (task.state.kind !== 'settled' || !task.state.losers.delete(lease)) return;
    const settled = task.state.result;
    if (result.ok && settled.ok && !sameResult(result.value.result, settled.value.result)) {
      this.#counters.differing += 1;
      this.#differing.add(digestKey(task.facts.key));
      for (const oldest of this.#differing) {
        if (this.#differing.size <= maxDiffering) break;
        this.#differing.delete(oldest);
      }
      this.#log.warn(
        {
          label: task.facts.hints.label,
          action: task.facts.action.hash,
          first: settled.value.worker,
          second: lease.member.id,
        },
        'two workers gave different results for one action',
      );
    }
    // Cancelled for lack of clients, but done all the same: the next client will want it.
    if (result.ok && !settled.ok && isKept(task, result.value.result)) {
      void this.#keeper.keep(task.facts.key, result.value.result);
    }
    if (task.state.losers.size === 0) this.#concluded(task);
  }

  /** No copy is out any more. */
  #concluded(task: Task): void {
    if (task.state.kind !== 'settled') return;
    const { result } = task.state;
    const keep = result.ok && isKept(task, result.value.result) && !this.#differing.has(digestKey(task.facts.key));
    if (!keep) {
      this.#unshare(task);
      return;
    }
    void this.#keeper.keep(task.facts.key, result.value.result).then(() => this.#unshare(task));
  }

  #unshare(task: Task): void {
    const key = digestKey(task.facts.key);
    if (this.#shared.get(key) === task) this.#shared.delete(key);
  }
}

function contentionOf(member: Member): number {
  return contention(foreignLoadOf(member), member.handle.info.cores);
}

function isKept(task: Task, result: ActionResult): boolean {
  return task.facts.cacheable && !task.rejected && result.exitCode === 0;
}

function closing(): { readonly ok: false; readonly error: RemoteFailure } {
  return err({ reason: 'disconnected', message: 'the scheduler is closing' });
}
