// A moving geometric mean that converges in a few samples, shrugs off single outliers and still follows a lasting change.

/** What of an estimate is kept on disk. */
export interface EstimateData {
  /** natural logarithm of the mean */
  readonly log: number;
  /** samples it stands for, at most maxWeight */
  readonly weight: number;
}

const maxWeight = 20;
const settledWeight = 3;
const outlierLog = Math.log(2);
const wildLog = Math.log(20);
/** so many outliers in a row on the same side are a change, not noise */
const changeStreak = 4;

/** Values are positive numbers; others are ignored. */
export class Estimate {
  #log: number;
  #weight: number;
  #streak = 0;

  constructor(data: EstimateData = { log: 0, weight: 0 }) {
    this.#log = data.log;
    this.#weight = data.weight;
  }

  /** the mean, 1 when nothing is known */
  get value(): number {
    return Math.exp(this.#log);
  }

  /** how many samples of full weight it stands for */
  get weight(): number {
    return this.#weight;
  }

  get data(): EstimateData {
    return { log: round(this.#log), weight: round(this.#weight) };
  }

  /** @param weight trust in this sample, above 0 and at most 1 */
  add(sample: number, weight = 1): void {
    if (!(sample > 0) || !Number.isFinite(sample) || !(weight > 0)) return;
    const difference = Math.log(sample) - this.#log;
    if (this.#weight === 0) {
      this.#log += difference;
      this.#weight = weight;
      return;
    }
    const bound = this.#weight < settledWeight ? wildLog : outlierLog;
    const outlier = Math.abs(difference) > bound;
    this.#streak = outlier ? Math.sign(difference) * (Math.max(0, this.#streak * Math.sign(difference)) + 1) : 0;
    if (Math.abs(this.#streak) >= changeStreak) {
      this.#weight = Math.min(this.#weight, 1);
      this.#streak = 0;
    }
    this.#weight = Math.min(this.#weight + weight, maxWeight);
    const step = Math.max(-bound, Math.min(bound, difference));
    this.#log += (step * weight) / this.#weight;
  }
}

/** Checks data that came from a file. */
export function parseEstimate(raw: unknown): EstimateData | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const { log, weight } = raw as { log?: unknown; weight?: unknown };
  if (typeof log !== 'number' || !Number.isFinite(log) || Math.abs(log) > 50) return undefined;
  if (typeof weight !== 'number' || !(weight >= 0) || weight > maxWeight) return undefined;
  return { log, weight };
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
