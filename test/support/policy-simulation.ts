// A discrete simulation that lets the policy drive made-up workers: what is predicted and what happens may differ.
// Checks at every decision what must hold whatever the instance is.

import { choose } from '../../src/policy/choose.ts';
import { ClientLedger } from '../../src/policy/fairness.ts';
import type { PolicyUnit, PolicyWorker } from '../../src/policy/snapshot.ts';

export interface SimulatedUnit {
  readonly client: string;
  readonly costMs: number;
  /** what it really costs, over what is predicted */
  readonly surprise: number;
  readonly memoryBytes: number;
  readonly arch: string;
  readonly arrivesMs: number;
}

export interface SimulatedWorker {
  readonly arch: string;
  readonly slots: number;
  readonly speed: number;
  readonly memoryBytes: number;
}

export interface SimulationResult {
  readonly makespanMs: number;
  /** when each unit ended, in the order given; undefined: it never did */
  readonly endsMs: readonly (number | undefined)[];
  readonly duplicates: number;
  readonly violations: readonly string[];
}

interface Copy {
  readonly unit: number;
  readonly predictedMs: number;
  startedMs: number | undefined;
  endsMs: number;
}

/** Runs until all units ended or nothing can happen any more. */
export function simulate(
  units: readonly SimulatedUnit[],
  workers: readonly SimulatedWorker[],
  tickMs = 250,
): SimulationResult {
  const held: Copy[][] = workers.map(() => []);
  const endsMs: (number | undefined)[] = units.map(() => undefined);
  const waiting = new Set<number>();
  const arrivals = units.map((_, index) => index).sort((a, b) => units[a]!.arrivesMs - units[b]!.arrivesMs);
  const ledger = new ClientLedger();
  const violations: string[] = [];
  let duplicates = 0;
  let nowMs = 0;
  let next = 0;
  let done = 0;

  const unitOf = (index: number): PolicyUnit => ({
    id: String(index),
    client: units[index]!.client,
    arch: units[index]!.arch,
    toolchain: undefined,
    costMs: units[index]!.costMs,
    learned: true,
    memoryBytes: units[index]!.memoryBytes,
    excluded: new Set(),
  });
  const copiesOf = (unit: number) => held.flat().filter((copy) => copy.unit === unit).length;

  const startWaiting = (index: number) => {
    const worker = workers[index]!;
    const running = held[index]!.filter((copy) => copy.startedMs !== undefined).length;
    for (const copy of held[index]!.filter((each) => each.startedMs === undefined).slice(0, worker.slots - running)) {
      const unit = units[copy.unit]!;
      copy.startedMs = nowMs;
      copy.endsMs = nowMs + (unit.costMs * unit.surprise) / worker.speed;
    }
  };

  for (let steps = 0; done < units.length && steps < 200_000; steps++) {
    while (next < arrivals.length && units[arrivals[next]!]!.arrivesMs <= nowMs) {
      waiting.add(arrivals[next]!);
      ledger.enter(units[arrivals[next]!]!.client);
      next += 1;
    }
    const view: PolicyWorker[] = workers.map((worker, index) => ({
      id: String(index),
      arch: worker.arch,
      cores: worker.slots,
      slots: worker.slots,
      speed: worker.speed,
      overheadMs: 0,
      foreignLoad: 0,
      memoryBudgetBytes: worker.memoryBytes,
      toolchains: new Set(),
      brokenToolchains: new Set(),
      available: true,
      leases: held[index]!.map((copy) => ({
        unit: unitOf(copy.unit),
        running: copy.startedMs !== undefined,
        predictedMs: copy.predictedMs,
        elapsedMs: copy.startedMs === undefined ? 0 : nowMs - copy.startedMs,
        copies: copiesOf(copy.unit),
      })),
    }));
    const decision = choose({
      queued: [...waiting].map((index) => ({
        ...unitOf(index),
        queuedForMs: nowMs - units[index]!.arrivesMs,
        downstreamMs: 0,
        returned: false,
      })),
      workers: view,
      served: ledger.served,
    });
    for (const { unit, worker, predictedMs } of decision.duplicates) {
      duplicates += 1;
      if (copiesOf(Number(unit)) !== 1)
        violations.push(`unit ${unit} has ${copiesOf(Number(unit))} copies before another`);
      if (held[Number(worker)]!.length >= workers[Number(worker)]!.slots)
        violations.push('a second copy without a slot');
      held[Number(worker)]!.push({ unit: Number(unit), predictedMs, startedMs: undefined, endsMs: Infinity });
    }
    for (const { unit, worker, predictedMs } of decision.assignments) {
      if (!waiting.delete(Number(unit))) violations.push(`unit ${unit} was given away twice`);
      ledger.charge(units[Number(unit)]!.client, units[Number(unit)]!.costMs);
      held[Number(worker)]!.push({ unit: Number(unit), predictedMs, startedMs: undefined, endsMs: Infinity });
    }
    workers.forEach((worker, index) => {
      if (held[index]!.length > worker.slots + 1)
        violations.push(`worker ${index} holds ${held[index]!.length} leases`);
      for (const { unit } of held[index]!) {
        if (units[unit]!.arch !== worker.arch) violations.push(`unit ${unit} is on a machine that cannot run it`);
      }
      startWaiting(index);
    });

    const ends = held.flat().map((copy) => copy.endsMs);
    const arrival = next < arrivals.length ? units[arrivals[next]!]!.arrivesMs : Infinity;
    const event = Math.min(arrival, ...ends);
    if (event === Infinity && waiting.size === 0) break;
    nowMs = Math.min(event, held.flat().length > 0 || waiting.size > 0 ? nowMs + tickMs : Infinity);
    for (const copies of held) {
      for (const copy of [...copies]) {
        if (copy.endsMs > nowMs || endsMs[copy.unit] !== undefined) continue;
        endsMs[copy.unit] = nowMs;
        done += 1;
        ledger.leave(units[copy.unit]!.client);
        for (const others of held) {
          for (let i = others.length - 1; i >= 0; i--) if (others[i]!.unit === copy.unit) others.splice(i, 1);
        }
      }
    }
    held.forEach((_, index) => startWaiting(index));
  }
  return { makespanMs: Math.max(0, ...endsMs.map((end) => end ?? Infinity)), endsMs, duplicates, violations };
}

/**
 * No schedule ends before this when every unit is there from the start: the k largest units cannot be done faster than
 * by the k fastest slots together, for every k, and this is what a schedule that may interrupt units reaches.
 */
export function lowerBoundMs(units: readonly SimulatedUnit[], workers: readonly SimulatedWorker[]): number {
  const speeds = workers.flatMap((worker) => Array.from({ length: worker.slots }, () => worker.speed));
  speeds.sort((a, b) => b - a);
  const costs = units.map((unit) => unit.costMs * unit.surprise).sort((a, b) => b - a);
  let bound = 0;
  let cost = 0;
  let power = 0;
  costs.forEach((each, k) => {
    cost += each;
    power += speeds[k] ?? 0;
    bound = Math.max(bound, cost / power);
  });
  return bound;
}
