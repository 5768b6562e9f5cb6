// Proof by inotify that directories have not changed: one raw fs.watch per directory, and a cookie file whose event, coming
// back through the same queue, shows that events do come. Unaware of what the directories mean.

import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { MountPoints } from './mount-points.ts';
import type { DirectoryEvents, DirectoryListener } from './path-watch.ts';

interface WatchedDirectory {
  readonly watcher: FSWatcher;
  /** which directory it is: alive, it keeps its number for itself */
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  /** one that was made in its place may have the same number */
  readonly birthMs: number;
  generation: number;
}

/** A cookie that was written at `sentMs` and whose event has not come yet. */
interface Cookie {
  readonly name: string;
  readonly sentMs: number;
  readonly arrived: Promise<void>;
  readonly settle: () => void;
}

/** A turn of the event loop that began at `sentMs`. */
interface Turn {
  readonly sentMs: number;
  readonly over: Promise<void>;
}

/** What is there while directories can be watched. */
interface Running {
  readonly cookieWatcher: FSWatcher;
  readonly mounts: MountPoints;
  readonly directories: Map<string, WatchedDirectory>;
  /** by device number */
  readonly reporting: Map<number, boolean>;
  flying: Cookie | undefined;
  next: Promise<void> | undefined;
  turn: Turn | undefined;
  /** when the last cookie was sent that came back */
  cookieMs: number;
}

export interface DirectoryWatchOptions {
  /** a folder of its own below the agent's cache folder, made when missing, emptied at the start */
  readonly cookieFolder: string;
  /** most directories watched at once; default half of what the kernel allows this user */
  readonly limit?: number;
  /** so many events in one turn of the event loop mean that the kernel's queue may have overflown */
  readonly burstLimit?: number;
  /** how long a cookie may take, milliseconds */
  readonly cookieTimeoutMs?: number;
  /** how long it is believed that events come after a cookie has shown it; default 2000 */
  readonly cookieEveryMs?: number;
}

/** Local file systems whose every change passes through this kernel (statfs types). Network, FUSE, 9p, /proc: no. */
const reportingTypes = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x3153464a, 0x52654973,
  0x73717368, 0xe0f5e1e2, 0x9660,
]);
const firstPauseMs = 10_000;
const longestPauseMs = 600_000;

/**
 * Watches directories, each for itself. Events tell of entries created, removed, renamed, linked, written to, truncated or
 * chmodded through a name in the directory, and of the directory itself moved, deleted or chmodded.
 *
 * NOT seen: writes through `mmap` or through another hard link outside the directory; a directory above that is renamed or
 * replaced; a symbolic link on the way that is retargeted (the watch stays on the inode that the path led to). Callers
 * compare a stat of the outermost directory for that. A mount laid over a watched directory or above ends its watch at the
 * next `caughtUp`.
 */
export class DirectoryWatch implements DirectoryEvents {
  readonly #options: DirectoryWatchOptions;
  readonly #limit: number;
  readonly #burstLimit: number;
  #running: Running | undefined;
  #closed = false;
  #changes = 0;
  #lost = 0;
  readonly #below = new Map<string, number>();
  #listener: DirectoryListener = () => {};
  #cookies = 0;
  #burst = 0;
  #provenMs = -Infinity;
  #notBeforeMs = -Infinity;
  #pauseMs = firstPauseMs;
  #fullUntilMs = -Infinity;

  constructor(options: DirectoryWatchOptions) {
    this.#options = options;
    this.#limit = options.limit ?? Math.floor(kernelLimit('max_user_watches') / 2);
    this.#burstLimit = options.burstLimit ?? Math.floor(kernelLimit('max_queued_events') / 2);
  }

  /** Moment of performance.now() up to which all events have been delivered. */
  get provenMs(): number {
    return this.#provenMs;
  }

  get watched(): number {
    return this.#running?.directories.size ?? 0;
  }

  /**
   * Grows with every event in watched directories at a path and below, and when events may have been lost; not when
   * directories are added. Counted since it was asked first.
   */
  eventsBelow(path: string): number {
    const count = this.#below.get(path);
    if (count === undefined) this.#below.set(path, 0);
    return (count ?? 0) + this.#lost;
  }

  /** There is one listener; it is told at once. */
  listen(listener: DirectoryListener): void {
    this.#listener = listener;
  }

  /**
   * Begins to watch a directory (not what is below it); idempotent. Costs a stat: a watch goes with its directory when one
   * above is renamed, and tells nothing of that.
   * @returns false when it cannot be watched: no such directory, no more watches, a file system without events
   */
  add(path: string): boolean {
    const running = this.#start();
    const nowMs = performance.now();
    if (running === undefined) return false;
    try {
      const stat = statSync(path, { throwIfNoEntry: false });
      const known = running.directories.get(path);
      if (known !== undefined && known.ino === stat?.ino && known.dev === stat.dev) return true;
      if (known !== undefined) this.#replace(running, path, known);
      if (running.directories.size >= this.#limit || nowMs < this.#fullUntilMs) return false;
      if (stat?.isDirectory() !== true || !reports(running, path, stat.dev)) return false;
      const name = path.slice(path.lastIndexOf('/') + 1);
      const watcher = watch(path, { persistent: false }, (event, entry) => {
        const self = entry === null || (event === 'rename' && entry === name && !isStillThere(running, path));
        this.#happened(path, watcher, self ? undefined : entry, event);
      });
      watcher.on('error', () => {
        this.#happened(path, watcher, undefined, 'rename');
      });
      running.directories.set(path, {
        watcher,
        ...{ dev: stat.dev, ino: stat.ino, mode: stat.mode, birthMs: stat.birthtimeMs },
        generation: ++this.#changes,
      });
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EMFILE') this.#fullUntilMs = nowMs + firstPauseMs;
      return false;
    }
  }

  /** The path is found to lead to another directory than the one that is watched: to be added anew. */
  remove(path: string): void {
    const directory = this.#running?.directories.get(path);
    if (this.#running !== undefined && directory !== undefined) this.#drop(this.#running, path, directory);
  }

  /** Whether something is mounted there, as far as the mount table was read: a file's own directory tells nothing of it then. */
  isMountPoint(path: string): boolean {
    return this.#running?.mounts.has(path) !== false;
  }

  /**
   * Number that changes with every event in this directory and is never used twice; undefined when it is not watched (any
   * more). One that was taken before the directory was read and is the same after `caughtUp` proves what was read.
   */
  generation(path: string): number | undefined {
    return this.#running?.directories.get(path)?.generation;
  }

  /**
   * After it resolves, every event that happened before the call has been delivered and `provenMs` is at least the moment
   * of the call, or the watch is broken: all generations undefined, `provenMs` minus infinity. Never hangs.
   * @param notBeforeMs moment of performance.now(); returns at once when that is proven already. Default now
   */
  caughtUp(notBeforeMs = performance.now()): Promise<void> {
    const running = this.#running;
    if (this.#provenMs >= notBeforeMs || running === undefined) return Promise.resolve();
    if (performance.now() - running.cookieMs < (this.#options.cookieEveryMs ?? 2_000)) {
      return this.#turn(running, notBeforeMs);
    }
    const { flying } = running;
    if (flying === undefined) return this.#send(running);
    if (flying.sentMs >= notBeforeMs) return flying.arrived;
    running.next ??= flying.arrived.then(() => {
      running.next = undefined;
      return running === this.#running ? this.#send(running) : undefined;
    });
    return running.next;
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  /**
   * The kernel queues an event before the call that causes it returns, and a turn of the event loop that begins now reads
   * the whole queue (libuv design overview, "The I/O loop": timers, poll, check). The first immediate may belong to a turn
   * that has polled already; the second one follows a poll that began after this call.
   */
  #turn(running: Running, notBeforeMs: number): Promise<void> {
    if (running.turn !== undefined && running.turn.sentMs >= notBeforeMs) return running.turn.over;
    const sentMs = performance.now();
    this.#dropRemounted(running);
    const over = new Promise<void>((resolve) => {
      setImmediate(() => {
        setImmediate(() => {
          if (running === this.#running) this.#provenMs = Math.max(this.#provenMs, sentMs);
          if (running.turn === turn) running.turn = undefined;
          resolve();
        });
      });
    });
    const turn: Turn = { sentMs, over };
    running.turn = turn;
    return over;
  }

  #dropRemounted(running: Running): void {
    const points = running.mounts.changed() ?? ['/'];
    for (const point of points) this.#dropBelow(running, point);
    // a file may have been mounted over, which has no watch of its own
    if (points.length > 0) this.#lose();
  }

  #send(running: Running): Promise<void> {
    const { cookieFolder, cookieTimeoutMs = 500 } = this.#options;
    const before = cookieName(this.#cookies);
    const name = cookieName(++this.#cookies);
    const sentMs = performance.now();
    this.#dropRemounted(running);
    let settle = () => {};
    const arrived = new Promise<void>((resolve) => {
      // the timer may be late and run before the event that is waiting to be read: look once more after reading
      const timer = setTimeout(() => {
        setImmediate(() => {
          if (running.flying === cookie) this.#break();
        });
      }, cookieTimeoutMs);
      settle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    const cookie: Cookie = { name, sentMs, arrived, settle };
    running.flying = cookie;
    try {
      renameSync(join(cookieFolder, before), join(cookieFolder, name));
    } catch {
      this.#break();
    }
    return arrived;
  }

  #cookieCame(running: Running, name: string | null): void {
    const { flying } = running;
    if (flying === undefined || flying.name !== name) return;
    running.flying = undefined;
    this.#provenMs = Math.max(this.#provenMs, flying.sentMs);
    running.cookieMs = flying.sentMs;
    this.#pauseMs = firstPauseMs;
    flying.settle();
  }

  /** An event in a directory, or without an entry one that may mean the directory itself: then its path is to be opened anew. */
  #happened(path: string, watcher: FSWatcher, entry: string | undefined, event: 'change' | 'rename'): void {
    const running = this.#running;
    const directory = running?.directories.get(path);
    if (running === undefined || directory?.watcher !== watcher) return this.#lose();
    this.#changes += 1;
    directory.generation = this.#changes;
    this.#count();
    if (entry === undefined) return this.#drop(running, path, directory);
    this.#tally(path);
    this.#listener(path, entry, event === 'rename' ? 'place' : 'content');
  }

  #tally(path: string): void {
    for (const [folder, count] of this.#below) {
      if (path === folder || path.startsWith(`${folder}/`)) this.#below.set(folder, count + 1);
    }
  }

  /** Something may have changed of which no event tells. */
  #lose(): void {
    this.#changes += 1;
    this.#lost += 1;
    this.#listener(undefined, '', 'place');
  }

  /** libuv passes over the kernel's notice of an overflow; a full queue shows by its length, all of it read in one turn. */
  #count(): void {
    if (this.#burst === 0) {
      setImmediate(() => {
        this.#burst = 0;
      });
    }
    this.#burst += 1;
    if (this.#burst < this.#burstLimit) return;
    this.#break();
    this.#notBeforeMs = -Infinity; // no fault of the watch: it may start again once the queue has been read
  }

  #drop(running: Running, path: string, directory: WatchedDirectory): void {
    running.directories.delete(path);
    directory.watcher.close();
    this.#lose();
  }

  /** The watch is of a directory that is elsewhere now. Who asks is following a path: the listener is not told meanwhile. */
  #replace(running: Running, path: string, directory: WatchedDirectory): void {
    running.directories.delete(path);
    directory.watcher.close();
    this.#changes += 1;
    this.#lost += 1;
  }

  #dropBelow(running: Running, point: string): void {
    for (const [path, directory] of running.directories) {
      if (path === point || path.startsWith(point === '/' ? '/' : `${point}/`)) this.#drop(running, path, directory);
    }
  }

  #start(): Running | undefined {
    if (this.#running !== undefined) return this.#running;
    if (this.#closed || this.#burst >= this.#burstLimit || performance.now() < this.#notBeforeMs) return undefined;
    const { cookieFolder } = this.#options;
    try {
      mkdirSync(cookieFolder, { recursive: true });
      for (const name of readdirSync(cookieFolder)) rmSync(join(cookieFolder, name), { force: true });
      if (!reportingTypes.has(statfsSync(cookieFolder).type)) return this.#pause();
      const mounts = new MountPoints();
      if (mounts.changed() === undefined) return this.#pause();
      writeFileSync(join(cookieFolder, cookieName(this.#cookies)), '');
      const cookieWatcher = watch(cookieFolder, { persistent: false }, (_, name) => {
        this.#count();
        if (running === this.#running) this.#cookieCame(running, name);
      });
      cookieWatcher.on('error', () => {
        if (running === this.#running) this.#break();
      });
      const running: Running = {
        cookieWatcher,
        mounts,
        directories: new Map(),
        reporting: new Map(),
        flying: undefined,
        next: undefined,
        turn: undefined,
        cookieMs: -Infinity,
      };
      this.#running = running;
      return running;
    } catch {
      return this.#pause();
    }
  }

  #break(): void {
    this.#stop();
    this.#pause();
  }

  /** Not to be tried again for a while, each time for longer. */
  #pause(): undefined {
    this.#notBeforeMs = performance.now() + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
  }

  #stop(): void {
    const running = this.#running;
    this.#running = undefined;
    this.#provenMs = -Infinity;
    this.#lose();
    if (running === undefined) return;
    for (const { watcher } of running.directories.values()) watcher.close();
    running.cookieWatcher.close();
    running.mounts.close();
    running.flying?.settle();
  }
}

/** What bears the directory's own name may be an entry of it, or its time was set. */
function isStillThere(running: Running, path: string): boolean {
  const known = running.directories.get(path);
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined || stat.ino !== known?.ino || stat.dev !== known.dev) return false;
    return stat.mode === known.mode && stat.birthtimeMs === known.birthMs;
  } catch {
    return false;
  }
}

function reports(running: Running, path: string, device: number): boolean {
  let reporting = running.reporting.get(device);
  if (reporting === undefined) {
    reporting = reportingTypes.has(statfsSync(path).type);
    running.reporting.set(device, reporting);
  }
  return reporting;
}

function cookieName(number: number): string {
  return `${process.pid}-${number}`;
}

function kernelLimit(name: string): number {
  try {
    return Number(readFileSync(`/proc/sys/fs/inotify/${name}`, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
