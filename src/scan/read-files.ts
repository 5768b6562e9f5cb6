// The files that a translation unit has read, as its compiler lists them, and which are not to be read again.
// Unaware of how they are found.

import type { CompilerFamily } from '../compiler/compiler-family.ts';
import { Unclear } from './evaluation.ts';
import type { FileVersion, TableFile } from './file-table.ts';
import type { Found, OpenedFile } from './include-search.ts';

const onceKeys = { gcc: new WeakMap<FileVersion, string>(), clang: new WeakMap<FileVersion, string>() };

export class ReadFiles {
  readonly #family: CompilerFamily['kind'];
  readonly #files = new Set<FileVersion>();
  /** entries whose real path was opened instead */
  readonly #passed = new Set<FileVersion>();
  readonly #dependencies = new Set<string>();
  /** to gcc by its path, to clang by its inode */
  readonly #entered = new Set<TableFile | string>();
  /**
   * files that gcc has opened only if it did not pass over a `__has_include` behind && or the like, with how they were
   * looked for: gcc takes what it finds in another way for another file, though the name is the same; '' for several ways
   */
  readonly #perhapsOpened = new Map<FileVersion, string>();
  /** keys of files that are not to be read again */
  readonly #once = new Set<string>();

  constructor(family: CompilerFamily['kind']) {
    this.#family = family;
  }

  /** All of them in order of first opening, then the entries that led to them by other names. */
  get versions(): readonly FileVersion[] {
    return [...this.#files, ...[...this.#passed].filter((version) => !this.#files.has(version))];
  }

  /** names as the compiler lists them */
  get dependencies(): readonly string[] {
    return [...this.#dependencies];
  }

  /** @param listed among the dependencies */
  read(opened: OpenedFile, version: FileVersion, listed: boolean): void {
    this.#files.add(version);
    if (listed) this.#dependencies.add(opened.name);
  }

  /** The entry that the real path was asked of has to be there too. */
  through(found: Found): void {
    if (found.through !== undefined) this.#passed.add(found.through);
  }

  /** Its text is read, now or again. */
  enter(opened: OpenedFile, version: FileVersion): void {
    this.#entered.add(this.#identityOf(opened, version));
    if (this.#perhapsOpened.size > 0) this.#perhapsOpened.delete(version);
    this.read(opened, version, true);
  }

  hasEntered(opened: OpenedFile, version: FileVersion): boolean {
    return this.#entered.has(this.#identityOf(opened, version));
  }

  #identityOf(opened: OpenedFile, version: FileVersion): TableFile | string {
    return this.#family === 'clang' ? this.#onceKey(version) : opened.file;
  }

  /** A `__has_include` has found it. @param way how it was looked for, see `includeWay` */
  meetInCondition({ opened, version }: Found, way: string): void {
    if (!this.#files.has(version)) this.#perhapsOpened.set(version, way);
    else if (this.#perhapsOpened.has(version) && this.#perhapsOpened.get(version) !== way) {
      this.#perhapsOpened.set(version, '');
    }
    this.read(opened, version, this.#family === 'clang');
  }

  /** It says that it is to be read once. */
  addOnce(version: FileVersion): void {
    this.#once.add(this.#onceKey(version));
  }

  /** Whether the file is passed over, since it is to be read once. gcc does not list it then, clang does. */
  passesOver(opened: OpenedFile, version: FileVersion): boolean {
    if (this.#once.size === 0 || !this.#once.has(this.#onceKey(version))) return false;
    this.read(opened, version, this.#family === 'clang');
    return true;
  }

  /** The same for an `#import`, after which the file is not read again. @throws Unclear */
  passesOverImport(opened: OpenedFile, version: FileVersion, way: string): boolean {
    const key = this.#onceKey(version);
    const before = this.hasEntered(opened, version) || this.#once.has(key) || this.#hasTwin(version, key, way);
    this.#once.add(key);
    if (before) this.read(opened, version, this.#family === 'clang');
    return before;
  }

  /** gcc takes what it imports for any file that it has opened, if only to see whether it is there. */
  #hasTwin(version: FileVersion, key: string, way: string): boolean {
    if (this.#family !== 'gcc') return false;
    for (const other of this.#files) {
      if (this.#onceKey(other) !== key) continue;
      const perhaps = this.#perhapsOpened.get(other);
      if (other.file === version.file && (perhaps === undefined || perhaps === way)) continue;
      if (perhaps === undefined) return true;
      throw new Unclear('unclear-expression', 'an import of a file that __has_include may have opened');
    }
    return false;
  }

  /** Two files of one key are one file to `#pragma once`: gcc compares content, size and time, clang the inode. */
  #onceKey(version: FileVersion): string {
    const keys = onceKeys[this.#family];
    let key = keys.get(version);
    if (key === undefined) {
      const { digest, stat, mtimeNs } = version.record;
      key = this.#family === 'gcc' ? `${digest.hash}:${mtimeNs / 1_000_000_000n}` : `${stat.dev}:${stat.ino}`;
      keys.set(version, key);
    }
    return key;
  }
}

/** How a name was looked for. @param folder of the file that asks */
export function includeWay(form: 'quote' | 'angle', name: string, folder: string): string {
  return form === 'quote' ? `"${folder}\0${name}` : name;
}
