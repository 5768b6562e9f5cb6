// Which paths still lead where they led, told by events instead of stats: every directory on the way is watched, links are
// followed as the kernel does it, and an event counts only when its entry is on the way to something that is known.

import type { FileStat } from '../model/inputs.ts';
import { isDirectory, isSymlink, sameStat, type PathStats } from './path-stats.ts';

/** What happened to an entry of a directory. `place`: it may have come, gone or been replaced. */
export type EntryEvent = 'content' | 'place';

/** @param directory as it was added; undefined when anything may have changed, in all directories */
export type DirectoryListener = (directory: string | undefined, entry: string, event: EntryEvent) => void;

/** Events of watched directories, see `DirectoryWatch`. */
export interface DirectoryEvents {
  /** false when the directory cannot be watched */
  add(path: string): boolean;
  remove(path: string): void;
  caughtUp(notBeforeMs?: number): Promise<void>;
  /** up to this moment of the monotonic clock all events have come */
  readonly provenMs: number;
  listen(listener: DirectoryListener): void;
  /** a file that is mounted over another one has its events elsewhere */
  isMountPoint(path: string): boolean;
}

/** Told when the file that a path leads to may be another one, or have another content. */
export interface WatchedLeaf {
  changed(): void;
}

/** Told of entries that come and go; answers whether that matters to anybody. */
export interface WatchedListing {
  entryChanged(name: string): boolean;
}

/** Where a path leads: a directory, or an entry that is none (perhaps nothing); `''` is the root directory. */
type End =
  | { readonly kind: 'directory'; readonly path: string }
  /** `isLast`: the path ends here; else something lies in its way */
  | { readonly kind: 'entry'; readonly path: string; readonly stat: FileStat | undefined; readonly isLast: boolean };

const root: End = { kind: 'directory', path: '' };
const linkLimit = 40;
const retryAfterMs = 10_000;
/** so many events in a directory that matter to nobody, and its events are no longer wanted */
const noiseLimit = 40;
/** `S_ISVTX | S_IWOTH`: a directory such as /tmp, where everybody makes files all the time */
const shared = 0o1002;

export class PathWatch {
  readonly #events: DirectoryEvents;
  readonly #stats: PathStats;
  #voided = 0;
  #changes = 0;
  #provenMs = -Infinity;
  /** physical paths that were passed on the way to something, and what was there */
  readonly #passed = new Map<string, FileStat | undefined>();
  readonly #leaves = new Map<string, Set<WatchedLeaf>>();
  readonly #listings = new Map<string, Set<WatchedListing>>();
  readonly #folders = new Map<string, End | undefined>();
  /** directories below one that is shared by everybody: a stat takes the place of that one's events */
  readonly #anchors = new Map<string, FileStat>();
  readonly #shared = new Map<string, boolean>();
  /** events that mattered to nobody, by directory: a build writes there */
  readonly #noise = new Map<string, number>();
  /** directories whose watches were found to be of what is there, since nothing was known */
  readonly #watched = new Set<string>();
  /** when what could not be watched is to be tried again */
  #retryMs = Infinity;

  constructor(events: DirectoryEvents, stats: PathStats) {
    this.#events = events;
    this.#stats = stats;
    events.listen((directory, entry, event) => this.#happened(directory, entry, event));
  }

  /** Up to this moment of the monotonic clock everything that happened has been told. */
  get provenMs(): number {
    return this.#provenMs;
  }

  /** Grows when nothing is known any more of any path: all are to be followed again. */
  get voided(): number {
    return this.#voided;
  }

  /** Grows with everything that is told to a leaf or a listing, and with `voided`. */
  get changes(): number {
    return this.#changes;
  }

  /** After it `provenMs` is at least the moment given, or watching does not work. */
  async caughtUp(notBeforeMs: number): Promise<void> {
    if (this.#provenMs >= notBeforeMs) return;
    await this.#events.caughtUp(notBeforeMs);
    if (this.#events.provenMs < notBeforeMs) return;
    if (this.#retryMs <= notBeforeMs) {
      this.#retryMs = Infinity;
      for (const [path, end] of this.#folders) if (end === undefined) this.#folders.delete(path);
    }
    const { provenMs } = this.#events;
    for (const [path, before] of this.#anchors) {
      const now = this.#stats.lstat(path, provenMs);
      if (isSameWay(before, now)) continue;
      this.void();
      break;
    }
    this.#provenMs = Math.max(this.#provenMs, provenMs);
  }

  /**
   * Follows the path of a file. From now on the leaf is told of every change.
   * @returns the physical path, `''` where there is nothing; undefined when events would not show every change
   */
  followFile(path: string, leaf: WatchedLeaf): string | undefined {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const folder = this.#folder(path.slice(0, slash));
    if (folder === undefined || name === '..') return undefined;
    // the way to the folder ends early: what would let it go on is told
    if (folder.kind === 'entry') return '';
    if (this.#isShared(folder.path)) return undefined;
    const end = this.#walk(folder.path, name);
    if (end === undefined) return undefined;
    if (end.kind === 'directory' || !end.isLast) return '';
    if (this.#events.isMountPoint(end.path)) return undefined;
    added(this.#leaves, end.path).add(leaf);
    return end.path;
  }

  /** Follows the path of a directory; true when the listing will be told of every change from now on. */
  followFolder(path: string, listing: WatchedListing): boolean {
    const end = this.#folder(path);
    if (end === undefined || (end.kind === 'directory' && this.#isShared(end.path))) return false;
    if (end.kind === 'directory') added(this.#listings, end.path).add(listing);
    return true;
  }

  /** Whether every change of what a path leads to would be told, what is in it aside. */
  followPlace(path: string): boolean {
    return this.#folder(path) !== undefined;
  }

  /** Nothing is known any more: something happened that no event tells of. */
  void(): void {
    this.#voided += 1;
    this.#changes += 1;
    this.#passed.clear();
    this.#leaves.clear();
    this.#listings.clear();
    this.#folders.clear();
    this.#anchors.clear();
    this.#shared.clear();
    this.#watched.clear();
    this.#retryMs = Infinity;
  }

  /** Of a folder's path everything is a place that was passed, its last name too. */
  #folder(path: string): End | undefined {
    if (path === '' || path === '/') return this.#watch('') ? root : undefined;
    const known = this.#folders.get(path);
    if (known !== undefined || this.#folders.has(path)) return known;
    const slash = path.lastIndexOf('/');
    const parent = this.#folder(path.slice(0, slash));
    let end = parent?.kind === 'directory' ? this.#walk(parent.path, path.slice(slash + 1)) : parent;
    if (end?.kind === 'directory' && !this.#isShared(end.path) && !this.#watch(end.path)) end = undefined;
    if (end?.kind === 'entry') this.#pass(end.path, end.stat);
    this.#folders.set(path, end);
    return end;
  }

  /**
   * Goes from a physical directory as the kernel does. Every directory on the way is watched before its entry is looked at.
   * @returns undefined when events would not show every change
   */
  #walk(from: string, path: string): End | undefined {
    const names = path.split('/').reverse();
    let at = from;
    let links = 0;
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
        continue;
      }
      const entry = `${at}/${name}`;
      const isAnchored = this.#isShared(at);
      if (!isAnchored && !this.#watch(at)) return undefined;
      const stat = this.#stats.lstat(entry);
      if (isAnchored) {
        if (stat === undefined || !isDirectory(stat)) return undefined;
        this.#anchors.set(entry, stat);
      }
      if (stat !== undefined && isSymlink(stat)) {
        const target = ++links > linkLimit ? undefined : this.#stats.target(entry, stat);
        // one with a slash at its end has to be a directory
        if (target === undefined || target.endsWith('/')) return undefined;
        this.#pass(entry, stat);
        names.push(...target.split('/').reverse());
        if (target.startsWith('/')) at = '';
        continue;
      }
      if (stat === undefined || !isDirectory(stat)) {
        const isLast = !names.some((rest) => rest !== '');
        if (!isLast) this.#pass(entry, stat);
        return { kind: 'entry', path: entry, stat, isLast };
      }
      this.#pass(entry, stat);
      at = entry;
    }
    return { kind: 'directory', path: at };
  }

  /** What was there first counts: the event of what is different by now has not come yet. */
  #pass(path: string, stat: FileStat | undefined): void {
    if (!this.#passed.has(path)) this.#passed.set(path, stat);
  }

  #watch(path: string): boolean {
    if (this.#watched.has(path)) return true;
    const isWatched = this.#events.add(path === '' ? '/' : path);
    if (isWatched) this.#watched.add(path);
    else this.#retryMs = Math.min(this.#retryMs, performance.now() + retryAfterMs);
    return isWatched;
  }

  #isShared(path: string): boolean {
    const known = this.#shared.get(path) ?? ((this.#noise.get(path) ?? 0) >= noiseLimit ? true : undefined);
    if (known !== undefined) return known;
    const stat = this.#stats.lstat(path === '' ? '/' : path);
    const isShared = stat !== undefined && (stat.mode & shared) === shared;
    this.#shared.set(path, isShared);
    return isShared;
  }

  #happened(directory: string | undefined, entry: string, event: EntryEvent): void {
    // a name that is not UTF-8 comes with replacement characters
    if (directory === undefined || entry.includes('\uFFFD')) return this.void();
    const folder = directory === '/' ? '' : directory;
    const path = `${folder}/${entry}`;
    // a directory that was touched is still the same one
    if (this.#passed.has(path) && !isSameWay(this.#passed.get(path), this.#stats.lstat(path))) return this.void();
    const leaves = this.#leaves.get(path);
    for (const leaf of leaves ?? []) leaf.changed();
    let matters = leaves !== undefined;
    if (event === 'place') {
      for (const listing of this.#listings.get(folder) ?? []) matters = listing.entryChanged(entry) || matters;
    }
    if (matters) this.#changes += 1;
    else this.#countNoise(folder, directory);
  }

  /** Where a build writes its objects, events cost more than the stats that they save: it is taken for a shared directory. */
  #countNoise(folder: string, directory: string): void {
    const count = (this.#noise.get(folder) ?? 0) + 1;
    this.#noise.set(folder, count);
    if (count !== noiseLimit) return;
    this.#events.remove(directory);
    this.void();
  }
}

/** One that was removed and made anew with the same number has told so itself. */
function isSameWay(before: FileStat | undefined, now: FileStat | undefined): boolean {
  if (before === undefined || now === undefined) return before === now;
  if (!isDirectory(before)) return sameStat(before, now);
  return before.ino === now.ino && before.dev === now.dev && before.mode === now.mode;
}

function added<T>(map: Map<string, Set<T>>, key: string): Set<T> {
  let set = map.get(key);
  if (set === undefined) {
    set = new Set();
    map.set(key, set);
  }
  return set;
}
