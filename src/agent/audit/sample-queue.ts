// Samples that wait for idle cores, bounded in number and in bytes. Unaware of what is done with them.

import type { CompileOutcome } from '../remote-compile.ts';
import type { CompileJob } from '../remote-unit.ts';

export interface Sample {
  readonly job: CompileJob;
  readonly outcome: CompileOutcome;
  /** how often its audit gave way to a build */
  readonly interruptions: number;
}

export interface QueueLimits {
  readonly samples: number;
  readonly bytes: number;
}

export class SampleQueue {
  readonly #limits: QueueLimits;
  readonly #samples: Sample[] = [];
  #bytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#samples.length;
  }

  /** False when there is no room for it. */
  add(sample: Sample): boolean {
    const bytes = bytesOf(sample);
    if (this.#samples.length >= this.#limits.samples || this.#bytes + bytes > this.#limits.bytes) return false;
    this.#samples.push(sample);
    this.#bytes += bytes;
    return true;
  }

  /** The oldest. */
  take(): Sample | undefined {
    const sample = this.#samples.shift();
    if (sample !== undefined) this.#bytes -= bytesOf(sample);
    return sample;
  }
}

function bytesOf({ outcome }: Sample): number {
  const files = outcome.files.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  return files + outcome.stdout.byteLength + outcome.stderr.byteLength;
}
