// Stats by path, shared for a while: a caller says from which moment on a stat is fresh enough for it.
// Under load many units wait together and one stat serves them all.

import { lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs';
import type { FileStat } from '../model/inputs.ts';

interface Remembered extends Entry {
  readonly atMs: number;
}

interface Entry {
  readonly stat: FileStat | undefined;
  /** hard links */
  readonly names: number;
}

const regularType = 0o100000;
const directoryType = 0o040000;
const symlinkType = 0o120000;
const typeMask = 0o170000;

export function isRegular(stat: FileStat): boolean {
  return (stat.mode & typeMask) === regularType;
}

export function isDirectory(stat: FileStat): boolean {
  return (stat.mode & typeMask) === directoryType;
}

export function isSymlink(stat: FileStat): boolean {
  return (stat.mode & typeMask) === symlinkType;
}

export function sameStat(a: FileStat, b: FileStat): boolean {
  return (
    a.ino === b.ino &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs &&
    a.sizeBytes === b.sizeBytes &&
    a.dev === b.dev &&
    a.mode === b.mode
  );
}

export function fileStatOf(stats: Stats): FileStat {
  return {
    dev: stats.dev,
    ino: stats.ino,
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    ctimeMs: stats.ctimeMs,
    mode: stats.mode,
  };
}

export class PathStats {
  readonly #links = new Map<string, Remembered>();
  readonly #followed = new Map<string, Remembered>();
  readonly #targets = new Map<string, { readonly stat: FileStat; readonly target: string | undefined }>();

  /** @param limit how many paths are remembered; beyond it everything is forgotten */
  constructor(readonly limit = 200_000) {}

  /** `lstat`; undefined when there is no such entry or it cannot be reached. */
  lstat(path: string, notBeforeMs = Infinity): FileStat | undefined {
    const known = this.#links.get(path);
    if (known !== undefined && known.atMs >= notBeforeMs) return known.stat;
    const atMs = performance.now();
    const entry = lookUp(lstatSync, path);
    if (this.#links.size >= this.limit) this.#links.clear();
    this.#links.set(path, { atMs, ...entry });
    return entry.stat;
  }

  /** `stat`: symbolic links are followed. */
  stat(path: string, notBeforeMs = Infinity): FileStat | undefined {
    const link = this.lstat(path, notBeforeMs);
    if (link === undefined || !isSymlink(link)) return link;
    const known = this.#followed.get(path);
    if (known !== undefined && known.atMs >= notBeforeMs) return known.stat;
    const atMs = performance.now();
    const entry = lookUp(statSync, path);
    if (this.#followed.size >= this.limit) this.#followed.clear();
    this.#followed.set(path, { atMs, ...entry });
    return entry.stat;
  }

  /** Moment of the monotonic clock of the last `stat` of a path, at the earliest; minus infinity when it is forgotten. */
  momentOf(path: string): number {
    const link = this.#links.get(path);
    if (link?.stat === undefined || !isSymlink(link.stat)) return link?.atMs ?? -Infinity;
    return Math.min(link.atMs, this.#followed.get(path)?.atMs ?? -Infinity);
  }

  /** Whether the file had other hard links when `stat` was asked last. */
  hasOtherNames(path: string): boolean {
    const link = this.#links.get(path);
    const end = link?.stat !== undefined && isSymlink(link.stat) ? this.#followed.get(path) : link;
    return end === undefined || end.names > 1;
  }

  /** The target of a symbolic link whose lstat is known; undefined when it cannot be read or is not UTF-8. */
  target(path: string, stat: FileStat): string | undefined {
    const known = this.#targets.get(path);
    if (known !== undefined && sameStat(known.stat, stat)) return known.target;
    let target: string | undefined;
    try {
      const bytes = readlinkSync(path, { encoding: 'buffer' });
      const text = bytes.toString('utf8');
      if (Buffer.from(text, 'utf8').equals(bytes)) target = text;
    } catch {
      target = undefined;
    }
    if (this.#targets.size >= this.limit) this.#targets.clear();
    this.#targets.set(path, { stat, target });
    return target;
  }
}

/** The physical path; the path itself where it leads nowhere. */
export function realOrSame(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

/** A stat or lstat; undefined for what is not there for a program either: ENOTDIR, EACCES, ELOOP, ENAMETOOLONG. */
export function quietly(call: typeof statSync, path: string): FileStat | undefined {
  return lookUp(call, path).stat;
}

const nothing: Entry = { stat: undefined, names: 0 };

function lookUp(call: typeof statSync, path: string): Entry {
  try {
    const stats = call(path, { throwIfNoEntry: false });
    return stats === undefined ? nothing : { stat: fileStatOf(stats), names: stats.nlink };
  } catch {
    return nothing;
  }
}
