// Whether a set of files is still the same, told by stat alone. Unaware of what the files are.

import { lstatSync, statSync, type Stats } from 'node:fs';

interface Watched {
  readonly path: string;
  /** of the file that the path leads to */
  readonly seen: Stats | undefined;
  /** of the last link itself */
  readonly link: Stats | undefined;
}

export class WatchedFiles {
  readonly #files: readonly Watched[];
  #checkedMs = -Infinity;

  /** Takes the stats now. A path that does not exist must go on not existing. */
  constructor(paths: readonly string[]) {
    this.#files = [...new Set(paths)].map((path) => ({ path, seen: followed(path), link: linkAt(path) }));
  }

  /** @param notBeforeMs an answer found at or after this moment of the monotonic clock will do; default: look now */
  unchanged(notBeforeMs = Infinity): boolean {
    if (this.#checkedMs >= notBeforeMs) return true;
    const startedMs = performance.now();
    for (const { path, seen, link } of this.#files) {
      const now = linkAt(path);
      if (!same(now, link)) return false;
      // a plain file is its own target
      if (link?.isSymbolicLink() === true && !same(followed(path), seen)) return false;
    }
    this.#checkedMs = startedMs;
    return true;
  }

  /** Text that changes when one of the files does. */
  fingerprint(): string {
    return this.#files
      .map(({ path, seen }) =>
        seen === undefined
          ? `${path}:-`
          : [path, seen.dev, seen.ino, seen.size, seen.mtimeMs, seen.ctimeMs, seen.mode].join(':'),
      )
      .join('\n');
  }
}

function same(a: Stats | undefined, b: Stats | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.dev === b.dev &&
    a.ino === b.ino &&
    a.size === b.size &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs &&
    a.mode === b.mode
  );
}

function followed(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function linkAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
