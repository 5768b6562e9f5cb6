// What clang calls the directories of one translation unit: each directory has one name, the first by which it was looked
// up, and each file is in the directory through which it was found first. Unaware of includes and of the disk.

import type { FileVersion } from './file-table.ts';
import { parentOf } from './include-search.ts';

/** Names the directory or file that a path leads to, however it is spelled; undefined when there is none. */
export type FolderIdentity = (path: string) => string | undefined;

export class FolderNames {
  readonly #identityOf: FolderIdentity;
  readonly #identities = new Map<string, string | undefined>();
  /** by spelling; undefined: no such directory */
  readonly #bySpelling = new Map<string, string | undefined>();
  readonly #byIdentity = new Map<string, string>();
  readonly #ofFiles = new Map<string, string>();

  constructor(identityOf: FolderIdentity) {
    this.#identityOf = identityOf;
  }

  /** Every spelling that was looked up, and where it led. */
  get identities(): ReadonlyMap<string, string | undefined> {
    return this.#identities;
  }

  /** Looks directories up, in order. @param spellings in bytes as Latin-1, without a slash at the end */
  meet(spellings: readonly string[]): void {
    for (const spelling of spellings) this.#name(spelling);
  }

  /** What is put before a name that is looked for in the directory; undefined when there is none. */
  folderOf(spelling: string): string | undefined {
    const name = this.#name(spelling);
    return name === undefined || name.endsWith('/') ? name : `${name}/`;
  }

  /** The same for names that are looked for beside a file. @param name by which the file was found now */
  folderOfFile(name: string, version: FileVersion): string | undefined {
    const { dev, ino } = version.record.stat;
    const identity = `${dev}:${ino}`;
    const known = this.#ofFiles.get(identity);
    const folder = this.folderOf(parentOf(name));
    if (known !== undefined) return known;
    if (folder !== undefined) this.#ofFiles.set(identity, folder);
    return folder;
  }

  #name(spelling: string): string | undefined {
    if (this.#bySpelling.has(spelling)) return this.#bySpelling.get(spelling);
    const identity = this.#identityOf(spelling);
    this.#identities.set(spelling, identity);
    const name = identity === undefined ? undefined : (this.#byIdentity.get(identity) ?? spelling);
    if (identity !== undefined && name !== undefined) this.#byIdentity.set(identity, name);
    this.#bySpelling.set(spelling, name);
    return name;
  }
}
