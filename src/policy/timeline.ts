// When each slot of each worker comes free, in flat arrays, since planning asks a hundred thousand times per decision.

import { msPerCost, remainingMs } from './prediction.ts';
import type { PolicyLease, PolicySettings, PolicySnapshot, PolicyUnit, PolicyWorker } from './snapshot.ts';

/** One place considered for a unit. */
export interface Place {
  readonly index: number;
  readonly startMs: number;
  readonly runMs: number;
  /** it may be sent there now */
  readonly free: boolean;
}

/** Units that the same workers may run at the same price of installing. */
interface Group {
  readonly toolchain: string | undefined;
  /** indexes of the workers that may run them, exclusions aside */
  readonly eligible: Int32Array;
  /** by worker index: 1 when the toolchain is there or on its way */
  readonly installed: Uint8Array;
}

/** The plan so far; `place` and `reserve` change it. Times are milliseconds from now. */
export class Timeline {
  readonly workers: readonly PolicyWorker[];
  /** leases held plus those given in this decision */
  readonly held: Int32Array;
  /** predicted end of each lease in the snapshot */
  readonly leaseEnds = new Map<PolicyLease, number>();
  #open = 0;
  /** what bringing a toolchain costs each of the units that wait and may follow there */
  readonly #installMs: number;
  readonly #settings: PolicySettings;
  readonly #rate: Float64Array;
  readonly #ready: Float64Array;
  readonly #overhead: Float64Array;
  readonly #budgetBytes: Float64Array;
  readonly #usedBytes: Float64Array;
  readonly #slotCount: Int32Array;
  readonly #capacity: Int32Array;
  readonly #slots: Float64Array[] = [];
  readonly #groups = new Map<string, Group>();

  constructor(snapshot: PolicySnapshot, settings: PolicySettings) {
    this.workers = snapshot.workers;
    this.#settings = settings;
    this.#installMs = settings.installMs / Math.max(1, snapshot.queued.length);
    const count = snapshot.workers.length;
    this.held = new Int32Array(count);
    this.#rate = new Float64Array(count);
    this.#ready = new Float64Array(count);
    this.#overhead = new Float64Array(count);
    this.#budgetBytes = new Float64Array(count);
    this.#usedBytes = new Float64Array(count);
    this.#slotCount = new Int32Array(count);
    this.#capacity = new Int32Array(count);
    snapshot.workers.forEach((worker, index) => {
      this.#rate[index] = msPerCost(worker);
      this.#overhead[index] = worker.overheadMs;
      this.#budgetBytes[index] = worker.memoryBudgetBytes;
      this.#slotCount[index] = worker.slots;
      this.#capacity[index] = worker.slots > 0 ? worker.slots + settings.prefetch : 0;
      this.#slots.push(new Float64Array(Math.max(1, worker.slots)));
      for (const lease of worker.leases) this.#hold(index, lease);
      if (worker.available) this.#open += Math.max(0, (this.#capacity[index] ?? 0) - (this.held[index] ?? 0));
    });
  }

  /** Places left on all available workers together. */
  get open(): number {
    return this.#open;
  }

  hasIdleSlot(index: number): boolean {
    const worker = this.workers[index]!;
    return worker.available && this.held[index]! < worker.slots;
  }

  /** Whether any worker may run the unit, exclusions aside. */
  isPossible(unit: PolicyUnit): boolean {
    return this.#groupOf(unit).eligible.length > 0;
  }

  /**
   * Where the unit would end first, waiting included; undefined when no worker may run it.
   * @param idleSlotsOnly only workers with an idle slot count (for second copies)
   */
  best(unit: PolicyUnit, idleSlotsOnly: boolean, except?: (index: number) => boolean): Place | undefined {
    const { eligible, installed } = this.#groupOf(unit);
    const avoid = unit.excluded.size > 0 && this.#anyNotExcluded(unit, eligible);
    const { largest, anyFits } = this.#largest(unit, eligible, avoid);
    const { patience } = this.#settings;
    const { costMs, memoryBytes } = unit;
    const held = this.held;
    const rates = this.#rate;
    const overheads = this.#overhead;
    const budgets = this.#budgetBytes;
    const used = this.#usedBytes;
    const capacities = this.#capacity;
    const slotCounts = this.#slotCount;
    const readies = this.#ready;
    let bestScore = Infinity;
    let best = -1;
    let bestStart = 0;
    let bestRun = 0;
    let bestFree = false;
    for (let i = 0; i < eligible.length; i++) {
      const index = eligible[i]!;
      const run = overheads[index]! + costMs * rates[index]! + (installed[index] === 1 ? 0 : this.#installMs);
      if (run >= bestScore) continue;
      // Too large for everybody: alone on the worker that has most.
      const budget = budgets[index]!;
      if (anyFits ? memoryBytes > budget : index !== largest) continue;
      const holds = held[index]!;
      if (idleSlotsOnly && holds >= slotCounts[index]!) continue;
      if (avoid && unit.excluded.has(this.workers[index]!.id)) continue;
      if (except?.(index)) continue;
      const roomy = holds === 0 || memoryBytes <= budget - used[index]!;
      const free = roomy && holds < capacities[index]!;
      const wait = roomy ? readies[index]! : lastOf(this.#slots[index]!);
      // Equal workers fill evenly: a busy one counts as a little slower.
      const slots = slotCounts[index]!;
      const crowd = 0.03 * (holds < slots ? holds / slots : 1) * run;
      const score = (free ? wait : wait * patience) + run + crowd;
      if (score < bestScore) {
        bestScore = score;
        best = index;
        bestStart = wait;
        bestRun = run;
        bestFree = free;
      }
    }
    if (best < 0) return undefined;
    return { index: best, startMs: bestStart, runMs: bestRun, free: bestFree };
  }

  /** Sends the unit there now. */
  place(place: Place, unit: PolicyUnit): void {
    this.held[place.index]! += 1;
    this.#open -= 1;
    this.#usedBytes[place.index]! += unit.memoryBytes;
    this.#installing(place.index, unit);
    this.#occupy(place.index, place.runMs);
  }

  /** The unit stays queued, but those behind it must not count on its turn. */
  reserve(place: Place, unit: PolicyUnit): void {
    const slots = this.#slots[place.index]!;
    const waitsForMemory = place.startMs > this.#ready[place.index]!;
    if (waitsForMemory) {
      slots.fill(place.startMs + place.runMs);
      this.#ready[place.index] = place.startMs + place.runMs;
      return;
    }
    this.#installing(place.index, unit);
    this.#occupy(place.index, place.runMs);
  }

  #hold(index: number, lease: PolicyLease): void {
    const need = lease.running ? remainingMs(lease.predictedMs, lease.elapsedMs) : lease.predictedMs;
    this.leaseEnds.set(lease, this.#occupy(index, need));
    this.held[index]! += 1;
    this.#usedBytes[index]! += lease.unit.memoryBytes;
  }

  /** Takes the slot that comes free first for so long; answers when that ends. */
  #occupy(index: number, needMs: number): number {
    const slots = this.#slots[index]!;
    let first = 0;
    for (let i = 1; i < slots.length; i++) if (slots[i]! < slots[first]!) first = i;
    const end = slots[first]! + needMs;
    slots[first] = end;
    let ready = slots[0]!;
    for (let i = 1; i < slots.length; i++) if (slots[i]! < ready) ready = slots[i]!;
    this.#ready[index] = ready;
    return end;
  }

  #groupOf(unit: PolicyUnit): Group {
    const key = `${unit.arch} ${unit.toolchain ?? ''}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const eligible: number[] = [];
    const installed = new Uint8Array(this.workers.length);
    const { toolchain } = unit;
    this.workers.forEach((worker, index) => {
      if (isEligible(unit, worker)) eligible.push(index);
      const there =
        toolchain === undefined ||
        worker.toolchains.has(toolchain) ||
        worker.leases.some((lease) => lease.unit.toolchain === toolchain);
      if (there) installed[index] = 1;
    });
    const group = { toolchain, eligible: Int32Array.from(eligible), installed };
    this.#groups.set(key, group);
    return group;
  }

  #installing(index: number, unit: PolicyUnit): void {
    if (unit.toolchain === undefined) return;
    for (const group of this.#groups.values()) if (group.toolchain === unit.toolchain) group.installed[index] = 1;
  }

  #anyNotExcluded(unit: PolicyUnit, eligible: Int32Array): boolean {
    return eligible.some((index) => !unit.excluded.has(this.workers[index]!.id));
  }

  #largest(unit: PolicyUnit, eligible: Int32Array, avoid: boolean): { largest: number; anyFits: boolean } {
    let largest = -1;
    let most = -1;
    for (let i = 0; i < eligible.length; i++) {
      const index = eligible[i]!;
      if (avoid && unit.excluded.has(this.workers[index]!.id)) continue;
      const budget = this.#budgetBytes[index]!;
      if (budget >= unit.memoryBytes) return { largest: -1, anyFits: true };
      if (budget > most) {
        most = budget;
        largest = index;
      }
    }
    return { largest, anyFits: false };
  }
}

/** Whether the worker may run the unit at all: it takes work, has the architecture, and its toolchain is not broken there. */
export function isEligible(unit: PolicyUnit, worker: PolicyWorker): boolean {
  if (!worker.available || worker.slots <= 0) return false;
  if (unit.arch !== '' && unit.arch !== worker.arch) return false;
  return unit.toolchain === undefined || !worker.brokenToolchains.has(unit.toolchain);
}

function lastOf(slots: Float64Array): number {
  let last = 0;
  for (const end of slots) if (end > last) last = end;
  return last;
}
