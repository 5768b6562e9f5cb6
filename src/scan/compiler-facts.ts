// What a compiler says of itself under the flags of a compile: where it searches, which macros it predefines, how it cuts
// text, and what its `__has_…` operators answer. Asked once per set of flags, and again when directories come or go.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { absolutePath } from '../base/absolute-path.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Semaphore } from '../base/semaphore.ts';
import { argumentsWithout, outputMeanings } from '../compiler/derived-arguments.ts';
import { depfilePrerequisites } from '../compiler/depfile.ts';
import { parseSearchList, searchQueryCommand } from '../compiler/search-query.ts';
import type { FileStat } from '../model/inputs.ts';
import type { Processes } from '../model/processes.ts';
import { dialectProbe, readAnswers, type DialectAnswers, type Question } from './dialect-probe.ts';
import type { Dialect } from './directives.ts';
import { macroOf, type Macro } from './macro.ts';
import type { FileAbsence, FileTable, FileVersion } from './file-table.ts';
import { isRegular, sameStat } from './path-stats.ts';
import type { ScanFailure, ScanUnit } from './scanner.ts';
import type { SearchPaths } from './search-paths.ts';

export interface CompilerFacts extends DialectAnswers {
  readonly search: SearchPaths;
  readonly dialect: Dialect;
  /** by the number of the name */
  readonly macros: readonly (Macro | undefined)[];
  /** opened before the source without being asked to (stdc-predef.h), as the compiler names them */
  readonly preincluded: readonly string[];
  /** the same object for facts that differ only in how many questions they answer */
  readonly core: object;
}

interface Remembered {
  readonly facts: CompilerFacts;
  readonly stats: ReadonlyMap<string, FileStat | undefined>;
  /** places of files that are read without being asked for */
  readonly files: readonly (FileVersion | FileAbsence)[];
  /** the table's changes when all was as it is and events would show what happens to it, up to a moment of the monotonic clock */
  shown: { readonly changes: number; readonly untilMs: number } | undefined;
  /** `voided` of the watch when all directories were found to be followed */
  followed: number | undefined;
}

/** Variables that the compiler reads search directories from. */
export const searchVariables = [
  'CPATH',
  'C_INCLUDE_PATH',
  'CPLUS_INCLUDE_PATH',
  'OBJC_INCLUDE_PATH',
  'OBJCPLUS_INCLUDE_PATH',
];
const limit = 2048;
const questionLimit = 4096;

export interface CompilerFactsOptions {
  readonly processes: Processes;
  readonly table: FileTable;
  readonly permits: Semaphore;
  /** for the texts that the compiler is asked with; made when missing */
  readonly folder: string;
}

export class CompilerFactsCache {
  readonly #options: CompilerFactsOptions;
  readonly #known = new Map<string, Remembered>();
  readonly #byFacts = new WeakMap<CompilerFacts, Remembered>();
  #voided = 0;
  readonly #asking = new Map<string, Promise<Result<CompilerFacts, ScanFailure>>>();
  /** every question so far, by the compiler's identity and language: new flags are asked all of them at once */
  readonly #questions = new Map<string, Map<string, Question>>();

  constructor(options: CompilerFactsOptions) {
    this.#options = options;
  }

  /** @param questions what must be among the answers */
  async of(
    unit: ScanUnit,
    signal?: AbortSignal,
    questions: readonly Question[] = [],
  ): Promise<Result<CompilerFacts, ScanFailure>> {
    const query = searchQueryCommand(unit.compile);
    const variables = searchVariables.map((name) => unit.env[name] ?? '\x01');
    const key = [unit.compilerIdentity, unit.compiler, unit.cwd, ...variables, ...query].join('\0');
    const asked = this.#questionsOf(unit, questions);
    const known = this.#known.get(key);
    let before: Remembered | undefined;
    if (known !== undefined) {
      if (!this.#holds(known, unit.arrivedMs)) this.#voided += 1;
      else if (questions.every(({ text }) => answered(known, text))) return ok(known.facts);
      else before = known;
    }
    const askingKey = `${asked.size}\0${key}`;
    let asking = this.#asking.get(askingKey);
    if (asking === undefined) {
      asking = this.#ask(unit, query, key, [...asked.values()], before).finally(() => this.#asking.delete(askingKey));
      this.#asking.set(askingKey, asking);
    }
    const answer = await asking;
    return signal?.aborted === true ? err({ reason: 'cancelled', message: 'cancelled' }) : answer;
  }

  /** How often answers have turned out to be void because a directory or a file has changed. */
  get voided(): number {
    return this.#voided;
  }

  /** Whether the compiler would still say the same, as far as directories and files tell. */
  hold(facts: CompilerFacts, notBeforeMs: number): boolean {
    const known = this.#byFacts.get(facts);
    return known !== undefined && this.#holds(known, notBeforeMs);
  }

  #questionsOf(unit: ScanUnit, questions: readonly Question[]): ReadonlyMap<string, Question> {
    const key = `${unit.compilerIdentity}\0${unit.compile.language}`;
    let all = this.#questions.get(key);
    if (all === undefined || all.size > questionLimit) {
      all = new Map();
      this.#questions.set(key, all);
    }
    for (const question of questions) all.set(`${question.kind} ${question.text}`, question);
    return all;
  }

  #holds(known: Remembered, arrivedMs: number): boolean {
    const { table } = this.#options;
    const { stats } = table.digests;
    const { paths } = table;
    const { shown } = known;
    if (shown !== undefined && table.isShown(shown.changes, arrivedMs) && (paths?.provenMs ?? 0) < shown.untilMs) {
      return true;
    }
    // the watches first: a stat from before would not show what happened in between
    const isFollowed = paths !== undefined && [...known.stats.keys()].every((path) => paths.followPlace(path));
    const { changes } = table;
    const fromMs = isFollowed && known.followed !== paths.voided ? performance.now() : arrivedMs;
    known.followed = isFollowed ? paths.voided : undefined;
    for (const [path, before] of known.stats) {
      if (!sameForLookups(before, stats.stat(path, fromMs))) return false;
    }
    for (const state of known.files) if (state.file.at(arrivedMs) !== state) return false;
    const untilMs = known.files.reduce((least, { file }) => Math.min(least, file.shownUntilMs), Infinity);
    known.shown = isFollowed && changes === table.changes ? { changes, untilMs } : undefined;
    return true;
  }

  async #ask(
    unit: ScanUnit,
    query: readonly string[],
    key: string,
    questions: readonly Question[],
    before: Remembered | undefined,
  ): Promise<Result<CompilerFacts, ScanFailure>> {
    const own = argumentsWithout(unit.compile, {
      meanings: [...outputMeanings.meanings, 'macro', 'forced-include', 'language', 'directory', 'prefixed-search'],
      notes: [...outputMeanings.notes, 'color', 'no-color'],
      source: true,
    });
    const probe = this.#probeFile(questions);
    const [asked, defaults] = await Promise.all([
      this.#run(unit, [...query.slice(0, -1), '-w', '-MD', '-MT', 'icets', '-MF', '-', probe], unit.env),
      this.#run(
        unit,
        [...own, '-E', '-v', '-x', unit.compile.language, '/dev/null'],
        without(unit.env, searchVariables),
      ),
    ]);
    if (!asked.ok) return asked;
    if (!defaults.ok) return defaults;
    const list = parseSearchList(asked.value.stderr);
    const defaultList = parseSearchList(defaults.value.stderr);
    if (list === undefined || defaultList === undefined) {
      return failed(`the compiler does not tell where it searches: ${asked.value.stderr.slice(0, 300)}`);
    }
    const absolute = (path: string) => absolutePath(unit.cwd, path);
    const matched = (pattern: RegExp) => [...asked.value.stderr.matchAll(pattern)].map((match) => match[1] ?? '');
    const search: SearchPaths = {
      quote: list.quote.map(absolute),
      angle: list.angle.map(absolute),
      spelled: { quote: list.quote, angle: list.angle },
      duplicates: matched(/^ignoring duplicate directory "(.*)"$/gm).map(absolute),
      nonexistent: list.nonexistent.map(absolute),
      coarse: [...defaultList.quote, ...defaultList.angle].flatMap((path) => physical(absolute(path))),
    };
    const preincluded = listedFiles(asked.value.stdout).filter((path) => path !== probe);
    const { table } = this.#options;
    table.addSystemRoots(search.coarse);
    const stats = new Map<string, FileStat | undefined>();
    const { quote, angle, duplicates, nonexistent } = search;
    // also what was asked for and is passed over in silence, such as a file in the place of a directory
    const written = [...unit.compile.search.directories.map(({ path }) => path), ...variableFolders(unit.env)];
    for (const path of [...quote, ...angle, ...duplicates, ...nonexistent, ...written.map(absolute)]) {
      stats.set(path, table.digests.stats.stat(path));
    }
    const files: (FileVersion | FileAbsence)[] = [];
    const look = (path: string) => {
      const state = table.file(path).at(performance.now());
      files.push(state);
      return state.record !== undefined;
    };
    for (const name of preincluded.map(absolute)) {
      // looked for as `#include <...>` is: one that appears in an earlier directory is read instead
      for (const folder of [...quote, ...angle]) if (look(`${folder}/${basename(name)}`)) break;
      look(name);
    }
    const { answers, dialect, definitions } = readAnswers(asked.value.stdout, questions);
    const macros: (Macro | undefined)[] = [];
    for (const definition of definitions) {
      const macro = macroOf(definition);
      if (macro !== undefined) macros[macro.number] = macro;
    }
    const core =
      before !== undefined && sameStats(before.stats, stats) && this.#holds(before, performance.now())
        ? before.facts.core
        : {};
    const facts: CompilerFacts = { search, macros, preincluded, dialect, core, ...answers };
    if (this.#known.size >= limit) this.#known.clear();
    const remembered = { facts, stats, files, shown: undefined, followed: undefined };
    this.#known.set(key, remembered);
    this.#byFacts.set(facts, remembered);
    return ok(facts);
  }

  #probeFile(questions: readonly Question[]): string {
    const text = dialectProbe(questions);
    const path = join(this.#options.folder, `${createHash('sha256').update(text).digest('hex').slice(0, 20)}.txt`);
    if (!existsSync(path)) {
      mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 });
      const temporary = `${path}.${process.pid}`;
      writeFileSync(temporary, text, 'latin1');
      renameSync(temporary, path);
    }
    return path;
  }

  async #run(
    unit: ScanUnit,
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<Result<{ readonly stdout: string; readonly stderr: string }, ScanFailure>> {
    const permit = await this.#options.permits.acquire();
    try {
      const ran = await this.#options.processes.run({
        argv: [unit.invokedAs, ...argv],
        executable: unit.compiler,
        env: { ...env, LC_ALL: 'C' },
        cwd: unit.cwd,
        outputLimitBytes: 16 << 20,
        timeoutMs: 60_000,
      });
      if (!ran.ok) return failed(ran.error.message);
      return ok({
        stdout: Buffer.from(ran.value.stdout).toString('latin1'),
        stderr: Buffer.from(ran.value.stderr).toString('utf8'),
      });
    } finally {
      permit?.release();
    }
  }
}

/** The dependency list among what -dM prints. */
function listedFiles(printed: string): readonly string[] {
  const start = /^icets:/m.exec(printed)?.index;
  if (start === undefined) return [];
  const end = /[^\\]\n/.exec(printed.slice(start))?.index ?? printed.length;
  return depfilePrerequisites(Buffer.from(printed.slice(start, start + end + 1), 'latin1').toString('utf8'));
}

function variableFolders(env: Readonly<Record<string, string>>): string[] {
  return searchVariables.flatMap((name) => (env[name] ?? '').split(':')).filter((path) => path !== '');
}

/** A directory may get other entries; it must be the same one. */
function sameForLookups(before: FileStat | undefined, now: FileStat | undefined): boolean {
  if (now?.ino !== before?.ino || now?.dev !== before?.dev || now?.mode !== before?.mode) return false;
  return before === undefined || now === undefined || !isRegular(before) || sameStat(now, before);
}

type Stats = Remembered['stats'];

function sameStats(before: Stats, now: Stats): boolean {
  return before.size === now.size && [...before].every(([path, stat]) => sameForLookups(stat, now.get(path)));
}

function answered(known: Remembered, text: string): boolean {
  return known.facts.defined.has(text) || known.facts.values.has(text);
}

function without(env: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));
}

function physical(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}

function failed(message: string): Result<never, ScanFailure> {
  return err({ reason: 'scan-failed', message });
}
