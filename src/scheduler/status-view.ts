// The cluster as people see it. Reads only.

import type { ClusterStatus, WorkerStatus } from '../model/status.ts';
import type { Learning } from '../policy/learn.ts';
import type { Member } from './member.ts';
import type { QuarantineList } from './quarantine-list.ts';
import type { WorkerHealth } from './worker-health.ts';

export interface StatusSources extends Omit<ClusterStatus, 'workers' | 'quarantined'> {
  readonly nowMs: number;
  readonly members: readonly Member[];
  readonly learning: Learning;
  readonly health: WorkerHealth;
  readonly quarantine: QuarantineList;
}

export function clusterStatus({ members, quarantine, ...sources }: StatusSources): ClusterStatus {
  const { nowMs, learning, health, ...rest } = sources;
  const ids = members.map((member) => member.handle.info.id);
  const workers = members.map((member) => {
    const audited = quarantine.find(member.name, member.handle.info.id);
    return { ...workerStatus(member, ids, learning, health, nowMs), ...(audited && { quarantined: audited.why }) };
  });
  return { ...rest, workers, quarantined: quarantine.entries };
}

function workerStatus(
  member: Member,
  ids: readonly string[],
  learning: Learning,
  health: WorkerHealth,
  nowMs: number,
): WorkerStatus {
  const { info } = member.handle;
  const leases = [...member.leases];
  // A lease that a free slot waits for counts as running: its inputs are being fetched.
  const running = leases.filter((lease) => lease.state.kind === 'running');
  const waiting = leases.filter((lease) => lease.state.kind === 'sent');
  const fetching = waiting.splice(0, Math.max(0, info.slots - running.length));
  return {
    id: member.id,
    name: member.name,
    arch: info.arch,
    slots: info.slots,
    running: [...running, ...fetching].map((lease) => lease.task.facts.hints.label),
    prefetched: waiting.length,
    speed: learning.relativeSpeed(info.id, ids),
    load: member.state?.load ?? 0,
    freeMemoryBytes: member.state?.freeMemoryBytes ?? 0,
    completed: member.completed,
    failed: member.failed,
    toolchains: member.toolchains.size,
    quarantined: health.describe(info.id, nowMs),
  };
}
