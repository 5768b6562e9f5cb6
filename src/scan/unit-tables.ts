// What the units of one file share, by numbers: names, files, what was asked of directories, answers of compilers.
// Unaware of how it is written to a disk.

import type { Question } from './dialect-probe.ts';
import type { FileVersion, FolderAnswers } from './file-table.ts';

/** Of the real path: a name, or one of these. */
export const notAsked = -1;
export const noRealPath = -2;

export type StoredFile = readonly [
  path: number,
  hash: string,
  sizeBytes: number,
  mtimeNs: string,
  dev: number,
  ino: number,
  mode: number,
  realPath: number,
];

/** Of a directory by one path: names that were asked for, in order, and whether it had them. Only ever longer. */
export interface StoredFolder {
  readonly path: number;
  readonly names: number[];
  readonly answers: boolean[];
}

/** A directory as a compiler spells it, and which one it was. */
export type StoredPlace = readonly [spelling: number, identity: string | 0];
export type StoredAnswer = readonly [group: number, kind: Question['kind'], text: number, value: string];

/** By how much tables have grown. */
export interface Growth {
  readonly names: string[];
  readonly files: StoredFile[];
  /** paths of new ones */
  readonly folders: number[];
  /** folder, further names, an answer for each: 0 or 1 */
  readonly asked: [folder: number, names: number[], answers: string][];
  readonly places: StoredPlace[];
  readonly answers: StoredAnswer[];
}

export class UnitTables {
  readonly names: string[] = [];
  readonly files: StoredFile[] = [];
  readonly folders: StoredFolder[] = [];
  readonly places: StoredPlace[] = [];
  readonly answers: StoredAnswer[] = [];

  name(at: number): string {
    return this.names[at] as string;
  }

  question(at: number): Question {
    const [, kind, text] = this.answers[at] as StoredAnswer;
    return { kind, text: this.name(text) };
  }

  place(at: number): readonly [spelling: string, identity: string | undefined] {
    const [spelling, identity] = this.places[at] as StoredPlace;
    return [this.name(spelling), identity === 0 ? undefined : identity];
  }

  add({ names, files, folders, asked, places, answers }: Growth): void {
    for (const name of names) this.names.push(name);
    for (const file of files) this.files.push(file);
    for (const path of folders) this.folders.push({ path, names: [], answers: [] });
    for (const [at, more, told] of asked) {
      const folder = this.folders[at];
      for (const name of more) folder?.names.push(name);
      for (const answer of told) folder?.answers.push(answer === '1');
    }
    for (const place of places) this.places.push(place);
    for (const answer of answers) this.answers.push(answer);
  }
}

/** Gives numbers to what units rest on, and remembers what is to be written of it. */
export class TableWriter {
  readonly #tables: UnitTables;
  #growth: Growth = nothing();
  readonly #names = new Map<string, number>();
  /** the last that was written of a path */
  readonly #files = new Map<number, number>();
  readonly #versions = new WeakMap<FileVersion, { readonly number: number; readonly real: boolean }>();
  readonly #folders = new WeakMap<FolderAnswers, { readonly number: number; count: number }>();
  readonly #others = new Map<string, number>();

  constructor(tables: UnitTables) {
    this.#tables = tables;
    tables.names.forEach((name, at) => this.#names.set(name, at));
    tables.files.forEach(([path], at) => this.#files.set(path, at));
    tables.places.forEach((place, at) => this.#others.set(JSON.stringify(place), at));
    tables.answers.forEach((answer, at) => this.#others.set(JSON.stringify(answer), at));
  }

  /** What is new since the last time. */
  grown(): Growth {
    const growth = this.#growth;
    this.#growth = nothing();
    this.#tables.add(growth);
    return growth;
  }

  name(text: string): number {
    let number = this.#names.get(text);
    if (number === undefined) {
      number = this.#names.size;
      this.#names.set(text, number);
      this.#growth.names.push(text);
    }
    return number;
  }

  /** @param real the file's real path, if anybody has asked for it */
  file(version: FileVersion, real: { readonly path: string | undefined } | undefined): number {
    const known = this.#versions.get(version);
    if (known !== undefined && (known.real || real === undefined)) return known.number;
    const { digest, stat, mtimeNs } = version.record;
    const path = this.name(version.path);
    const realPath = real === undefined ? notAsked : real.path === undefined ? noRealPath : this.name(real.path);
    const { sizeBytes, hash } = digest;
    const stored: StoredFile = [path, hash, sizeBytes, String(mtimeNs), stat.dev, stat.ino, stat.mode, realPath];
    let number = this.#files.get(path);
    if (number === undefined || !this.#isStored(number, stored)) {
      number = this.#tables.files.length + this.#growth.files.length;
      this.#growth.files.push(stored);
      this.#files.set(path, number);
    }
    this.#versions.set(version, { number, real: real !== undefined });
    return number;
  }

  #isStored(number: number, wanted: StoredFile): boolean {
    const { files } = this.#tables;
    const stored = files[number] ?? this.#growth.files[number - files.length];
    return wanted.every((value, at) => value === stored?.[at] || (at === 7 && value === notAsked));
  }

  /** Everything that was asked of a directory, by how many names. */
  folder(answers: FolderAnswers): readonly [number: number, count: number] {
    const { asked, path } = answers.folder;
    let known = this.#folders.get(answers);
    if (known === undefined) {
      known = { number: this.#tables.folders.length + this.#growth.folders.length, count: 0 };
      this.#folders.set(answers, known);
      this.#growth.folders.push(this.name(path));
    }
    if (known.count < asked.size) {
      const more = [...asked].slice(known.count);
      const told = more.map(([, answer]) => (answer ? '1' : '0')).join('');
      this.#growth.asked.push([known.number, more.map(([name]) => this.name(name)), told]);
      known.count = asked.size;
    }
    return [known.number, known.count];
  }

  place(spelling: string, identity: string | undefined): number {
    const { places } = this.#growth;
    return this.#other([this.name(spelling), identity ?? 0], places, this.#tables.places.length);
  }

  answer(group: string, { kind, text }: Question, value: string): number {
    const { answers } = this.#growth;
    return this.#other([this.name(group), kind, this.name(text), value], answers, this.#tables.answers.length);
  }

  #other<T extends StoredPlace | StoredAnswer>(entry: T, growth: T[], before: number): number {
    const key = JSON.stringify(entry);
    let number = this.#others.get(key);
    if (number === undefined) {
      number = before + growth.length;
      growth.push(entry);
      this.#others.set(key, number);
    }
    return number;
  }
}

function nothing(): Growth {
  return { names: [], files: [], folders: [], asked: [], places: [], answers: [] };
}
