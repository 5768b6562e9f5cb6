// Gives back the evaluation of a stored unit if everything that it rested on is verified to be as it was: what the compiler
// says, files, what directories have and have not. Unaware of how units are stored.

import type { CompilerFacts } from './compiler-facts.ts';
import type { Question } from './dialect-probe.ts';
import type { Evaluation } from './evaluation.ts';
import type { FileTable, FileVersion, FolderAnswers } from './file-table.ts';
import { newTrail } from './include-search.ts';
import type { Lookups } from './known-units.ts';
import { factsDigest } from './unit-digest.ts';
import type { StoredUnit } from './unit-store.ts';
import { noRealPath, notAsked, type UnitTables } from './unit-tables.ts';

export interface Surroundings extends Lookups {
  readonly facts: CompilerFacts;
  readonly notBeforeMs: number;
}

/** Of one file's tables: what was the same when it was looked at last. */
interface Verified {
  readonly files: (FileVersion | undefined)[];
  readonly folders: (VerifiedFolder | undefined)[];
}

interface VerifiedFolder {
  readonly answers: FolderAnswers;
  /** so many of the answers are the same */
  count: number;
}

export class UnitRestorer {
  readonly #table: FileTable;
  readonly #verified = new WeakMap<UnitTables, Verified>();

  constructor(table: FileTable) {
    this.#table = table;
  }

  /** Undefined when anything is not what it was. */
  restored(stored: StoredUnit, around: Surroundings): Evaluation | undefined {
    const { tables } = stored;
    const { facts, notBeforeMs } = around;
    if (tables.name(stored.facts) !== factsDigest(facts)) return undefined;
    const answered: Question[] = [];
    for (const at of stored.answers) {
      const question = tables.question(at);
      if (answerOf(facts, question) !== tables.answers[at]?.[3]) return undefined;
      answered.push(question);
    }
    const verified = this.#of(tables);
    const files: FileVersion[] = [];
    for (const at of stored.files) {
      const version = this.#file(tables, at, verified, around);
      if (version === undefined) return undefined;
      files.push(version);
    }
    const trail = newTrail();
    for (const [at, count] of stored.folders) {
      const answers = this.#folder(tables, at, count, verified, notBeforeMs);
      if (answers === undefined) return undefined;
      trail.folders.add(answers);
    }
    for (const at of stored.absent) {
      const file = this.#table.file(tables.name(at));
      if (file.at(notBeforeMs).record !== undefined) return undefined;
      trail.absent.add(file);
    }
    for (const at of stored.places) {
      const [spelling, identity] = tables.place(at);
      if (around.identityOf(spelling) !== identity) return undefined;
    }
    return {
      files,
      dependencies: stored.dependencies.map((at) => tables.name(at)),
      probes: stored.probes.map(([path, exists]) => ({ path: tables.name(path), exists: exists === 1 })),
      trail,
      questions: [],
      answered,
    };
  }

  #of(tables: UnitTables): Verified {
    let verified = this.#verified.get(tables);
    if (verified === undefined) {
      verified = { files: [], folders: [] };
      this.#verified.set(tables, verified);
    }
    return verified;
  }

  /** The file by the path, if it is the same one with the same content, time and real path. */
  #file({ names, files }: UnitTables, at: number, verified: Verified, around: Surroundings): FileVersion | undefined {
    const { notBeforeMs } = around;
    const known = verified.files[at];
    if (known?.file.at(notBeforeMs) === known && known !== undefined) return known;
    const [path, hash, sizeBytes, mtimeNs, dev, ino, mode, realPath] = files[at] as UnitTables['files'][number];
    const version = this.#table.file(names[path] as string).at(notBeforeMs);
    if (version.record === undefined) return undefined;
    const { digest, stat, mtimeNs: nowNs } = version.record;
    const same =
      digest.hash === hash &&
      digest.sizeBytes === sizeBytes &&
      nowNs === BigInt(mtimeNs) &&
      stat.dev === dev &&
      stat.ino === ino &&
      stat.mode === mode;
    if (!same) return undefined;
    const real = realPath === noRealPath ? undefined : names[realPath];
    if (realPath !== notAsked && around.realPath(version) !== real) return undefined;
    verified.files[at] = version;
    return version;
  }

  /** What the directory answers, if the first answers are those that are stored. */
  #folder(
    { names, folders }: UnitTables,
    at: number,
    count: number,
    verified: Verified,
    notBeforeMs: number,
  ): FolderAnswers | undefined {
    const stored = folders[at] as UnitTables['folders'][number];
    let known = verified.folders[at];
    const folder = known?.answers.folder ?? this.#table.folder(names[stored.path] as string);
    const answers = folder.at(notBeforeMs);
    if (known?.answers !== answers) {
      known = { answers, count: 0 };
      verified.folders[at] = known;
    }
    for (; known.count < count; known.count += 1) {
      const name = names[stored.names[known.count] as number] as string;
      if (folder.has(name, notBeforeMs) !== stored.answers[known.count]) return undefined;
    }
    return folder.at(notBeforeMs) === answers ? answers : undefined;
  }
}

/** What a compiler says to a question, as it is stored; undefined when it was not asked. */
export function answerOf(facts: CompilerFacts, question: Question): string | undefined {
  const { kind, text } = question;
  const answer = kind === 'defined' ? facts.defined.get(text) : facts.values.get(text);
  return answer === undefined ? undefined : String(answer);
}
