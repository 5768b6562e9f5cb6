// Counts how steps went; the same names as in docs/errors.md.

import type { StepRecord } from '../model/step.ts';

export class Counters {
  readonly #values = new Map<string, number>();

  add(name: string, amount = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + amount);
  }

  /** Counts a finished step under its place, and a local one under its reason too. */
  addStep(record: StepRecord): void {
    this.add(`steps.${record.kind}`);
    this.add(`place.${record.place.kind}`);
    if (record.place.kind === 'local') this.add(`local.${record.place.reason}`);
    if (record.rung !== undefined) this.add(`rung.${record.rung}`);
    for (const [phase, ms] of Object.entries(record.phases)) this.add(`phase.${phase}`, ms as number);
  }

  snapshot(): Record<string, number> {
    return Object.fromEntries([...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
