// What past runs teach: the speed of each worker and the cost and memory peak of each translation unit.
// Unaware of files: its data goes in and comes out as one plain object.
//
// A cost is CPU milliseconds on a worker of speed 1. Each worker has a speed against it by CPU time, which the load of its
// machine hardly changes, and a stretch: how much longer than its CPU time a run takes there although nobody else's load
// explains it (a throttled machine). Only ratios matter, so nothing pins what "speed 1" is.

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
  /** how many times the work of others on that machine made the run longer, as its load tells; at least 1 */
  readonly contention: number;
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
  readonly version: 2;
  readonly meanCost: EstimateData;
  readonly meanBytes: EstimateData;
  readonly meanMemory: EstimateData;
  readonly workers: readonly (readonly [
    id: string,
    cpu: EstimateData,
    stretch: EstimateData,
    overhead: EstimateData,
  ])[];
  /** oldest use first */
  readonly units: readonly (readonly [costKey: string, costLog: number, weight: number, memoryMiB: number])[];
}

interface LearnedUnit {
  readonly cost: Estimate;
  memoryBytes: number;
}

interface LearnedWorker {
  readonly cpu: Estimate;
  readonly stretch: Estimate;
  readonly overhead: Estimate;
}

const maxUnits = 50_000;
const maxWorkers = 1_000;
const neutralCostMs = 1000;
const neutralMemoryBytes = 256 * 1024 * 1024;
const neutralOverheadMs = 50;
/** a new worker is taken for this much better than the mean, so that it gets work to be measured with */
const curiosity = 1.2;
/** how far, as a logarithm, two runs of one unit on one worker differ */
const measuringSpread = 0.2;
/** how far guessed costs are off before that is known */
const usualGuessSpread = 1;
/** a worker counts as average until this much trust in other news has come together: twenty guesses or one known unit */
const averageTrust = 0.8;
/** what a run that was guessed says about its worker is cut at this factor */
const guessReach = 4;
/** less CPU time than this part of its wall time is no measurement of a compile */
const leastCpuShare = 1 / 20;
/** a shorter run is mostly the start of its sandbox */
const tellingRunMs = 50;
const sandboxStartMs = 20;
/** beyond this, something else than the worker's speed is the matter */
const maxStretch = 12;
/** load that nobody reported stretches runs now and then; a run that was not stretched is proof */
const stretchedTrust = 0.2;

export class Learning {
  readonly #units = new Map<string, LearnedUnit>();
  readonly #workers = new Map<string, LearnedWorker>();
  #meanCost = new Estimate();
  #meanBytes = new Estimate();
  #meanMemory = new Estimate();
  /** mean square of the logarithm by which guessed costs were off */
  #guessVariance = usualGuessSpread ** 2;
  #guesses = 5;

  /** @param data of an earlier run, as `parseLearned` let it through */
  constructor(data?: LearnedData) {
    if (data === undefined) return;
    this.#meanCost = new Estimate(data.meanCost);
    this.#meanBytes = new Estimate(data.meanBytes);
    this.#meanMemory = new Estimate(data.meanMemory);
    for (const [id, cpu, stretch, overhead] of data.workers) {
      this.#workers.set(id, {
        cpu: new Estimate(cpu),
        stretch: new Estimate(stretch),
        overhead: new Estimate(overhead),
      });
    }
    for (const [key, log, weight, memoryMiB] of data.units) {
      this.#units.set(key, { cost: new Estimate({ log, weight }), memoryBytes: memoryMiB * 1024 * 1024 });
    }
  }

  get data(): LearnedData {
    return {
      version: 2,
      meanCost: this.#meanCost.data,
      meanBytes: this.#meanBytes.data,
      meanMemory: this.#meanMemory.data,
      workers: [...this.#workers].map(([id, { cpu, stretch, overhead }]) => [
        id,
        cpu.data,
        stretch.data,
        overhead.data,
      ]),
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
    if (known !== undefined) {
      return { speed: speedOf(known), overheadMs: known.overhead.value, learned: known.cpu.weight >= 3 };
    }
    return { speed: this.#mean(speedOf) * curiosity, overheadMs: neutralOverheadMs, learned: false };
  }

  /** Speed against the mean of these workers, for people; 1 when nothing is known of it. */
  relativeSpeed(id: string, among: readonly string[]): number {
    const own = this.#workers.get(id);
    if (own === undefined) return 1;
    const known = among.flatMap((other) => this.#workers.get(other) ?? []);
    const mean = known.reduce((sum, worker) => sum + speedOf(worker), 0) / Math.max(1, known.length);
    return mean > 0 ? speedOf(own) / mean : 1;
  }

  observe(seen: Observation): void {
    if (!(seen.runMs > 0)) return;
    const worker = this.#workerOf(seen.worker);
    const predicted = this.unit(seen.costKey, seen.sourceBytes);
    const quietMs = seen.runMs / Math.max(1, seen.contention);
    const measured = seen.cpuMs > 0 && seen.cpuMs >= quietMs * leastCpuShare;
    const cpuMs = measured ? seen.cpuMs : quietMs;
    const costBefore = cpuMs * worker.cpu.value;
    // The very first run of all says nothing about speeds: it defines the scale.
    if (predicted.learned) worker.cpu.add(predicted.costMs / cpuMs);
    else if (this.#meanCost.weight > 0) this.#learnFromGuess(worker, predicted.costMs / costBefore);
    if (measured && seen.runMs >= tellingRunMs) learnStretch(worker.stretch, (quietMs - sandboxStartMs) / cpuMs);
    worker.overhead.add(seen.overheadMs + 1);
    const costMs = cpuMs * worker.cpu.value;
    if (!predicted.learned) {
      this.#meanCost.add(costMs);
      this.#meanBytes.add(seen.sourceBytes);
      this.#meanMemory.add(seen.memoryBytes);
    }
    if (seen.costKey !== '') this.#keepUnit(seen.costKey, costMs, seen.memoryBytes);
  }

  /**
   * A guess says as much about the worker as guesses have been right.
   * @param ratio of the guessed cost and what it seemed to be on this worker
   */
  #learnFromGuess(worker: LearnedWorker, ratio: number): void {
    const trust = 1 / (1 + this.#guessVariance / measuringSpread ** 2);
    worker.cpu.add(worker.cpu.value * Math.min(guessReach, Math.max(1 / guessReach, ratio)), trust);
    this.#guesses = Math.min(this.#guesses + 1, 50);
    this.#guessVariance += (Math.min(9, Math.log(ratio) ** 2) - this.#guessVariance) / this.#guesses;
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
      cpu: new Estimate({ log: Math.log(this.#mean(({ cpu }) => cpu.value)), weight: averageTrust }),
      stretch: new Estimate({ log: Math.log(this.#mean(({ stretch }) => stretch.value)), weight: 2 }),
      // The first leases fetch a toolchain: they count as outliers from the start.
      overhead: new Estimate({ log: Math.log(neutralOverheadMs), weight: 3 }),
    };
    this.#workers.delete(id);
    this.#workers.set(id, worker);
    dropOldest(this.#workers, maxWorkers);
    return worker;
  }

  /** Geometric mean over all workers, 1 when there are none. */
  #mean(figure: (worker: LearnedWorker) => number): number {
    let sum = 0;
    let count = 0;
    for (const worker of this.#workers.values()) {
      sum += Math.log(figure(worker));
      count += 1;
    }
    return count > 0 ? Math.exp(sum / count) : 1;
  }
}

/** Cost milliseconds done per millisecond of wall time when nobody else has work there. */
function speedOf({ cpu, stretch }: LearnedWorker): number {
  return cpu.value / Math.max(1, stretch.value);
}

function learnStretch(stretch: Estimate, sample: number): void {
  const bounded = Math.min(maxStretch, Math.max(1, sample));
  stretch.add(bounded, bounded > stretch.value ? stretchedTrust : 1);
}

/** Checks data that came from a file; undefined when it is of another version or damaged. */
export function parseLearned(raw: unknown): LearnedData | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const data = raw as Record<string, unknown>;
  if (data['version'] !== 2 || !Array.isArray(data['workers']) || !Array.isArray(data['units'])) return undefined;
  const [meanCost, meanBytes, meanMemory] = ['meanCost', 'meanBytes', 'meanMemory'].map((key) =>
    parseEstimate(data[key]),
  );
  if (meanCost === undefined || meanBytes === undefined || meanMemory === undefined) return undefined;
  const workers: LearnedData['workers'][number][] = [];
  for (const entry of data['workers'] as unknown[]) {
    if (!Array.isArray(entry)) return undefined;
    const [id, ...raw] = entry as unknown[];
    const [cpu, stretch, overhead] = raw.map(parseEstimate);
    if (typeof id !== 'string' || cpu === undefined || stretch === undefined || overhead === undefined)
      return undefined;
    workers.push([id, cpu, stretch, overhead]);
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
  return { version: 2, meanCost, meanBytes, meanMemory, workers, units };
}

function dropOldest(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
