// Workers that somebody found to give wrong results, kept away from work until their owner lifts it: beyond reconnects and
// restarts of the scheduler. Unaware of tasks, and of workers that merely fail (worker-health.ts).

import * as z from 'zod/mini';
import { err, ok, type Result } from '../base/result.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { QuarantinedWorker } from '../model/status.ts';
import type { LearnedStore } from './learned-store.ts';

const maxEntries = 1_000;

const shape = z.object({
  v: z.literal(1),
  workers: z.array(z.object({ worker: z.string(), ids: z.array(z.string()), why: z.string(), sinceMs: z.number() })),
});

export class QuarantineList {
  readonly #store: LearnedStore | undefined;
  readonly #entries: Map<string, QuarantinedWorker>;

  private constructor(store: LearnedStore | undefined, entries: readonly QuarantinedWorker[]) {
    this.#store = store;
    this.#entries = new Map(entries.map((entry) => [entry.worker, entry]));
  }

  /** Without a store the list ends with the process. */
  static async open(store: LearnedStore | undefined): Promise<QuarantineList> {
    const parsed = shape.safeParse(await store?.load());
    return new QuarantineList(store, parsed.success ? parsed.data.workers : []);
  }

  get entries(): readonly QuarantinedWorker[] {
    return [...this.#entries.values()];
  }

  /** By name, or by the id of a worker that has another name since. */
  find(worker: string, id?: string): QuarantinedWorker | undefined {
    if (this.#entries.size === 0) return undefined;
    const named = this.#entries.get(worker);
    if (named !== undefined || id === undefined) return named;
    return this.entries.find((entry) => entry.ids.includes(id));
  }

  /** The first reason stays; ids of connected workers are added. Resolves when it is saved. */
  async add(entry: QuarantinedWorker): Promise<Result<void, RemoteFailure>> {
    const present = this.#entries.get(entry.worker);
    if (present === undefined && this.#entries.size >= maxEntries) {
      return err({ reason: 'limit-exceeded', message: `${maxEntries} workers are in quarantine already` });
    }
    const ids = [...new Set([...(present?.ids ?? []), ...entry.ids])];
    this.#entries.set(entry.worker, { ...(present ?? entry), ids });
    await this.#save();
    return ok(undefined);
  }

  /** Answers whether it was there. */
  async remove(worker: string): Promise<boolean> {
    if (!this.#entries.delete(worker)) return false;
    await this.#save();
    return true;
  }

  async #save(): Promise<void> {
    await this.#store?.save({ v: 1, workers: this.entries });
  }
}
