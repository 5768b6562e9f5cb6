// Removes directories that nobody needs any more, behind the back of the work. Unaware of what they were.

import { mkdirSync, opendirSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import type { Processes } from '../model/processes.ts';

/** so many entries are removed at once: handing each to another thread costs several times what its removal does */
const atOnce = 500;

export class Trash {
  readonly #under = new Set<Promise<void>>();
  #count = 0;

  /** @param directory its own; what an earlier process left in it is removed as well */
  constructor(
    readonly directory: string,
    readonly processes: Processes,
    readonly log: Log,
  ) {
    mkdirSync(directory, { recursive: true });
    for (const name of readdirSync(directory)) this.#remove(`${directory}/${name}`);
  }

  /** Moves a directory of the same file system away at once and removes it later. */
  discard(path: string): void {
    const aside = `${this.directory}/${process.pid}-${Date.now()}-${(this.#count += 1)}`;
    try {
      renameSync(path, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.log.warn({ path, error }, 'cannot move away');
      return;
    }
    if (!removesAtOnce(aside)) this.#remove(aside);
  }

  /** Resolves when everything discarded so far is gone (or was given up). */
  async emptied(): Promise<void> {
    while (this.#under.size > 0) await Promise.all(this.#under);
  }

  #remove(path: string): void {
    const removal = this.#removeAll(path).finally(() => this.#under.delete(removal));
    this.#under.add(removal);
  }

  async #removeAll(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true });
    } catch {
      // An action may have left directories without rights, or paths too long for one call.
      const run = (argv: readonly string[]) =>
        this.processes.run({
          argv,
          env: { PATH: '/usr/bin:/bin' },
          cwd: '/',
          outputLimitBytes: 65536,
          timeoutMs: 60_000,
        });
      await run(['chmod', '-R', 'u+rwX', '--', path]);
      const removed = await run(['rm', '-rf', '--', path]);
      const gone = removed.ok && removed.value.status.kind === 'exited' && removed.value.status.code === 0;
      if (!gone) this.log.warn({ path }, 'cannot remove');
    }
  }
}

/** Removes a small directory; false, and some of it is left, when it is large or resists. */
function removesAtOnce(directory: string): boolean {
  let left = atOnce;
  const empty = (path: string): void => {
    const entries = opendirSync(path);
    try {
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        left -= 1;
        if (left < 0) throw new Error('too many entries');
        const below = `${path}/${entry.name}`;
        if (entry.isDirectory()) empty(below);
        else unlinkSync(below);
      }
    } finally {
      entries.closeSync();
    }
    rmdirSync(path);
  };
  try {
    empty(directory);
    return true;
  } catch {
    return false;
  }
}
