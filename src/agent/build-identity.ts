// Which build a step belongs to: what ICETS_BUILD says, else one sitting of work in a folder. A pause ends a sitting.

import type { Clock } from '../model/clock.ts';

const sittingEndsMs = 5 * 60_000;

export class BuildIdentity {
  readonly #clock: Clock;
  #current: { id: string; lastMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param named the value of ICETS_BUILD, if any */
  of(named: string | undefined): string {
    if (named !== undefined && named !== '') return named.slice(0, 200);
    const now = this.#clock.nowMs();
    if (this.#current === undefined || now - this.#current.lastMs > sittingEndsMs) {
      this.#current = { id: `build-${new Date(now).toISOString().replaceAll(/[:.]/g, '')}`, lastMs: now };
    }
    this.#current.lastMs = now;
    return this.#current.id;
  }
}
