// Evaluated units on disk across restarts of the agent, with everything that their evaluation rested on. Two files take
// turns, so that the disk never holds more than twice the limit. Unaware of whether what is stored still holds.

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BatchFile } from './batch-file.ts';
import type { Question } from './dialect-probe.ts';
import type { Evaluation } from './evaluation.ts';
import type { LookedUp } from './known-units.ts';
import { TableWriter, UnitTables, type Growth } from './unit-tables.ts';

export interface UnitStoreOptions {
  /** made when missing */
  readonly folder: string;
  /** of the code that evaluates: what another one has stored is forgotten */
  readonly version: string;
  /** size at which a file is full, bytes */
  readonly limitBytes?: number;
}

/** An evaluated unit and what decided how it was evaluated. */
export interface EvaluatedUnit extends LookedUp {
  readonly evaluation: Evaluation;
  /** see `factsDigest` */
  readonly facts: string;
  /** whose compilers answer the same questions */
  readonly group: string;
  /** what only the compiler could answer, and what it said */
  readonly answers: readonly (readonly [Question, string])[];
}

/** The same by numbers in the tables of its file. */
export interface StoredUnit {
  readonly tables: UnitTables;
  readonly facts: number;
  readonly answers: readonly number[];
  readonly files: readonly number[];
  readonly folders: readonly (readonly [number: number, count: number])[];
  readonly absent: readonly number[];
  readonly places: readonly number[];
  readonly dependencies: readonly number[];
  readonly probes: readonly (readonly [path: number, exists: 0 | 1])[];
  /** in the file that will be given up next */
  readonly isOld: boolean;
}

interface Place {
  readonly tables: UnitTables;
  readonly bytes: Buffer;
  readonly sum: string;
  readonly isOld: boolean;
}

interface SharedPart extends Growth {
  /** key, length (0: forgotten), sum */
  readonly units: [string, number, string][];
}

const flushAtUnits = 32;
const fileLimit = 20_000;

export class UnitStore {
  readonly #options: Required<UnitStoreOptions>;
  readonly #file: BatchFile;
  #stored: Map<string, Place> | undefined;
  #tables: readonly UnitTables[] = [];
  #writer: TableWriter | undefined;
  readonly #pending = new Map<string, EvaluatedUnit | undefined>();

  constructor(options: UnitStoreOptions) {
    this.#options = { limitBytes: 24 << 20, ...options };
    this.#file = new BatchFile(join(options.folder, 'units'), options.version);
  }

  /** What is stored of a unit, by its `unitDigest`. Answered once: what does not hold then never will, or is stored anew. */
  take(key: string): StoredUnit | undefined {
    const stored = this.#load();
    const place = stored.get(key);
    if (place === undefined) return undefined;
    stored.delete(key);
    const { tables, bytes, sum, isOld } = place;
    if (sumOf(bytes) !== sum) return undefined;
    const [facts, ...lists] = JSON.parse(bytes.toString('utf8')) as Packed;
    const [answers, files, folders, absent, places, dependencies, probes] = lists;
    return { tables, facts, answers, files, folders, absent, places, dependencies, probes, isOld };
  }

  /** Every question that the stored units of a group have. */
  questions(group: string): Question[] {
    this.#load();
    const all = new Map<string, Question>();
    for (const { names, answers } of this.#tables) {
      const wanted = names.indexOf(group);
      for (const [of, kind, at] of answers) {
        const text = names[at] ?? '';
        if (of === wanted) all.set(`${kind} ${text}`, { kind, text });
      }
    }
    return [...all.values()];
  }

  put(key: string, unit: EvaluatedUnit): void {
    if (isUnusual(unit.evaluation)) return;
    this.#pending.set(key, unit);
    if (this.#pending.size >= flushAtUnits) this.flush();
  }

  /** It is to be evaluated again, also by the next process. */
  forget(key: string): void {
    this.#load().delete(key);
    this.#pending.set(key, undefined);
  }

  /** Writes what is new. Failing to is no failure: those units are evaluated again next time. */
  flush(): void {
    if (this.#pending.size === 0) return;
    const { folder, limitBytes } = this.#options;
    this.#load();
    if (!this.#file.takesMore(limitBytes)) {
      this.#file.turn(join(folder, 'units.old'));
      this.#writer = undefined;
    }
    this.#writer ??= new TableWriter(new UnitTables());
    const units: SharedPart['units'] = [];
    const parts: Buffer[] = [];
    for (const [key, unit] of this.#pending) {
      if (unit !== undefined && !stillAnswered(unit.evaluation)) continue;
      const bytes = unit === undefined ? noBytes : Buffer.from(JSON.stringify(packed(unit, this.#writer)), 'utf8');
      units.push([key, bytes.length, sumOf(bytes)]);
      parts.push(bytes);
    }
    this.#pending.clear();
    const shared: SharedPart = { ...this.#writer.grown(), units };
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch {
      // then it cannot be written
    }
    if (!this.#file.append(JSON.stringify(shared), Buffer.concat(parts))) this.#writer = undefined;
  }

  #load(): Map<string, Place> {
    if (this.#stored !== undefined) return this.#stored;
    this.#stored = new Map();
    const { folder, version } = this.#options;
    const old = tablesOf(new BatchFile(join(folder, 'units.old'), version), this.#stored, true);
    const current = tablesOf(this.#file, this.#stored, false);
    this.#tables = [old, current];
    this.#writer = new TableWriter(current);
    return this.#stored;
  }
}

const noBytes = Buffer.alloc(0);

type Packed = [
  StoredUnit['facts'],
  StoredUnit['answers'],
  StoredUnit['files'],
  StoredUnit['folders'],
  StoredUnit['absent'],
  StoredUnit['places'],
  StoredUnit['dependencies'],
  StoredUnit['probes'],
];

function packed({ evaluation, facts, group, answers, places, realPath }: EvaluatedUnit, writer: TableWriter): Packed {
  const { files, dependencies, probes, trail } = evaluation;
  return [
    writer.name(facts),
    answers.map(([question, value]) => writer.answer(group, question, value)),
    files.map((version) => writer.file(version, realPath(version))),
    [...trail.folders].map((each) => writer.folder(each)),
    [...trail.absent].map(({ path }) => writer.name(path)),
    [...places].map(([spelling, identity]) => writer.place(spelling, identity)),
    dependencies.map((name) => writer.name(name)),
    probes.map(({ path, exists }) => [writer.name(path), exists ? 1 : 0]),
  ];
}

/** Later batches have later units. */
function tablesOf(file: BatchFile, stored: Map<string, Place>, isOld: boolean): UnitTables {
  const tables = new UnitTables();
  for (const { shared, rest } of file.load()) {
    const { units, ...growth } = JSON.parse(shared) as SharedPart;
    tables.add(growth);
    let at = 0;
    for (const [key, length, sum] of units) {
      if (length === 0) stored.delete(key);
      else stored.set(key, { tables, bytes: rest.subarray(at, at + length), sum, isOld });
      at += length;
    }
  }
  return tables;
}

/** Whether directories still are what they were to the unit: the answers are written as they are now. */
function stillAnswered({ trail }: Evaluation): boolean {
  for (const answers of trail.folders) if (answers.folder.current !== answers) return false;
  return true;
}

/** Not worth storing, or a name that is not UTF-8: its path would lead elsewhere. */
function isUnusual({ files, trail }: Evaluation): boolean {
  if (files.length > fileLimit) return true;
  const isGarbled = ({ path }: { readonly path: string }) => path.includes('\uFFFD');
  return (
    files.some(isGarbled) ||
    [...trail.absent].some(isGarbled) ||
    [...trail.folders].some((each) => isGarbled(each.folder))
  );
}

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 24);
}
