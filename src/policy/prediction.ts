// Single predictions: how slow a loaded worker is, what a lease still needs, how much memory leases may use.

import type { PolicyLease, PolicyWorker } from './snapshot.ts';

/** Wall milliseconds that one millisecond of cost takes on this worker. */
export function msPerCost(worker: PolicyWorker): number {
  return contention(worker.foreignLoad, worker.cores) / Math.max(1e-3, worker.speed);
}

/** How many times longer a run takes beside so much work of others. */
export function contention(foreignLoad: number, cores: number): number {
  return Math.max(1, (foreignLoad + 1) / Math.max(1, cores));
}

/**
 * What a lease still needs once its turn has come. A lease that outlived its prediction is expected to need half of
 * its age again: the longer it is overdue, the less its prediction is worth.
 */
export function remainingMs(predictedMs: number, elapsedMs: number): number {
  return elapsedMs <= predictedMs ? Math.max(predictedMs - elapsedMs, elapsedMs * 0.05) : elapsedMs * 0.5;
}

/**
 * Far beyond its prediction: something is wrong with its worker, a second copy may pass the queue. A guessed cost has to
 * be exceeded much further, or every large unit of a first build would run twice.
 */
export function isSuspect(lease: PolicyLease): boolean {
  const factor = lease.unit.learned ? 3 : 8;
  return lease.running && lease.elapsedMs > factor * lease.predictedMs + 3000;
}

/** A guess that has turned out too low: it says nothing about how long a second copy would take. */
export function isRefuted(lease: PolicyLease): boolean {
  return !lease.unit.learned && lease.running && lease.elapsedMs > lease.predictedMs && !isSuspect(lease);
}

/**
 * What the leases of a worker may use together, in bytes.
 * @param totalBytes of the machine, 0 when unknown
 * @param freeBytes as the worker last said; undefined before it said anything
 * @param leasedBytes predicted peaks of the leases that ran when it said so; half of them is taken for already in use
 */
export function memoryBudget(totalBytes: number, freeBytes: number | undefined, leasedBytes: number): number {
  const ceiling = totalBytes > 0 ? totalBytes * 0.9 : Infinity;
  return freeBytes === undefined ? ceiling : Math.min(ceiling, freeBytes + leasedBytes / 2);
}

/** Cores used by others: the reported load (per core) without what our own leases contributed to it. */
export function foreignLoad(load: number, cores: number, ownAverage: number): number {
  return Math.max(0, load * cores - ownAverage);
}
