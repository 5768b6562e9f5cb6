// Whether a set of files is still the same, told by watches on the directories that lead to them; by stat where those
// cannot tell. Unaware of what the files are.

import { lstatSync, readlinkSync } from 'node:fs';
import type { DirectoryWatch } from '../scan/directory-watch.ts';
import type { WatchedFiles } from './watched-files.ts';

/** State of the watches before the files were last found unchanged by their stats. */
interface Baseline {
  /** by physical path */
  readonly generations: ReadonlyMap<string, number>;
  /** files with other hard links or mounted over: written to through another name, no watch here would tell */
  readonly shared: ReadonlySet<string>;
}

const linkLimit = 40;

export class ProvenFiles {
  readonly files: WatchedFiles;
  readonly #spacingMs: number;
  readonly #watch: DirectoryWatch | undefined;
  #baseline: Baseline | undefined;
  #provenMs = -Infinity;
  #triedMs = -Infinity;

  /**
   * @param watch without one every check looks at every file
   * @param spacingMs shortest time between two attempts to rely on it: one costs more than a few checks by stat
   */
  constructor(files: WatchedFiles, watch?: DirectoryWatch, spacingMs = 1000) {
    this.files = files;
    this.#watch = watch;
    this.#spacingMs = spacingMs;
  }

  /** @param notBeforeMs an answer found at or after this moment of the monotonic clock will do; default: look now */
  async unchanged(notBeforeMs = performance.now()): Promise<boolean> {
    if (this.#provenMs >= notBeforeMs) return true;
    const watch = this.#watch;
    const before = this.#baseline;
    if (watch === undefined) return this.files.unchanged(notBeforeMs);
    if (before !== undefined) {
      await watch.caughtUp(notBeforeMs);
      const { provenMs } = watch;
      if (provenMs >= notBeforeMs && holds(watch, before)) {
        if (before.shared.size > 0 && !this.files.unchanged(undefined, before.shared)) return false;
        this.#provenMs = Math.max(this.#provenMs, provenMs);
        return true;
      }
      if (this.#baseline === before) this.#baseline = undefined;
    }
    const baseline = this.#establish(watch);
    const same = this.files.unchanged(baseline === undefined ? notBeforeMs : undefined);
    if (same && baseline !== undefined) this.#baseline = baseline;
    return same;
  }

  /** Watches every directory on the way to every file; undefined when one cannot be watched. The stats come after this. */
  #establish(watch: DirectoryWatch): Baseline | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#triedMs < this.#spacingMs) return undefined;
    this.#triedMs = nowMs;
    const first = waysTo(this.files.paths, watch).directories;
    const generations = new Map<string, number>();
    for (const path of first) {
      if (!watch.add(path)) return undefined;
      const generation = watch.generation(path);
      if (generation === undefined) return undefined;
      generations.set(path, generation);
    }
    // The ways may have changed before the watches were there.
    const { directories, shared } = waysTo(this.files.paths, watch);
    if (directories.size !== first.size || [...directories].some((path) => !first.has(path))) return undefined;
    return { generations, shared };
  }
}

function holds(watch: DirectoryWatch, { generations }: Baseline): boolean {
  for (const [path, generation] of generations) if (watch.generation(path) !== generation) return false;
  return true;
}

interface Ways {
  /** physical paths of all directories that a lookup of one of the paths reads, and of those that are such a path themselves */
  readonly directories: Set<string>;
  readonly shared: Set<string>;
}

function waysTo(paths: Iterable<string>, watch: DirectoryWatch): Ways {
  const ways: Ways = { directories: new Set(['/']), shared: new Set() };
  const reached = new Map<string, string | undefined>();
  let links = 0;

  /** The physical path of a directory; undefined when there is none. */
  const directory = (literal: string): string | undefined => {
    if (literal === '' || literal === '/') return '';
    if (reached.has(literal)) return reached.get(literal);
    const slash = literal.lastIndexOf('/');
    const parent = directory(literal.slice(0, slash));
    const found = parent === undefined ? undefined : enter(parent, literal.slice(slash + 1), literal);
    reached.set(literal, found);
    return found;
  };

  /** @param asked the path of the set that ends here, or the literal path of a directory */
  const enter = (parent: string, name: string, asked: string): string | undefined => {
    if (name === '' || name === '.') return parent;
    if (name === '..') return parent.slice(0, Math.max(0, parent.lastIndexOf('/')));
    const path = `${parent}/${name}`;
    const stat = quietly(path);
    if (stat?.isDirectory() === true) {
      ways.directories.add(path);
      return path;
    }
    if (stat?.isSymbolicLink() === true) {
      links += 1;
      const target = links > linkLimit ? undefined : targetOf(path);
      const end = target === undefined ? undefined : follow(target.startsWith('/') ? '' : parent, target, asked);
      links -= 1;
      return end;
    }
    if (stat !== undefined && (stat.nlink > 1 || watch.isMountPoint(path))) ways.shared.add(asked);
    return undefined;
  };

  const follow = (from: string, target: string, asked: string): string | undefined => {
    let at: string | undefined = from;
    for (const name of target.split('/')) at = at === undefined ? undefined : enter(at, name, asked);
    return at;
  };

  for (const path of paths) {
    const slash = path.lastIndexOf('/');
    const parent = directory(path.slice(0, slash));
    if (parent !== undefined) enter(parent, path.slice(slash + 1), path);
  }
  return ways;
}

function quietly(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
