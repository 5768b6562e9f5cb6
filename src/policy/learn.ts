// What past runs teach: the speed of each worker and the cost and memory peak of each translation unit.
// Unaware of files: its data goes in and comes out as one plain object.
//
// A cost is CPU milliseconds on a worker of speed 1. Each worker has two speeds against it: by CPU time, which says what
// a run there tells about the unit, and by wall time, which says how long a unit will take there. They differ where a
// machine is shared or throttled. Only ratios matter, so nothing pins what "speed 1" is.

import { Estimate, parseEstimate, type EstimateData } from './estimate.ts';

/** One run that gave a result. */
export interface Observation {
  /** empty: a unit without a name, teaches about the worker and the mean only */
  readonly costKey: string;
  readonly sourceBytes: number;
  readonly worker: string;
  readonly runMs: number;
  /** user and system time, 0 when unknown */
  readonly cpuMs: number;
  /** 0 when unknown */
  readonly memoryBytes: number;
  /** fetching, setting up and sending back */
  readonly overheadMs: number;
}

export interface UnitPrediction {
  readonly costMs: number;
  readonly memoryBytes: number;
  /** false: guessed from its size */
  readonly learned: boolean;
}

export interface WorkerPrediction {
  readonly speed: number;
  readonly overheadMs: number;
  readonly learned: boolean;
}

export interface LearnedData {
  readonly version: 1;
  readonly meanCost: EstimateData;
  readonly meanBytes: EstimateData;
  readonly meanMemory: EstimateData;
  readonly workers: readonly (readonly [id: string, wall: EstimateData, cpu: EstimateData, overhead: EstimateData])[];
  /** oldest use first */
  readonly units: readonly (readonly [costKey: string, costLog: number, weight: number, memoryMiB: number])[];
}

interface LearnedUnit {
  readonly cost: Estimate;
  memoryBytes: number;
}

interface LearnedWorker {
  readonly wall: Estimate;
  readonly cpu: Estimate;
  readonly overhead: Estimate;
}

const maxUnits = 50_000;
const maxWorkers = 1_000;
const neutralCostMs = 1000;
const neutralMemoryBytes = 256 * 1024 * 1024;
const neutralOverheadMs = 50;
/** a new worker is taken for this much better than the mean, so that it gets work to be measured with */
const curiosity = 1.2;
const guessTrust = 0.3;

export class Learning {
  readonly #units = new Map<string, LearnedUnit>();
  readonly #workers = new Map<string, LearnedWorker>();
  #meanCost = new Estimate();
  #meanBytes = new Estimate();
  #meanMemory = new Estimate();

  /** @param data of an earlier run, as `parseLearned` let it through */
  constructor(data?: LearnedData) {
    if (data === undefined) return;
    this.#meanCost = new Estimate(data.meanCost);
    this.#meanBytes = new Estimate(data.meanBytes);
    this.#meanMemory = new Estimate(data.meanMemory);
    for (const [id, wall, cpu, overhead] of data.workers) {
      this.#workers.set(id, {
        wall: new Estimate(wall),
        cpu: new Estimate(cpu),
        overhead: new Estimate(overhead),
      });
    }
    for (const [key, log, weight, memoryMiB] of data.units) {
      this.#units.set(key, { cost: new Estimate({ log, weight }), memoryBytes: memoryMiB * 1024 * 1024 });
    }
  }

  get data(): LearnedData {
    return {
      version: 1,
      meanCost: this.#meanCost.data,
      meanBytes: this.#meanBytes.data,
      meanMemory: this.#meanMemory.data,
      workers: [...this.#workers].map(([id, { wall, cpu, overhead }]) => [id, wall.data, cpu.data, overhead.data]),
      units: [...this.#units].map(([key, { cost, memoryBytes }]) => {
        const { log, weight } = cost.data;
        return [key, log, weight, Math.ceil(memoryBytes / (1024 * 1024))];
      }),
    };
  }

  /** @param sourceBytes size of the source, 0 when unknown */
  unit(costKey: string, sourceBytes: number): UnitPrediction {
    const known = this.#units.get(costKey);
    const meanMemory = this.#meanMemory.weight > 0 ? this.#meanMemory.value * 1.25 : neutralMemoryBytes;
    if (known !== undefined) {
      const memoryBytes = known.memoryBytes > 0 ? known.memoryBytes : meanMemory;
      return { costMs: known.cost.value, memoryBytes, learned: true };
    }
    const mean = this.#meanCost.weight > 0 ? this.#meanCost.value : neutralCostMs;
    const relative = sourceBytes > 0 && this.#meanBytes.weight > 0 ? sourceBytes / this.#meanBytes.value : 1;
    // Most of a unit is in its headers, so the size of its source says only a part.
    const costMs = mean * Math.min(5, Math.max(0.2, Math.sqrt(relative)));
    return { costMs, memoryBytes: meanMemory, learned: false };
  }

  worker(id: string): WorkerPrediction {
    const known = this.#workers.get(id);
    if (known !== undefined && known.wall.weight > 0) {
      const overheadMs = known.overhead.weight > 0 ? known.overhead.value : neutralOverheadMs;
      return { speed: known.wall.value, overheadMs, learned: known.wall.weight >= 3 };
    }
    return { speed: this.#meanSpeed('wall') * curiosity, overheadMs: neutralOverheadMs, learned: false };
  }

  /** Speed against the mean of these workers, for people; 1 when nothing is known of it. */
  relativeSpeed(id: string, among: readonly string[]): number {
    const own = this.#workers.get(id);
    if (own === undefined || own.wall.weight === 0) return 1;
    const known = among.flatMap((other) => this.#workers.get(other) ?? []).filter(({ wall }) => wall.weight > 0);
    const mean = known.reduce((sum, { wall }) => sum + wall.value, 0) / Math.max(1, known.length);
    return mean > 0 ? own.wall.value / mean : 1;
  }

  observe(seen: Observation): void {
    if (!(seen.runMs > 0)) return;
    const worker = this.#workerOf(seen.worker);
    const predicted = this.unit(seen.costKey, seen.sourceBytes);
    const cpuMs = seen.cpuMs > 0 ? seen.cpuMs : seen.runMs;
    // The very first run of all says nothing about speeds: it defines the scale.
    if (predicted.learned || this.#meanCost.weight > 0) {
      const trust = predicted.learned ? 1 : guessTrust;
      worker.wall.add(predicted.costMs / seen.runMs, trust);
      worker.cpu.add(predicted.costMs / cpuMs, trust);
    }
    worker.overhead.add(seen.overheadMs + 1);
    const costMs = cpuMs * worker.cpu.value;
    if (!predicted.learned) {
      this.#meanCost.add(costMs);
      this.#meanBytes.add(seen.sourceBytes);
      this.#meanMemory.add(seen.memoryBytes);
    }
    if (seen.costKey !== '') this.#keepUnit(seen.costKey, costMs, seen.memoryBytes);
  }

  #keepUnit(costKey: string, costMs: number, memoryBytes: number): void {
    const unit = this.#units.get(costKey) ?? { cost: new Estimate(), memoryBytes: 0 };
    unit.cost.add(costMs);
    // A peak rises at once and falls slowly.
    if (memoryBytes > 0) unit.memoryBytes = Math.max(memoryBytes, unit.memoryBytes * 0.8 + memoryBytes * 0.2);
    this.#units.delete(costKey);
    this.#units.set(costKey, unit);
    dropOldest(this.#units, maxUnits);
  }

  #workerOf(id: string): LearnedWorker {
    const known = this.#workers.get(id);
    const worker = known ?? {
      wall: new Estimate({ log: Math.log(this.#meanSpeed('wall')), weight: 0.3 }),
      cpu: new Estimate({ log: Math.log(this.#meanSpeed('cpu')), weight: 0.3 }),
      overhead: new Estimate(),
    };
    this.#workers.delete(id);
    this.#workers.set(id, worker);
    dropOldest(this.#workers, maxWorkers);
    return worker;
  }

  #meanSpeed(of: 'wall' | 'cpu'): number {
    let sum = 0;
    let count = 0;
    for (const worker of this.#workers.values()) {
      sum += Math.log(worker[of].value);
      count += 1;
    }
    return count > 0 ? Math.exp(sum / count) : 1;
  }
}

/** Checks data that came from a file; undefined when it is of another version or damaged. */
export function parseLearned(raw: unknown): LearnedData | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const data = raw as Record<string, unknown>;
  if (data['version'] !== 1 || !Array.isArray(data['workers']) || !Array.isArray(data['units'])) return undefined;
  const [meanCost, meanBytes, meanMemory] = ['meanCost', 'meanBytes', 'meanMemory'].map((key) =>
    parseEstimate(data[key]),
  );
  if (meanCost === undefined || meanBytes === undefined || meanMemory === undefined) return undefined;
  const workers: LearnedData['workers'][number][] = [];
  for (const entry of data['workers'] as unknown[]) {
    if (!Array.isArray(entry)) return undefined;
    const [id, ...raw] = entry as unknown[];
    const [wall, cpu, overhead] = raw.map(parseEstimate);
    if (typeof id !== 'string' || wall === undefined || cpu === undefined || overhead === undefined) return undefined;
    workers.push([id, wall, cpu, overhead]);
  }
  const units: LearnedData['units'][number][] = [];
  for (const entry of data['units'] as unknown[]) {
    if (!Array.isArray(entry)) return undefined;
    const [key, log, weight, memoryMiB] = entry as unknown[];
    const cost = parseEstimate({ log, weight });
    if (typeof key !== 'string' || cost === undefined || typeof memoryMiB !== 'number' || !(memoryMiB >= 0)) {
      return undefined;
    }
    units.push([key, cost.log, cost.weight, memoryMiB]);
  }
  return { version: 1, meanCost, meanBytes, meanMemory, workers, units };
}

function dropOldest(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
