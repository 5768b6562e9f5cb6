// Counts of audits over the life of the state folder, and the rate that `icets audit --rate` set. A file that cannot be read starts anew.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '../../base/result.ts';
import type { AuditSkip, AuditTotals } from '../../model/audit.ts';

interface Saved extends AuditTotals {
  readonly v: 1;
  /** undefined: what the configuration says */
  readonly percent?: number | undefined;
}

const none: Saved = { v: 1, taken: 0, equal: 0, different: 0, skipped: {} };

export class Tally {
  readonly #dir: string;
  #saved: Saved;

  constructor(dir: string) {
    this.#dir = dir;
    this.#saved = read(dir);
  }

  get totals(): AuditTotals {
    const { taken, equal, different, skipped } = this.#saved;
    return { taken, equal, different, skipped };
  }

  /** Undefined unless it was set. */
  get percent(): number | undefined {
    return this.#saved.percent;
  }

  /** For this agent and the next ones; undefined gives it back to the configuration. */
  setPercent(percent: number | undefined): Result<void, string> {
    this.#saved = { ...this.#saved, percent };
    return this.save();
  }

  count(event: 'taken' | 'equal' | 'different'): void {
    this.#saved = { ...this.#saved, [event]: this.#saved[event] + 1 };
  }

  skip(reason: AuditSkip): void {
    const { skipped } = this.#saved;
    this.#saved = { ...this.#saved, skipped: { ...skipped, [reason]: (skipped[reason] ?? 0) + 1 } };
  }

  save(): Result<void, string> {
    const path = join(this.#dir, 'totals.json');
    try {
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(this.#saved)}\n`, { mode: 0o600 });
      renameSync(`${path}.${process.pid}`, path);
      return ok(undefined);
    } catch (error) {
      return err(`${path}: ${(error as Error).message}`);
    }
  }
}

function read(dir: string): Saved {
  try {
    const saved = JSON.parse(readFileSync(join(dir, 'totals.json'), 'utf8')) as Saved;
    const numbers = [saved.taken, saved.equal, saved.different, ...Object.values(saved.skipped)];
    return saved.v === 1 && numbers.every((value) => Number.isInteger(value)) ? saved : none;
  } catch {
    return none;
  }
}
