// Keeps action roots between actions, since the next action of a build needs almost the same root as the last one.
// Unaware of what a root holds.

import { mkdirSync } from 'node:fs';
import { ActionRoot } from '../sandbox/action-root.ts';
import { SpareDirectories } from '../sandbox/spare-directories.ts';
import type { Trash } from './trash.ts';

export interface RootPoolOptions {
  /** an existing empty directory */
  readonly directory: string;
  /** how many roots are kept while no action uses them */
  readonly idleRoots: number;
  readonly inputMtimeSeconds: number;
  readonly trash: Trash;
}

export class RootPool {
  /** least recently used first */
  #idle: { readonly root: ActionRoot; readonly affinity: string }[] = [];
  #made = 0;
  readonly #spares: SpareDirectories;

  constructor(readonly options: RootPoolOptions) {
    this.#spares = new SpareDirectories(`${options.directory}/spare`);
  }

  /** A root for one action alone, best one that was last used for the same `affinity`. */
  take(affinity: string): ActionRoot {
    let at = this.#idle.findLastIndex((kept) => kept.affinity === affinity);
    if (at < 0 && this.#idle.length >= this.options.idleRoots) at = 0;
    const kept = at < 0 ? undefined : this.#idle.splice(at, 1)[0];
    if (kept !== undefined) return kept.root;
    const path = `${this.options.directory}/${(this.#made += 1)}`;
    mkdirSync(path);
    return new ActionRoot(path, this.options.inputMtimeSeconds, this.#spares);
  }

  /** Gives a root back after its action; one whose last change failed is removed. */
  giveBack(root: ActionRoot, affinity: string): void {
    if (root.intact) this.#idle.push({ root, affinity });
    else this.options.trash.discard(root.path);
    while (this.#idle.length > this.options.idleRoots) this.options.trash.discard(this.#idle.shift()!.root.path);
  }

  clear(): void {
    for (const { root } of this.#idle) this.options.trash.discard(root.path);
    this.#idle = [];
    this.options.trash.discard(this.#spares.directory);
  }
}
