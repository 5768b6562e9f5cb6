// Gathers a closure: from the files that are read to what they mention beside their includes. Shared by the rungs.
// Unaware of how the files were found.

import { dirname } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { FileDigests, FileFacts, FileRecord } from '../model/inputs.ts';
import { fileFacts, noFacts } from './file-facts.ts';
import { isDirectory, isRegular, realOrSame, type PathStats } from './path-stats.ts';
import type { Closure, ClosureFile, ExistenceProbe, Rung, ScanFailure, ScanUnit } from './scanner.ts';
import { existingDirectories, type SearchPaths } from './search-paths.ts';
import { inside } from './system-trees.ts';

type Added = Result<void, ScanFailure>;

export class ClosureBuilder {
  readonly #files = new Map<string, ClosureFile>();
  readonly #probes = new Map<string, ExistenceProbe>();
  readonly #unit: ScanUnit;
  readonly #search: SearchPaths;
  readonly #digests: FileDigests;
  readonly #stats: PathStats;
  readonly #quoteAndAngle: readonly string[];
  #dateOrTime = false;
  #timestamp = false;
  #restsOnTrees = false;
  #bytes = 0;

  constructor(unit: ScanUnit, search: SearchPaths, digests: FileDigests, stats: PathStats) {
    this.#unit = unit;
    this.#search = search;
    this.#digests = digests;
    this.#stats = stats;
    this.#quoteAndAngle = [...search.quote, ...search.angle];
  }

  /** A file that the compiler reads as source text, by the name it opens it by. */
  addSource(name: string): Added {
    const path = this.absolute(name);
    if (this.#files.has(path)) return ok(undefined);
    const added = this.addFile(path);
    if (!added.ok) return added;
    return this.#addFacts(added.value.facts, path);
  }

  /** A file that an evaluation has read: what its text asks with `__has_include` is answered already. */
  addEvaluated(file: ClosureFile): Added {
    if (this.#files.has(file.path)) return ok(undefined);
    this.#files.set(file.path, file);
    this.#bytes += file.record.digest.sizeBytes;
    return this.#addFacts(withoutProbes(file.record.facts), file.path);
  }

  /** An answer that an evaluation depends on. */
  addProbe(probe: ExistenceProbe): void {
    this.#probes.set(probe.path, probe);
  }

  /**
   * What `-D` says counts as text of the source.
   * @param answered what it asks with `__has_include` is answered already
   */
  addMacros(source: string, answered = false): Added {
    const { macros } = this.#unit.compile;
    const text = macros.map((macro) => `#define ${macro.slice(2)}\n`).join('');
    const facts = fileFacts(Buffer.from(text));
    return this.#addFacts(answered ? withoutProbes(facts) : facts, this.absolute(source));
  }

  #addFacts(facts: FileFacts, path: string): Added {
    if (facts === noFacts) return ok(undefined);
    this.#dateOrTime ||= facts.dateOrTime;
    this.#timestamp ||= facts.timestamp;
    const computed = facts.computedProbe || facts.computedIncbin || facts.computedEmbed;
    if (computed && this.#inCoarse(path)) this.#restsOnTrees = true;
    else if (computed) {
      const what = facts.computedProbe ? '__has_include' : facts.computedIncbin ? '.incbin or .include' : '#embed';
      return err({
        reason: 'computed-probe',
        message: `${path}: ${what} with an operand that cannot be told by its text`,
      });
    }
    for (const { operand } of facts.probes) {
      for (const candidate of this.#candidates(operand, path)) {
        const probed = this.#probe(candidate, false);
        if (!probed.ok) return probed;
      }
    }
    const read = facts.embeds.flatMap((operand) => this.#candidates(operand, path));
    for (const operand of facts.incbins) {
      if (operand.startsWith('/')) read.push(operand);
      else read.push(...[this.#unit.cwd, ...this.#quoteAndAngle].map((directory) => `${directory}/${operand}`));
    }
    for (const candidate of read) {
      const probed = this.#probe(candidate, true);
      if (!probed.ok) return probed;
    }
    return ok(undefined);
  }

  /** A file whose text is not looked at. */
  addFile(name: string): Result<FileRecord, ScanFailure> {
    const path = this.absolute(name);
    const known = this.#files.get(path);
    if (known !== undefined) return ok(known.record);
    const record = this.#digests.file(path, this.#unit.arrivedMs);
    if (!record.ok) return err({ reason: record.error.reason, message: `${path}: ${record.error.message}` });
    this.#files.set(path, { path, record: record.value });
    this.#bytes += record.value.digest.sizeBytes;
    return record;
  }

  /** The first of the compiler's places for an `-include` that exists, if any: the working directory, then `"..."`. */
  addForcedInclude(name: string): Added {
    const candidates = name.startsWith('/')
      ? [name]
      : [this.#unit.cwd, ...this.#quoteAndAngle].map((directory) => `${directory}/${name}`);
    for (const candidate of candidates) {
      if (this.#isFile(candidate)) return this.addSource(candidate);
      this.existsAgainstHope(candidate);
    }
    return ok(undefined);
  }

  /** Something that must go on not existing; true when it does exist. */
  existsAgainstHope(name: string): boolean {
    const path = this.absolute(name);
    const exists = this.#stats.stat(path, this.#unit.arrivedMs) !== undefined;
    this.#note(path, exists);
    return exists;
  }

  absolute(name: string): string {
    return name.startsWith('/') ? name : `${this.#unit.cwd}/${name}`;
  }

  finish(rung: Rung, dependencies: readonly string[]): Closure {
    const { quote, angle, duplicates, nonexistent, coarse } = this.#search;
    const written = this.#unit.compile.search.directories.map(({ path }) => this.absolute(path));
    const directories = existingDirectories(
      [this.#unit.cwd, ...quote, ...angle, ...duplicates, ...written],
      this.#stats,
      this.#unit.arrivedMs,
    );
    // the compiler also calls a file nonexistent that stands in the place of a directory
    for (const path of nonexistent) this.existsAgainstHope(path);
    this.#noteTwins();
    for (const path of written) {
      // `-I file` is warned about, so the file has to be there
      if (!directories.includes(path) && this.#isFile(path)) this.addFile(path);
    }
    return {
      rung,
      files: [...this.#files.values()],
      directories,
      coarse: [...new Set(coarse)],
      probes: [...this.#probes.values()],
      dependencies,
      dateOrTime: this.#dateOrTime,
      timestamp: this.#timestamp,
      sourceBytes: this.#bytes,
      restsOnTrees: this.#restsOnTrees,
    };
  }

  /**
   * One directory under two names counts once, and as the system's if one of the names says so: clang names its headers
   * alike either way. So which are one is part of the closure, told by places in the command, not by paths.
   */
  #noteTwins(): void {
    const { duplicates } = this.#search;
    if (duplicates.length === 0) return;
    const written = this.#unit.compile.search.directories.map(({ path }) => this.absolute(path));
    const identity = (path: string) => {
      const stat = this.#stats.stat(path, this.#unit.arrivedMs);
      return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
    };
    const kept = this.#quoteAndAngle.map(identity);
    for (const path of duplicates) {
      const place = written.indexOf(path);
      this.#note(`directory ${place < 0 ? path : place} is ${kept.indexOf(identity(path))}`, false);
    }
  }

  #candidates(operand: string, includer: string): string[] {
    const name = operand.slice(1, -1);
    if (name.startsWith('/')) return [name];
    const directories = operand.startsWith('"') ? [dirname(includer), ...this.#quoteAndAngle] : this.#search.angle;
    return directories.map((directory) => `${directory}/${name}`);
  }

  /** Remembers whether a file is there, and ships it if so. A complete tree has it already: its bytes matter where it is read. */
  #probe(path: string, read: boolean): Added {
    const stat = this.#stats.stat(path, this.#unit.arrivedMs);
    this.#note(path, stat !== undefined);
    if (stat === undefined || isDirectory(stat)) return ok(undefined);
    if (!read && this.#inCoarse(path) && this.#inCoarse(realOrSame(path))) return ok(undefined);
    // also where it is a device or cannot be read: the sandbox would have nothing in its place
    const added = this.addFile(path);
    return added.ok ? ok(undefined) : added;
  }

  #inCoarse(path: string): boolean {
    return !path.includes('/../') && this.#search.coarse.some((directory) => inside(path, directory));
  }

  #note(path: string, exists: boolean): void {
    this.#probes.set(path, { path, exists });
  }

  #isFile(path: string): boolean {
    const stat = this.#stats.stat(path, this.#unit.arrivedMs);
    return stat !== undefined && isRegular(stat);
  }
}

function withoutProbes(facts: FileFacts): FileFacts {
  return facts === noFacts ? noFacts : { ...facts, probes: [], computedProbe: false };
}

/** Whether everything is still as a closure says. A file whose stat differs is hashed again: a new link changes its ctime. */
export function closureUnchanged(
  closure: Closure,
  digests: FileDigests,
  stats: PathStats,
  notBeforeMs: number,
): boolean {
  for (const { path, record } of closure.files) {
    const now = digests.file(path, notBeforeMs);
    if (!now.ok || now.value.digest.hash !== record.digest.hash || now.value.mtimeNs !== record.mtimeNs) return false;
  }
  for (const path of closure.directories) {
    const stat = stats.stat(path, notBeforeMs);
    if (stat === undefined || !isDirectory(stat)) return false;
  }
  for (const { path, exists } of closure.probes) {
    if ((stats.stat(path, notBeforeMs) !== undefined) !== exists) return false;
  }
  return true;
}
