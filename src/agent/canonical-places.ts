// Which compiles of an agent are made in the canonical place, and which were tried there in vain. Unaware of how they are made.

import type { Digest } from '../model/digest.ts';
import { realOrSame } from '../scan/path-stats.ts';
import { placeCanonically, type CompileInPlace, type PlacedCompile } from './base-directory.ts';
import type { Counters } from './counters.ts';
import type { Stuck } from './moved-result.ts';

const stuckLimit = 20_000;

export class CanonicalPlaces {
  readonly #counters: Counters;
  readonly #setting: string | undefined;
  /** commands whose results were of no use, with the directory that they were moved from; the oldest first */
  readonly #stuck = new Set<string>();

  /** @param setting the base directory for compiles whose environment names none */
  constructor(counters: Counters, setting: string | undefined) {
    this.#counters = counters;
    this.#setting = setting;
  }

  /** The compile for the canonical place; a text that says why not, undefined where nobody asked. */
  place(unit: CompileInPlace, named: string | undefined): PlacedCompile | string | undefined {
    const base = named ?? this.#setting;
    if (base === undefined || base === '') return undefined;
    const placed = placeCanonically(unit, base.startsWith('/') ? realOrSame(base) : base);
    if (placed.ok) return placed.value;
    const { reason, detail } = placed.error;
    this.#counters.add(`base.in-place.${reason}`);
    return `${reason}: ${detail}`;
  }

  /** Whether this command, as it is sent, was of no use before. */
  stuckBefore(command: Digest, { move }: PlacedCompile): boolean {
    const stuck = this.#stuck.has(`${command.hash} ${move.from}`);
    this.#counters.add(stuck ? 'base.in-place.stuck-before' : 'base.moved');
    return stuck;
  }

  noteStuck(command: Digest, { move }: PlacedCompile, { reason }: Stuck): void {
    this.#counters.add(`base.stuck.${reason}`);
    this.#stuck.add(`${command.hash} ${move.from}`);
    for (const oldest of this.#stuck) {
      if (this.#stuck.size <= stuckLimit) break;
      this.#stuck.delete(oldest);
    }
  }
}
