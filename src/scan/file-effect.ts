// What reading a file, with all that it includes, did to an evaluation, and on what that rested: a unit that comes to the
// file in the same state need not evaluate it again. Unaware of directives.

import type { FileVersion, FolderAnswers, TableFile } from './file-table.ts';
import type { OpenedFile } from './include-search.ts';
import type { Macro } from './macro.ts';
import type { ExistenceProbe } from './scanner.ts';

/** What an evaluation notes, in the order in which it happens. */
export type Happening =
  /** a file was entered, or would have been if its guard did not stand */
  | { readonly kind: 'entered'; readonly opened: OpenedFile; readonly version: FileVersion }
  /** a file was found that is not to be read again */
  | { readonly kind: 'skipped'; readonly opened: OpenedFile; readonly version: FileVersion }
  /** the entry whose real path was opened */
  | { readonly kind: 'through'; readonly version: FileVersion }
  /** `#pragma once` */
  | { readonly kind: 'once'; readonly version: FileVersion }
  /** `__has_include` found a file; `way`: how it was looked for */
  | { readonly kind: 'asked'; readonly opened: OpenedFile; readonly version: FileVersion; readonly way: string }
  /** `__has_include` found nothing */
  | { readonly kind: 'missed'; readonly probe: ExistenceProbe }
  | { readonly kind: 'included'; readonly effect: FileEffect };

/** Where a file was read: under the same name from another place it may include other files. */
export interface Entrance {
  /** equal for units of one search configuration and one set of predefined macros */
  readonly scope: object;
  readonly opened: OpenedFile;
  readonly version: FileVersion;
  /** whether it counts as a system header here */
  readonly system: boolean;
}

export interface FileEffect extends Entrance {
  /** what names meant when the file was entered, as far as that mattered */
  readonly readNames: number[];
  readonly readMacros: (Macro | undefined)[];
  /** what names mean at its end */
  readonly writtenNames: readonly number[];
  readonly writtenMacros: readonly (Macro | undefined)[];
  readonly happenings: readonly Happening[];
  /** what its own directives looked at, not those of files it includes */
  readonly folders: readonly FolderAnswers[];
  readonly absent: readonly TableFile[];
  /** files that had to be new, or known, to `#pragma once` */
  readonly fresh: readonly FileVersion[];
  readonly spent: readonly FileVersion[];
  /** files that are not to be read again from now on */
  readonly once: readonly FileVersion[];
  /** how many files deep it includes, itself counted */
  readonly height: number;
  /** the trail of the unit that has found all lookups to be as they were */
  checkedBy: number;
}

let serials = 0;

/** A file being read, and what is noted of it. */
export class EffectRecording {
  readonly serial: number;
  readonly entrance: Entrance;
  readonly happenings: Happening[] = [];
  readonly folders = new Set<FolderAnswers>();
  readonly absent = new Set<TableFile>();
  readonly written = new Set<number>();
  readonly onceKeys = new Set<string>();
  readonly once: FileVersion[] = [];
  readonly fresh: FileVersion[] = [];
  readonly spent: FileVersion[] = [];
  readonly readNames: number[] = [];
  readonly readMacros: (Macro | undefined)[] = [];
  height = 1;
  /** false once it depends on something, or does something, that is not noted */
  repeatable = true;
  /** by the number of a name: the recording that has noted it last */
  readonly #marks: number[];

  constructor(entrance: Entrance, marks: number[]) {
    serials += 1;
    this.serial = serials;
    this.entrance = entrance;
    this.#marks = marks;
  }

  read(name: number, macro: Macro | undefined): void {
    if (this.#marks[name] === this.serial) return;
    this.#marks[name] = this.serial;
    if (this.written.has(name)) return;
    this.readNames.push(name);
    this.readMacros.push(macro);
  }

  /** `#pragma once` in the file, or in one that it includes. */
  marksOnce(version: FileVersion, key: string): void {
    this.onceKeys.add(key);
    this.once.push(version);
  }

  /** Takes over what an included file did. */
  include(effect: FileEffect, onceKey: (version: FileVersion) => string): void {
    this.happenings.push({ kind: 'included', effect });
    const { readNames, readMacros, fresh, spent } = effect;
    for (let at = 0; at < readNames.length; at += 1) this.read(readNames[at] as number, readMacros[at]);
    for (const name of effect.writtenNames) this.written.add(name);
    const own = this.onceKeys.size > 0;
    for (const version of fresh) if (!own || !this.onceKeys.has(onceKey(version))) this.fresh.push(version);
    for (const version of spent) if (!own || !this.onceKeys.has(onceKey(version))) this.spent.push(version);
    for (const version of effect.once) this.marksOnce(version, onceKey(version));
    this.height = Math.max(this.height, effect.height + 1);
  }

  /** @param macros what names mean now */
  effect(macros: readonly (Macro | undefined)[]): FileEffect {
    const writtenNames = [...this.written];
    return {
      ...this.entrance,
      readNames: this.readNames,
      readMacros: this.readMacros,
      writtenNames,
      writtenMacros: writtenNames.map((name) => macros[name]),
      happenings: this.happenings,
      folders: [...this.folders],
      absent: [...this.absent],
      fresh: this.fresh,
      spent: this.spent,
      once: this.once,
      height: this.height,
      checkedBy: 0,
    };
  }
}

const variants = 8;
/** notes of all effects together, some sixteen bytes each */
const defaultLimit = 3_000_000;

/** The effects of all files, a few for each: files are met in few states. */
export class FileEffects {
  #byVersion = new WeakMap<FileVersion, FileEffect[]>();
  #notes = 0;
  #kept = 0;
  #replayed = 0;
  readonly #limit: number;

  constructor(limit = defaultLimit) {
    this.#limit = limit;
  }

  /** How many are at hand, for tests and counters. */
  get kept(): number {
    return this.#kept;
  }

  /** How many have been found fit, for tests and counters. */
  get replayed(): number {
    return this.#replayed;
  }

  /** One that was noted at the same entrance and that the test accepts. */
  find(entrance: Entrance, fits: (effect: FileEffect) => boolean): FileEffect | undefined {
    const all = this.#byVersion.get(entrance.version);
    if (all === undefined) return undefined;
    for (let at = 0; at < all.length; at += 1) {
      const effect = all[at] as FileEffect;
      if (!sameEntrance(effect, entrance) || !fits(effect)) continue;
      if (at > 0) {
        all.splice(at, 1);
        all.unshift(effect);
      }
      this.#replayed += 1;
      return effect;
    }
    return undefined;
  }

  keep(effect: FileEffect): void {
    this.#notes += 8 + 2 * (effect.readNames.length + effect.writtenNames.length) + effect.happenings.length;
    this.#notes += effect.folders.length + effect.fresh.length;
    if (this.#notes > this.#limit) this.forget();
    const all = this.#byVersion.get(effect.version);
    if (all === undefined) this.#byVersion.set(effect.version, [effect]);
    else {
      all.unshift(effect);
      if (all.length > variants) {
        all.pop();
        return;
      }
    }
    this.#kept += 1;
  }

  forget(): void {
    this.#byVersion = new WeakMap();
    this.#notes = 0;
    this.#kept = 0;
  }
}

function sameEntrance(effect: Entrance, { scope, opened, system }: Entrance): boolean {
  return (
    effect.scope === scope &&
    effect.system === system &&
    (effect.opened === opened ||
      (effect.opened.name === opened.name &&
        effect.opened.folder === opened.folder &&
        effect.opened.nextFrom === opened.nextFrom))
  );
}

/** Whether names mean what they meant; the one that does not is asked first the next time. */
export function meansTheSame(effect: FileEffect, macros: readonly (Macro | undefined)[]): boolean {
  const { readNames, readMacros } = effect;
  for (let at = 0; at < readNames.length; at += 1) {
    const name = readNames[at] as number;
    if (macros[name] === readMacros[at]) continue;
    if (at > 0) {
      const macro = readMacros[at];
      readNames[at] = readNames[0] as number;
      readMacros[at] = readMacros[0];
      readNames[0] = name;
      readMacros[0] = macro;
    }
    return false;
  }
  return true;
}

/** Whether every lookup would end where it ended. @param notBeforeMs moment from which on that must hold */
export function findsTheSame(effect: FileEffect, trail: number, notBeforeMs: number): boolean {
  if (effect.checkedBy === trail) return true;
  for (const answers of effect.folders) if (answers.folder.at(notBeforeMs) !== answers) return false;
  for (const file of effect.absent) if (file.at(notBeforeMs).record !== undefined) return false;
  for (const happening of effect.happenings) {
    if (happening.kind === 'included') {
      if (!findsTheSame(happening.effect, trail, notBeforeMs)) return false;
    } else if (happening.kind !== 'missed' && happening.version.file.at(notBeforeMs) !== happening.version)
      return false;
  }
  effect.checkedBy = trail;
  return true;
}
