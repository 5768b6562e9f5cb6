// Fairness between clients: who was served how much, and in which order queued units are looked at.

import { msPerCost } from './prediction.ts';
import type { PolicyWorker, QueuedUnit } from './snapshot.ts';

/**
 * Served cost by client. A client that comes (back) starts level with the least served active one, so that it neither
 * saves up credit while idle nor pays for what it got when nobody else wanted anything.
 */
export class ClientLedger {
  readonly #served = new Map<string, number>();
  readonly #active = new Map<string, number>();

  /** milliseconds of cost by client, for PolicySnapshot.served */
  get served(): ReadonlyMap<string, number> {
    return this.#served;
  }

  /** A unit of this client enters the system. */
  enter(client: string): void {
    const count = this.#active.get(client) ?? 0;
    if (count === 0) {
      let least = Infinity;
      for (const other of this.#active.keys()) least = Math.min(least, this.#served.get(other) ?? 0);
      const own = this.#served.get(client) ?? 0;
      this.#served.set(client, least === Infinity ? own : Math.max(own, least));
    }
    this.#active.set(client, count + 1);
  }

  /** A unit of this client was sent to a worker. */
  charge(client: string, costMs: number): void {
    this.#served.set(client, (this.#served.get(client) ?? 0) + costMs);
  }

  /** A unit of this client left the system, whatever its end. */
  leave(client: string): void {
    const count = (this.#active.get(client) ?? 0) - 1;
    if (count > 0) {
      this.#active.set(client, count);
      return;
    }
    this.#active.delete(client);
    // With nobody waiting there is nothing to be fair about: start afresh, which also bounds the map.
    if (this.#active.size === 0) this.#served.clear();
  }
}

/** what has waited longer goes first whatever comes */
const longestHeadStartMs = 60_000;

/**
 * A millisecond that the build goes on after a unit weighs as much as so many milliseconds of waiting: with a queue of half a
 * minute, who waits for less than four seconds more is behind.
 */
const criticalWeight = 8;

/** Which units are long beside all that waits, and how far ahead of their turn they are taken. */
export interface LongUnits {
  /** a unit of this cost is long */
  readonly fromCostMs: number;
  /** as if it had waited so much longer */
  readonly headStartMs: number;
}

/**
 * The order in which queued units choose their places: returned ones first, then always the least served client's most
 * urgent unit. Urgent is long or old: a millisecond waited weighs as much as a millisecond of cost, so nothing starves.
 */
export function fairOrder(
  queued: readonly QueuedUnit[],
  served: ReadonlyMap<string, number>,
  limit: number,
  long: LongUnits,
): QueuedUnit[] {
  const order: QueuedUnit[] = [];
  const lines = new Map<string, { served: number; next: number; readonly units: QueuedUnit[] }>();
  for (const unit of queued) {
    if (unit.returned) {
      order.push(unit);
      continue;
    }
    const line = lines.get(unit.client);
    if (line !== undefined) line.units.push(unit);
    else lines.set(unit.client, { served: served.get(unit.client) ?? 0, next: 0, units: [unit] });
  }
  order.sort((a, b) => b.queuedForMs - a.queuedForMs);
  const rest = [...lines.values()];
  for (const line of rest) line.units.sort((a, b) => urgency(b, long) - urgency(a, long));
  const wanted = Math.min(limit, queued.length);
  while (order.length < wanted) {
    let least = rest[0];
    for (const line of rest) if (least === undefined || line.served < least.served) least = line;
    const unit = least?.units[least.next];
    if (least === undefined || unit === undefined) break;
    order.push(unit);
    least.next += 1;
    least.served += unit.costMs;
    if (least.next === least.units.length) rest.splice(rest.indexOf(least), 1);
  }
  return order;
}

function urgency(unit: QueuedUnit, { fromCostMs, headStartMs }: LongUnits): number {
  const { costMs, queuedForMs, downstreamMs } = unit;
  return costMs + queuedForMs + criticalWeight * downstreamMs + (costMs >= fromCostMs ? headStartMs : 0);
}

/**
 * A unit is long when it would run for all of the time in which the workers do what is queued: begun in its turn it would be the
 * last to end, alone. Until then the order of arrival is better, since what make or Ninja starts first is waited for first.
 */
export function longUnits(queued: readonly QueuedUnit[], workers: readonly PolicyWorker[]): LongUnits {
  const able = workers.filter(({ available, slots }) => available && slots > 0);
  const slots = able.reduce((sum, worker) => sum + worker.slots, 0);
  const share = queued.reduce((sum, { costMs }) => sum + costMs, 0) / Math.max(1, slots);
  const pace = able.reduce((sum, worker) => sum + msPerCost(worker) * worker.slots, 0) / Math.max(1, slots);
  // What waits came when the queue was longer; predictions may be wrong, hence more than the time in which the queue is done.
  const oldestMs = queued.reduce((most, { queuedForMs }) => Math.max(most, queuedForMs), 0);
  return { fromCostMs: share, headStartMs: Math.min(longestHeadStartMs, Math.max(oldestMs, 2 * share * pace)) };
}
