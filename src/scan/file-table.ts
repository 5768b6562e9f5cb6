// The submitter's files and directories as the scanner knows them: each is looked at again once per unit, and what is
// unchanged is the same object as before. So whether a closure still holds is a comparison of references.

import { readdirSync } from 'node:fs';
import type { FileRecord, FileStat } from '../model/inputs.ts';
import type { StatFileDigests } from './file-digests.ts';
import { isDirectory, isRegular, sameStat } from './path-stats.ts';
import { PathWatch, type DirectoryEvents, type WatchedLeaf, type WatchedListing } from './path-watch.ts';
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

export interface FileTableOptions {
  readonly digests: StatFileDigests;
  /** proves without a stat that directories are unchanged; undefined where there is none */
  readonly watch?: DirectoryEvents;
  /** how many files and directories are remembered; beyond it everything is forgotten */
  readonly limit?: number;
}

/**
 * How long events alone are believed of a file's content: what is written through `mmap`, or through a hard link that was made
 * later, has none, but another stat. Longer in directories of the compiler's own, where only package managers write.
 */
const restatMs = 2000;
const systemRestatMs = 30_000;

export class FileTable {
  readonly digests: StatFileDigests;
  /** undefined when there is no watch: everything is statted */
  readonly paths: PathWatch | undefined;
  readonly #limit: number;
  readonly #files = new Map<string, TableFile>();
  readonly #folders = new Map<string, TableFolder>();
  readonly #systemRoots = new Set<string>();

  constructor(options: FileTableOptions) {
    this.digests = options.digests;
    this.paths = options.watch === undefined ? undefined : new PathWatch(options.watch, options.digests.stats);
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

  /** Directories of the compiler's own: nobody writes there but package managers. */
  addSystemRoots(roots: readonly string[]): void {
    for (const root of roots) this.#systemRoots.add(`${root}/`);
  }

  /** @param path physical */
  isSystem(path: string): boolean {
    for (const root of this.#systemRoots) if (path.startsWith(root)) return true;
    return false;
  }

  /** Everything that has happened up to a moment of the monotonic clock has been told, if it can be. */
  async caughtUp(notBeforeMs: number): Promise<void> {
    await this.paths?.caughtUp(notBeforeMs);
  }

  /** Grows when something that is known may have changed. */
  get changes(): number {
    return this.paths?.changes ?? 0;
  }

  /**
   * Whether nothing that events tell of has happened up to a moment of the monotonic clock.
   * @param changes what `changes` was when everything was looked at; undefined when events would not tell
   */
  isShown(changes: number | undefined, notBeforeMs: number): boolean {
    return this.paths !== undefined && this.paths.provenMs >= notBeforeMs && changes === this.paths.changes;
  }

  /** What the watch shows is to be looked at again: something may have changed that it does not tell. */
  voidProofs(): void {
    this.paths?.void();
  }

  /** To be called between units: forgets everything when it has become too much. */
  trim(): void {
    if (this.#files.size + this.#folders.size <= this.#limit) return;
    this.voidProofs();
    this.#files.clear();
    this.#folders.clear();
  }
}

export class TableFile implements WatchedLeaf {
  readonly path: string;
  readonly #table: FileTable;
  #current: FileVersion | FileAbsence;
  #checkedMs = -Infinity;
  /** `voided` of the watch that shows it; undefined when none does */
  #shown: number | undefined;
  #restatMs = -Infinity;

  constructor(table: FileTable, path: string) {
    this.#table = table;
    this.path = path;
    this.#current = { file: this, record: undefined };
  }

  /** The file as it was at or after a moment of the monotonic clock. */
  at(notBeforeMs: number): FileVersion | FileAbsence {
    if (this.#checkedMs >= notBeforeMs) return this.#current;
    const { paths } = this.#table;
    const provenMs = paths?.provenMs ?? -Infinity;
    if (provenMs >= notBeforeMs && provenMs < this.#restatMs && this.#shown === paths?.voided) {
      this.#checkedMs = provenMs;
    } else {
      this.#look(notBeforeMs);
    }
    return this.#current;
  }

  /** What it was when it was looked at last. */
  get current(): FileVersion | FileAbsence {
    return this.#current;
  }

  /** Up to this moment of the monotonic clock it is what it was, as long as the table's `changes` stay and the watch has caught up. */
  get shownUntilMs(): number {
    return this.#shown !== undefined && this.#shown === this.#table.paths?.voided ? this.#restatMs : -Infinity;
  }

  changed(): void {
    this.#shown = undefined;
  }

  #look(notBeforeMs: number): void {
    const { digests, paths } = this.#table;
    const { stats } = digests;
    const nowMs = performance.now();
    const physical = paths?.followFile(this.path, this);
    // a stat from before the watch would not show what happened in between
    const fromMs =
      paths !== undefined && physical !== undefined && this.#shown !== paths.voided ? performance.now() : notBeforeMs;
    const stat = stats.stat(this.path, fromMs);
    const found = stat !== undefined && isRegular(stat) ? digests.file(this.path, fromMs) : undefined;
    const record = found?.ok === true ? found.value : undefined;
    if (record === undefined || !this.#sameAs(record)) {
      if (record !== undefined) this.#current = { file: this, path: this.path, record };
      else if (this.#current.record !== undefined) this.#current = { file: this, record: undefined };
    }
    this.#checkedMs = Math.min(nowMs, stats.momentOf(this.path));
    const isAbsent = stat === undefined || !isRegular(stat);
    // written to through another name, no watch here would tell; what cannot be read may be readable without an event
    const isShown = physical !== undefined && (isAbsent || (record !== undefined && !stats.hasOtherNames(this.path)));
    this.#shown = isShown ? paths?.voided : undefined;
    const isSystem = physical !== undefined && this.#table.isSystem(physical);
    this.#restatMs = isAbsent ? Infinity : this.#checkedMs + (isSystem ? systemRestatMs : restatMs);
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

export class TableFolder implements WatchedListing {
  readonly path: string;
  readonly #table: FileTable;
  readonly #asked = new Map<string, boolean>();
  #answers: FolderAnswers;
  #stat: FileStat | undefined;
  /** undefined when the directory cannot be listed: then each name is looked for */
  #names: ReadonlySet<string> | undefined = noNames;
  /** entries have come or gone that nobody had asked for */
  #namesAreOld = false;
  /** the names are those of the directory as its stat is, and stay so while that does */
  #settled = false;
  #checkedMs = -Infinity;
  #shown: number | undefined;

  constructor(table: FileTable, path: string) {
    this.#table = table;
    this.path = path;
    this.#answers = { folder: this };
  }

  /** As long as the table's `changes` stay and the watch has caught up, its answers are what they were. */
  get isShown(): boolean {
    return this.#shown !== undefined && this.#shown === this.#table.paths?.voided;
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

  /** The answers when it was looked at last. */
  get current(): FolderAnswers {
    return this.#answers;
  }

  /** Every name that `current` answers, in order of asking. */
  get asked(): ReadonlyMap<string, boolean> {
    return this.#asked;
  }

  entryChanged(name: string): boolean {
    this.#settled = false;
    if (!this.#asked.has(name)) {
      this.#namesAreOld = true;
      return false;
    }
    this.#shown = undefined;
    return true;
  }

  #answer(name: string): boolean {
    if (name === '.' || name === '..') return this.#stat !== undefined;
    if (this.#namesAreOld) this.#names = list(this.path);
    this.#namesAreOld = false;
    if (this.#names !== undefined) return this.#names.has(name);
    return this.#table.digests.stats.lstat(`${this.path}/${name}`) !== undefined;
  }

  #refresh(notBeforeMs: number): void {
    if (this.#checkedMs >= notBeforeMs) return;
    const { digests, paths } = this.#table;
    if (paths !== undefined && this.isShown && paths.provenMs >= notBeforeMs) {
      this.#checkedMs = paths.provenMs;
      return;
    }
    const nowMs = performance.now();
    const readAtMs = Date.now();
    const follows = paths?.followFolder(this.path, this) === true;
    // what was read before the watch would not show what happened in between
    const stat = digests.stats.stat(this.path, follows ? performance.now() : notBeforeMs);
    const unchanged = this.#settled && this.#stat !== undefined && stat !== undefined && sameStat(stat, this.#stat);
    if (!unchanged) {
      this.#stat = stat;
      this.#names = stat === undefined || !isDirectory(stat) ? noNames : list(this.path);
      this.#namesAreOld = false;
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
    this.#checkedMs = Math.min(nowMs, digests.stats.momentOf(this.path));
    // names that cannot be listed are looked for one by one: links among them lead elsewhere
    this.#shown = follows && (stat === undefined || this.#names !== undefined) ? paths.voided : undefined;
  }
}

function list(path: string): ReadonlySet<string> | undefined {
  try {
    return new Set(readdirSync(path));
  } catch {
    return undefined;
  }
}
