// The submitter's files and directories as the scanner knows them: each is looked at again once per unit, and what is
// unchanged is the same object as before. So whether a closure still holds is a comparison of references.

import { readdirSync } from 'node:fs';
import type { FileRecord, FileStat } from '../model/inputs.ts';
import type { StatFileDigests } from './file-digests.ts';
import { isDirectory, isRegular, isSymlink, sameStat } from './path-stats.ts';
import type { ClosureFile } from './scanner.ts';
import { settledAgeMs } from './stat-cache.ts';

/** A file with one content. Replaced, never changed. */
export interface FileVersion extends ClosureFile {
  readonly file: TableFile;
}

/** Nothing that can be included is at the path. */
export interface FileAbsence {
  readonly file: TableFile;
  readonly record: undefined;
}

/** What was asked of a directory and answered. Replaced when one of the answers changes. */
export interface FolderAnswers {
  readonly folder: TableFolder;
}

/** Events of watched directories, see `DirectoryWatch`. */
export interface DirectoryEvents {
  /** false when the directory cannot be watched */
  add(path: string): boolean;
  caughtUp(notBeforeMs?: number): Promise<void>;
  /** up to this moment of the monotonic clock all events have come */
  readonly provenMs: number;
  /** how many events there have been in all watched directories; grows too when events may have been lost */
  readonly events: number;
}

export interface FileTableOptions {
  readonly digests: StatFileDigests;
  /** proves without a stat that directories are unchanged; undefined where there is none */
  readonly watch?: DirectoryEvents;
  /** how many files and directories are remembered; beyond it everything is forgotten */
  readonly limit?: number;
}

export class FileTable {
  readonly digests: StatFileDigests;
  readonly watch: DirectoryEvents | undefined;
  readonly #limit: number;
  readonly #files = new Map<string, TableFile>();
  readonly #folders = new Map<string, TableFolder>();
  readonly #watchedRoots = new Set<string>();
  readonly #watchedDown = new Map<string, { readonly events: number; readonly shown: boolean }>();
  #voided = 0;

  constructor(options: FileTableOptions) {
    this.digests = options.digests;
    this.watch = options.watch;
    this.#limit = options.limit ?? 300_000;
  }

  /** @param path absolute, as a compiler opens it */
  file(path: string): TableFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = new TableFile(this, path);
      this.#files.set(path, file);
    }
    return file;
  }

  folder(path: string): TableFolder {
    let folder = this.#folders.get(path);
    if (folder === undefined) {
      folder = new TableFolder(this, path);
      this.#folders.set(path, folder);
    }
    return folder;
  }

  /** Directories of the compiler's own: below them a watch takes the place of stats. */
  watchBelow(roots: readonly string[]): void {
    for (const root of roots) this.#watchedRoots.add(root);
  }

  /**
   * Watches a directory and those above it, up to a root of `watchBelow`; where it does not exist, as far as there is one.
   * False when events would not show every change of what the path leads to.
   */
  watchDown(path: string): boolean {
    if (this.watch === undefined) return false;
    const { events } = this;
    const known = this.#watchedDown.get(path);
    if (known?.events === events) return known.shown;
    const root = this.#rootOf(path);
    const shown = root !== undefined && this.#watchChain(root, path, this.watch);
    this.#watchedDown.set(path, { events, shown });
    return shown;
  }

  #watchChain(root: string, path: string, watch: DirectoryEvents): boolean {
    const { stats } = this.digests;
    if (!watch.add(root)) return false;
    for (let end = root.length; end < path.length;) {
      const slash = path.indexOf('/', end + 1);
      end = slash < 0 ? path.length : slash;
      const folder = path.slice(0, end);
      const link = stats.lstat(folder);
      // what is not there, or is no directory, is shown by the one above
      if (link === undefined || isRegular(link)) return true;
      if (!isDirectory(link) || !watch.add(folder)) return false;
    }
    return true;
  }

  #rootOf(path: string): string | undefined {
    if (path.includes('/../')) return undefined;
    for (let slash = path.length; slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const root = path.slice(0, slash);
      if (this.#watchedRoots.has(root)) return root;
    }
    return undefined;
  }

  /** Where the events stand; grows too when something happened that no event tells of. */
  get events(): number {
    return (this.watch?.events ?? 0) + this.#voided;
  }

  /**
   * Whether nothing that events tell of has happened up to a moment of the monotonic clock.
   * @param events what `events` was when everything was looked at; undefined when events would not tell
   */
  isShown(events: number | undefined, notBeforeMs: number): boolean {
    return this.watch !== undefined && this.watch.provenMs >= notBeforeMs && events === this.events;
  }

  /** What lies below the watched roots is to be looked at again: something above them may have changed. */
  voidProofs(): void {
    this.#voided += 1;
  }

  /** To be called between units: forgets everything when it has become too much. */
  trim(): void {
    if (this.#files.size + this.#folders.size <= this.#limit) return;
    this.#watchedDown.clear();
    this.#files.clear();
    this.#folders.clear();
  }
}

export class TableFile {
  readonly path: string;
  readonly #table: FileTable;
  #current: FileVersion | FileAbsence;
  #checkedMs = -Infinity;
  /** how often the watch had reported something when the file was looked at last; undefined when that proves nothing */
  #seenEvents: number | undefined;

  constructor(table: FileTable, path: string) {
    this.#table = table;
    this.path = path;
    this.#current = { file: this, record: undefined };
  }

  /** The file as it was at or after a moment of the monotonic clock. */
  at(notBeforeMs: number): FileVersion | FileAbsence {
    if (this.#checkedMs >= notBeforeMs) return this.#current;
    if (this.#table.isShown(this.#seenEvents, notBeforeMs)) this.#checkedMs = this.#table.watch!.provenMs;
    else this.#look(notBeforeMs);
    return this.#current;
  }

  /** What it was when it was looked at last. */
  get current(): FileVersion | FileAbsence {
    return this.#current;
  }

  /** As long as the table's `events` stay and the watch has caught up, it is what it was. */
  get shownByEvents(): boolean {
    return this.#seenEvents === this.#table.events;
  }

  #look(notBeforeMs: number): void {
    const { digests } = this.#table;
    const nowMs = performance.now();
    const proves = this.#table.watchDown(folderOf(this.path));
    const { events } = this.#table;
    // a stat from before the watch would not show what happened in between
    const fromMs = proves ? performance.now() : notBeforeMs;
    const link = digests.stats.lstat(this.path, fromMs);
    const stat = link !== undefined && isSymlink(link) ? digests.stats.stat(this.path, fromMs) : link;
    const found = stat !== undefined && isRegular(stat) ? digests.file(this.path, fromMs) : undefined;
    const record = found?.ok === true ? found.value : undefined;
    if (record === undefined || !this.#sameAs(record)) {
      if (record !== undefined) this.#current = { file: this, path: this.path, record };
      else if (this.#current.record !== undefined) this.#current = { file: this, record: undefined };
    }
    this.#checkedMs = Math.min(nowMs, performance.now());
    this.#seenEvents = proves && (link === undefined || isRegular(link)) ? events : undefined;
  }

  #sameAs(record: FileRecord): boolean {
    const known = this.#current.record;
    return (
      known !== undefined &&
      (known === record ||
        (known.digest.hash === record.digest.hash &&
          known.mtimeNs === record.mtimeNs &&
          known.stat.ino === record.stat.ino &&
          known.stat.dev === record.stat.dev &&
          known.stat.mode === record.stat.mode))
    );
  }
}

const noNames: ReadonlySet<string> = new Set();

export class TableFolder {
  readonly path: string;
  readonly #table: FileTable;
  readonly #asked = new Map<string, boolean>();
  #answers: FolderAnswers;
  #stat: FileStat | undefined;
  /** undefined when the directory cannot be listed: then each name is looked for */
  #names: ReadonlySet<string> | undefined = noNames;
  #settled = false;
  #checkedMs = -Infinity;
  #seenEvents: number | undefined;

  constructor(table: FileTable, path: string) {
    this.#table = table;
    this.path = path;
    this.#answers = { folder: this };
  }

  /** As long as the table's `events` stay and the watch has caught up, its answers are what they were. */
  get shownByEvents(): boolean {
    return this.#seenEvents === this.#table.events;
  }

  /** Whether the directory had an entry of this name at or after the moment. */
  has(name: string, notBeforeMs: number): boolean {
    this.#refresh(notBeforeMs);
    const known = this.#asked.get(name);
    if (known !== undefined) return known;
    const answer = this.#answer(name);
    this.#asked.set(name, answer);
    return answer;
  }

  /** The answers given so far, as of that moment: the same object as long as none of them has changed. */
  at(notBeforeMs: number): FolderAnswers {
    this.#refresh(notBeforeMs);
    return this.#answers;
  }

  #answer(name: string): boolean {
    if (name === '.' || name === '..') return this.#stat !== undefined;
    if (this.#names !== undefined) return this.#names.has(name);
    return this.#table.digests.stats.lstat(`${this.path}/${name}`) !== undefined;
  }

  #refresh(notBeforeMs: number): void {
    if (this.#checkedMs >= notBeforeMs) return;
    const { digests } = this.#table;
    if (this.#table.isShown(this.#seenEvents, notBeforeMs)) {
      this.#checkedMs = this.#table.watch!.provenMs;
      return;
    }
    const nowMs = performance.now();
    const readAtMs = Date.now();
    const proves = this.#table.watchDown(this.path);
    const { events } = this.#table;
    const stat = digests.stats.stat(this.path, proves ? performance.now() : notBeforeMs);
    const unchanged = this.#settled && this.#stat !== undefined && stat !== undefined && sameStat(stat, this.#stat);
    if (!unchanged) {
      this.#stat = stat;
      this.#names = stat === undefined || !isDirectory(stat) ? noNames : list(this.path);
      if (this.#names === noNames) this.#stat = undefined;
      this.#settled = stat !== undefined && readAtMs - Math.max(stat.mtimeMs, stat.ctimeMs) > settledAgeMs;
      let changed = false;
      for (const [name, before] of this.#asked) {
        const now = this.#answer(name);
        if (now === before) continue;
        this.#asked.set(name, now);
        changed = true;
      }
      if (changed) this.#answers = { folder: this };
    }
    this.#checkedMs = nowMs;
    // names that cannot be listed are looked for one by one: links among them lead elsewhere
    const shown = proves && (stat === undefined || (this.#settled && this.#names !== undefined));
    this.#seenEvents = shown ? events : undefined;
  }
}

function list(path: string): ReadonlySet<string> | undefined {
  try {
    return new Set(readdirSync(path));
  } catch {
    return undefined;
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
