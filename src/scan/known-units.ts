// What is known of units from before a restart: asks the compiler what their evaluation needed, gives the evaluation back
// when it still holds, and has new ones stored. Unaware of how either is done.

import type { CompilerFacts } from './compiler-facts.ts';
import type { Question } from './dialect-probe.ts';
import type { Evaluation } from './evaluation.ts';
import type { FileTable, FileVersion } from './file-table.ts';
import type { FolderIdentity } from './folder-names.ts';
import type { ScanUnit } from './scanner.ts';
import { factsDigest, unitDigest } from './unit-digest.ts';
import { answerOf, UnitRestorer } from './unit-restorer.ts';
import type { StoredUnit, UnitStore } from './unit-store.ts';

/** What an evaluation has looked up beside files and directories. */
export interface LookedUp {
  /** clang: by spelling, which directory it led to */
  readonly places: ReadonlyMap<string, string | undefined>;
  /** the real path of a file, if anybody has asked for it */
  readonly realPath: (version: FileVersion) => { readonly path: string | undefined } | undefined;
}

/** The same looked up now. */
export interface Lookups {
  readonly identityOf: FolderIdentity;
  readonly realPath: (version: FileVersion) => string | undefined;
}

/** more of them than this are not asked at once */
const questionLimit = 2000;

export class KnownUnits {
  readonly #store: UnitStore;
  readonly #restorer: UnitRestorer;
  #restored = 0;
  /** whose stored questions were asked */
  readonly #groups = new Set<string>();

  constructor(store: UnitStore, table: FileTable) {
    this.#store = store;
    this.#restorer = new UnitRestorer(table);
  }

  /** How many evaluations were given back, for counters. */
  get restored(): number {
    return this.#restored;
  }

  /** Answered once for each unit, see `UnitStore`. */
  take(unit: ScanUnit): StoredUnit | undefined {
    return this.#store.take(unitDigest(unit));
  }

  /** What facts have to answer before a unit can be compared; the first time all that others will ask too. */
  questions(unit: ScanUnit, { tables, answers }: StoredUnit): readonly Question[] {
    const group = groupOf(unit);
    if (!this.#groups.has(group)) {
      this.#groups.add(group);
      const all = this.#store.questions(group);
      if (all.length <= questionLimit) return all;
    }
    return answers.map((at) => tables.question(at));
  }

  /** The evaluation, if all that it rested on is as it was. */
  restore(stored: StoredUnit, unit: ScanUnit, facts: CompilerFacts, lookups: Lookups): Evaluation | undefined {
    const around = { ...lookups, facts, notBeforeMs: unit.arrivedMs };
    const evaluation = this.#restorer.restored(stored, around);
    if (evaluation === undefined) return undefined;
    this.#restored += 1;
    if (stored.isOld) {
      const places = new Map(stored.places.map((at) => stored.tables.place(at)));
      this.put(unit, facts, evaluation, { places, realPath: (version) => ({ path: lookups.realPath(version) }) });
    }
    return evaluation;
  }

  put(unit: ScanUnit, facts: CompilerFacts, evaluation: Evaluation, lookedUp: LookedUp): void {
    const answers: (readonly [Question, string])[] = [];
    for (const question of evaluation.answered) {
      const answer = answerOf(facts, question);
      if (answer === undefined) return;
      answers.push([question, answer]);
    }
    const grounds = { facts: factsDigest(facts), group: groupOf(unit), answers };
    this.#store.put(unitDigest(unit), { evaluation, ...grounds, ...lookedUp });
  }
}

/** Units that the same questions are asked for, see `CompilerFactsCache`. */
function groupOf({ compilerIdentity, compile }: ScanUnit): string {
  return `${compilerIdentity}\0${compile.language}`;
}
