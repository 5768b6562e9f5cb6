// Whether a set of files is still the same, told by stat alone. Unaware of what the files are.

import { lstatSync, statSync } from 'node:fs';
import type { FileStat } from '../model/inputs.ts';
import { isSymlink, quietly, sameStat } from '../scan/path-stats.ts';
import { settledAgeMs } from '../scan/stat-cache.ts';

/** A path with what was there. The shape in which it is kept on disk. */
export interface WatchedFile {
  readonly path: string;
  /** of the file that the path leads to; not there when nothing is */
  readonly seen?: FileStat;
  /** of the last link itself, where it is one */
  readonly link?: FileStat;
}

export class WatchedFiles {
  readonly #files: readonly WatchedFile[];
  readonly #takenAtMs: number;
  #checkedMs = -Infinity;

  private constructor(files: readonly WatchedFile[], takenAtMs: number) {
    this.#files = files;
    this.#takenAtMs = takenAtMs;
  }

  /**
   * Takes the stats now. A path that does not exist must go on not existing.
   * @param takenAtMs wall clock
   */
  static now(paths: readonly string[], takenAtMs = Date.now()): WatchedFiles {
    return new WatchedFiles([...new Set(paths)].map(look), takenAtMs);
  }

  /** What `kept` gave, perhaps in another process. */
  static restored(files: readonly WatchedFile[]): WatchedFiles {
    return new WatchedFiles(files, Infinity);
  }

  get paths(): readonly string[] {
    return this.#files.map(({ path }) => path);
  }

  /**
   * @param notBeforeMs an answer found at or after this moment of the monotonic clock will do; default: look now
   * @param only looks at these paths of the set, and answers for them
   */
  unchanged(notBeforeMs = Infinity, only?: ReadonlySet<string>): boolean {
    if (this.#checkedMs >= notBeforeMs) return true;
    const startedMs = performance.now();
    for (const file of this.#files) {
      if (only?.has(file.path) === false) continue;
      const now = quietly(lstatSync, file.path);
      if (!same(now, file.link ?? file.seen)) return false;
      if (file.link !== undefined && !same(quietly(statSync, file.path), file.seen)) return false;
    }
    if (only === undefined) this.#checkedMs = startedMs;
    return true;
  }

  /** Text that changes when one of the files does. */
  fingerprint(): string {
    return this.#files
      .map(({ path, seen }) =>
        seen === undefined
          ? `${path}:-`
          : [path, seen.dev, seen.ino, seen.sizeBytes, seen.mtimeMs, seen.ctimeMs, seen.mode].join(':'),
      )
      .join('\n');
  }

  /**
   * What a later process may rely on; undefined when a file was so young that it could change again without a new time.
   */
  kept(): readonly WatchedFile[] | undefined {
    const settled = (stat: FileStat | undefined) =>
      stat === undefined || this.#takenAtMs - Math.max(stat.mtimeMs, stat.ctimeMs) > settledAgeMs;
    return this.#files.every(({ seen, link }) => settled(seen) && settled(link)) ? this.#files : undefined;
  }
}

function look(path: string): WatchedFile {
  const link = quietly(lstatSync, path);
  if (link === undefined) return { path };
  if (!isSymlink(link)) return { path, seen: link };
  const seen = quietly(statSync, path);
  return seen === undefined ? { path, link } : { path, link, seen };
}

function same(a: FileStat | undefined, b: FileStat | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameStat(a, b);
}
