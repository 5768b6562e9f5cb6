// The scheduler's state as the policy wants to see it. Reads only.

import type { Clock } from '../model/clock.ts';
import type { ClientLedger } from '../policy/fairness.ts';
import type { Learning } from '../policy/learn.ts';
import { foreignLoad, memoryBudget } from '../policy/prediction.ts';
import type { PolicyLease, PolicySnapshot, PolicyUnit, PolicyWorker, QueuedUnit } from '../policy/snapshot.ts';
import type { Member } from './member.ts';
import type { QuarantineList } from './quarantine-list.ts';
import type { Task } from './task.ts';
import type { WorkerHealth } from './worker-health.ts';

export interface ViewSources {
  readonly queued: Iterable<Task>;
  readonly members: Iterable<Member>;
  readonly ledger: ClientLedger;
  readonly learning: Learning;
  readonly health: WorkerHealth;
  readonly quarantine: QuarantineList;
  readonly clock: Clock;
  /** when the last unit came, on the monotonic clock */
  readonly lastArrivalMs: number;
}

export function policyView(sources: ViewSources): PolicySnapshot {
  const nowMs = sources.clock.monotonicMs();
  const queued: QueuedUnit[] = [];
  for (const task of sources.queued) {
    if (task.state.kind !== 'queued') continue;
    const { enteredMs, hints } = task.facts;
    const { downstreamMs } = hints;
    queued.push({ ...unitOf(task), queuedForMs: nowMs - enteredMs, downstreamMs, returned: task.returned });
  }
  const workers: PolicyWorker[] = [];
  for (const member of sources.members) workers.push(workerOf(member, sources, nowMs));
  return { queued, workers, served: sources.ledger.served, sinceArrivalMs: nowMs - sources.lastArrivalMs };
}

function unitOf(task: Task): PolicyUnit {
  const { hints, prediction } = task.facts;
  return {
    id: task.facts.id,
    client: hints.client,
    arch: hints.arch,
    toolchain: hints.toolchain?.hash,
    costMs: prediction.costMs,
    learned: prediction.learned,
    memoryBytes: prediction.memoryBytes,
    excluded: task.excluded,
  };
}

function workerOf(member: Member, sources: ViewSources, nowMs: number): PolicyWorker {
  const { info } = member.handle;
  const { speed, overheadMs } = sources.learning.worker(info.id);
  const state = member.state;
  const free = state !== undefined && state.freeMemoryBytes > 0 ? state.freeMemoryBytes : undefined;
  return {
    id: member.id,
    arch: info.arch,
    cores: Math.max(1, info.cores),
    slots: info.slots,
    speed,
    overheadMs,
    foreignLoad: foreignLoadOf(member),
    memoryBudgetBytes: memoryBudget(info.memoryBytes, free, member.leasedBytesThen),
    toolchains: member.toolchains,
    brokenToolchains: new Set(state?.brokenToolchains ?? []),
    available:
      state?.draining !== true &&
      !sources.health.isQuarantined(info.id, nowMs) &&
      sources.quarantine.find(member.name, info.id) === undefined,
    leases: leasesOf(member, nowMs),
  };
}

/** Cores of its machine that others keep busy. */
export function foreignLoadOf(member: Member): number {
  return foreignLoad(member.state?.load ?? 0, Math.max(1, member.handle.info.cores), member.runningAverage);
}

/** Running leases first: they hold the slots, whatever the order in which they were sent. */
function leasesOf(member: Member, nowMs: number): PolicyLease[] {
  const running: PolicyLease[] = [];
  const waiting: PolicyLease[] = [];
  const { slots } = member.handle.info;
  let started = 0;
  for (const lease of member.leases) if (lease.state.kind === 'running') started += 1;
  for (const lease of member.leases) {
    const { task, predictedMs, state } = lease;
    const copies = task.state.kind === 'leased' ? task.state.leases.size : 2;
    const common = { unit: unitOf(task), predictedMs, copies };
    if (state.kind === 'running') {
      running.push({ ...common, running: true, elapsedMs: nowMs - state.sinceMs });
    } else if (started < slots) {
      // Not known to run yet, but a slot is free for it: its inputs are on their way.
      started += 1;
      running.push({ ...common, running: true, elapsedMs: nowMs - lease.sentMs });
    } else {
      waiting.push({ ...common, running: false, elapsedMs: 0 });
    }
  }
  return [...running, ...waiting];
}
