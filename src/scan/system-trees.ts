// Snapshots of directories such as /usr/include, complete or with the subdirectories that were used. A snapshot is current
// when none of its directories has changed: by the watch, or by their stats where they cannot be watched. Then a new or a
// vanished entry shows in its directory, and a file that changed in place is reported by whoever stats it.

import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { DirectorySnapshot, DirectorySnapshots, InputFailure } from '../model/inputs.ts';
import type { DirectoryWatch } from './directory-watch.ts';
import type { StatFileDigests } from './file-digests.ts';
import { isUntouched, TreeReader, type ReadDirectory } from './tree-reader.ts';
import { TreeUse } from './tree-use.ts';

type Found = Result<DirectorySnapshot, InputFailure>;

interface Tracked {
  readonly path: string;
  /** what is wanted of it; undefined: all */
  readonly use: TreeUse | undefined;
  root: ReadDirectory | undefined;
  snapshot: DirectorySnapshot | undefined;
  all: readonly ReadDirectory[];
  /** all of `all` were watched when they were read */
  watched: boolean;
  /** the watch's count of events in it when all of it was proved last; undefined when that was by stats */
  provedEvents: number | undefined;
  /** `use.version` of the snapshot */
  version: number | undefined;
  /** grows when something that had been read was found to be different, not when more is wanted */
  epoch: number;
  /** directories to be read again whatever their stat says */
  readonly suspects: Set<string>;
  /** when its directories were last offered to the watch */
  offeredMs: number;
  running: Promise<unknown> | undefined;
  /** a check that has not started: whoever asks now may share it */
  pending: Promise<Found> | undefined;
  startedMs: number;
}

export interface SystemTreesOptions {
  readonly digests: StatFileDigests;
  /** undefined: every check stats every directory */
  readonly watch?: DirectoryWatch;
  /** shortest time from the start of one check of a directory by stats to the start of the next, milliseconds */
  readonly spacingMs?: number;
  /** a directory with more entries fails */
  readonly entryLimit?: number;
}

/** shortest time between two tries to watch a tree that could not be watched, milliseconds */
const offerAgainMs = 10_000;

export class SystemTrees implements DirectorySnapshots {
  readonly #complete = new Map<string, Tracked>();
  readonly #partial = new Map<string, Tracked>();
  readonly #uses = new Map<string, TreeUse>();
  readonly #made = new WeakMap<DirectorySnapshot, { readonly tracked: Tracked; readonly epoch: number }>();
  readonly #digests: StatFileDigests;
  readonly #watch: DirectoryWatch | undefined;
  readonly #spacingMs: number;
  readonly #entryLimit: number;
  #checks = 0;

  constructor(options: SystemTreesOptions) {
    this.#digests = options.digests;
    this.#watch = options.watch;
    this.#spacingMs = options.spacingMs ?? 20;
    this.#entryLimit = options.entryLimit ?? 300_000;
  }

  /** How many checks have run that the watch alone could not answer, for tests and counters. */
  get checks(): number {
    return this.#checks;
  }

  current(path: string, notBeforeMs = performance.now()): Promise<Found> {
    return this.#ask(this.#complete, path, undefined, notBeforeMs);
  }

  /** What is wanted of a tree: to be grown before `partial` is asked. */
  use(path: string): TreeUse {
    let use = this.#uses.get(path);
    if (use === undefined) {
      use = new TreeUse(path);
      this.#uses.set(path, use);
    }
    return use;
  }

  /** The used parts of a directory, otherwise as `current`. @param notBeforeMs moment from which on the answer must hold */
  partial(path: string, notBeforeMs = performance.now()): Promise<Found> {
    return this.#ask(this.#partial, path, this.use(path), notBeforeMs);
  }

  /** Whether everything in a snapshot still is what it was, also when more is wanted of the directory by now. */
  async holds(snapshot: DirectorySnapshot, notBeforeMs = performance.now()): Promise<boolean> {
    const made = this.#made.get(snapshot);
    if (made === undefined) return false;
    const { tracked, epoch } = made;
    const all = tracked.use === undefined ? this.#complete : this.#partial;
    const now = await this.#ask(all, tracked.path, tracked.use, notBeforeMs);
    return now.ok && all.get(tracked.path) === tracked && tracked.epoch === epoch;
  }

  /** A file below a snapshot is not what the snapshot says: its directory is read again by the next check. */
  suspect(file: string): void {
    for (const tracked of [...this.#complete.values(), ...this.#partial.values()]) {
      if (file.startsWith(`${tracked.path}/`)) tracked.suspects.add(posix.dirname(file));
    }
  }

  async #ask(all: Map<string, Tracked>, path: string, use: TreeUse | undefined, notBeforeMs: number): Promise<Found> {
    let tracked = all.get(path);
    if (tracked === undefined) {
      tracked = newTracked(path, use);
      all.set(path, tracked);
    }
    if (this.#watch !== undefined && tracked.watched) {
      if (this.#watch.provenMs < notBeforeMs) await this.#watch.caughtUp(notBeforeMs);
      if (this.#watch.provenMs >= notBeforeMs && this.#isInPlace(tracked) && this.#proved(tracked)) {
        const { snapshot } = tracked;
        if (snapshot !== undefined) return ok(snapshot);
      }
    }
    tracked.pending ??= this.#schedule(all, tracked);
    return tracked.pending;
  }

  async #schedule(all: Map<string, Tracked>, tracked: Tracked): Promise<Found> {
    await tracked.running;
    const waitMs = tracked.watched ? 0 : tracked.startedMs + this.#spacingMs - performance.now();
    await new Promise<void>((resolve) => {
      if (waitMs > 0) setTimeout(resolve, waitMs);
      else setImmediate(resolve);
    });
    tracked.pending = undefined;
    tracked.startedMs = performance.now();
    const check = this.#check(all, tracked);
    tracked.running = check;
    return check;
  }

  async #check(all: Map<string, Tracked>, tracked: Tracked): Promise<Found> {
    this.#checks += 1;
    await this.#watch?.caughtUp();
    const { path, use, snapshot } = tracked;
    if (tracked.watched) this.#confirmPlace(tracked);
    const offer = this.#watch !== undefined && !tracked.watched && tracked.offeredMs + offerAgainMs < tracked.startedMs;
    if (offer) tracked.offeredMs = tracked.startedMs;
    else if (snapshot !== undefined && this.#proved(tracked)) return ok(snapshot);
    const suspects = new Set(tracked.suspects);
    tracked.suspects.clear();
    const version = use?.version;
    const events = this.#watch?.eventsBelow(path);
    const reader = new TreeReader({
      digests: this.#digests,
      watch: this.#watch,
      suspects,
      entryLimit: this.#entryLimit,
      wanted: (directory) => use?.of(directory) ?? 'whole',
    });
    const root = await reader.read(path, tracked.root);
    if (root === undefined) {
      if (all.get(path) === tracked) all.delete(path);
      return err({ reason: 'unshippable-path', path, message: reader.complaint ?? 'is no directory' });
    }
    if (reader.different) tracked.epoch += 1;
    const before = tracked.root;
    tracked.root = root;
    tracked.version = version;
    if (root !== before) tracked.all = withAllBelow(root);
    tracked.watched = tracked.all.every(({ listing }) => listing.generation !== undefined);
    tracked.provedEvents = tracked.watched ? events : undefined;
    // whoever holds a snapshot knows by its identity that nothing has changed
    const same = snapshot !== undefined && root.node === before?.node && !reader.different;
    if (same && root === before) return ok(snapshot);
    const made = snapshotOf(path, root, tracked.all);
    if (same && sameSet(made.unused, snapshot.unused)) return ok(snapshot);
    tracked.snapshot = made;
    this.#made.set(tracked.snapshot, { tracked, epoch: tracked.epoch });
    return ok(tracked.snapshot);
  }

  /** Whether all directories are as they were read, and all that is wanted was read. The watch has caught up. */
  #proved(tracked: Tracked): boolean {
    const { root, all, use } = tracked;
    if (root === undefined || tracked.suspects.size > 0 || use?.version !== tracked.version) return false;
    if (tracked.watched && tracked.provedEvents === this.#watch?.eventsBelow(tracked.path)) return true;
    if (!all.every((directory) => isUntouched(directory, this.#digests, this.#watch))) return false;
    tracked.provedEvents = tracked.watched ? this.#watch?.eventsBelow(tracked.path) : undefined;
    return true;
  }

  /** What no event tells: a directory above was renamed, a link on the way leads elsewhere. */
  #isInPlace({ path, root }: Tracked): boolean {
    const stat = this.#digests.stats.lstat(path, this.#watch?.provenMs);
    return stat !== undefined && stat.ino === root?.listing.stat.ino && stat.dev === root.listing.stat.dev;
  }

  /** Forgets a tree in whose place there is another one: its watches are elsewhere. */
  #confirmPlace(tracked: Tracked): void {
    if (this.#isInPlace(tracked)) return;
    for (const { path } of tracked.all) this.#watch?.remove(path);
    tracked.root = undefined;
    tracked.all = [];
    tracked.watched = false;
    tracked.epoch += 1;
  }
}

function newTracked(path: string, use: TreeUse | undefined): Tracked {
  return {
    path,
    use,
    root: undefined,
    snapshot: undefined,
    all: [],
    watched: false,
    provedEvents: undefined,
    version: undefined,
    epoch: 0,
    suspects: new Set(),
    offeredMs: -Infinity,
    running: undefined,
    pending: undefined,
    startedMs: -Infinity,
  };
}

function withAllBelow(root: ReadDirectory): readonly ReadDirectory[] {
  const all: ReadDirectory[] = [];
  const collect = (directory: ReadDirectory) => {
    all.push(directory);
    for (const child of directory.children.values()) collect(child);
  };
  collect(root);
  return all;
}

function snapshotOf(path: string, root: ReadDirectory, all: readonly ReadDirectory[]): DirectorySnapshot {
  const hashes = new Set<string>();
  for (const { listing } of all) for (const file of listing.files.values()) hashes.add(file.digest.hash);
  return {
    path,
    node: root.node,
    hashes,
    escapes: all.flatMap(({ listing }) => listing.escapes).filter((target) => !inside(target, path)),
    skipped: all.flatMap(({ listing, skipped }) => [...listing.skipped, ...skipped]),
    unused: new Set(all.flatMap(({ unused }) => unused)),
  };
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((each) => b.has(each));
}

/** Whether an absolute path is a directory or lies below it. */
export function inside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
