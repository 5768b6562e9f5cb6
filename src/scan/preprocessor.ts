// Evaluates the directives of one translation unit and says which files it reads: an exact preprocessor that never looks
// at the text between directives. Unaware of the disk beyond its file table, and of running compilers.

import type { Directive } from './directives.ts';
import { Unclear, type Evaluation, type UnitText } from './evaluation.ts';
import type { FileVersion } from './file-table.ts';
import { headerName, tokensOf, withAnglesJoined, type HeaderName } from './header-names.ts';
import { fromBytes, newTrail, type Found, type LookupMemo, type OpenedFile, type Trail } from './include-search.ts';
import { expandTokens, ExpansionUnclear } from './macro-expansion.ts';
import { nameNumber } from './preprocessor-tokens.ts';
import { includeWay, ReadFiles } from './read-files.ts';
import type { ExistenceProbe } from './scanner.ts';
import { UnitMacros, type Place } from './unit-macros.ts';

const depthLimit = 200;

/** Pauses when the time slice is used up; to be resumed with `next()`. @throws Unclear */
export function* evaluateUnit(unit: UnitText): Generator<undefined, Evaluation> {
  const evaluation = new UnitEvaluation(unit);
  try {
    yield* evaluation.run();
  } catch (error) {
    // what was met on a way that a missing answer has opened means nothing
    if (!(error instanceof Unclear) || evaluation.result().questions.length === 0) throw error;
  }
  return evaluation.result();
}

type Entered = Pick<Found, 'opened' | 'version'>;

/** A file that is being read, and what was before it. */
interface Frame {
  readonly list: readonly Directive[];
  readonly version: FileVersion;
  /** index of the next directive */
  at: number;
  readonly outer: OpenedFile;
  readonly outerLineChanged: boolean;
}

class UnitEvaluation implements Place {
  readonly #unit: UnitText;
  readonly #macros: UnitMacros;
  readonly #files: ReadFiles;
  readonly #probes = new Map<string, ExistenceProbe>();
  readonly #trail: Trail;
  readonly #frames: Frame[] = [];
  #depth = 0;
  #at: OpenedFile;
  #lineChanged = false;

  constructor(unit: UnitText) {
    this.#unit = unit;
    this.#macros = new UnitMacros(unit, this);
    this.#files = new ReadFiles(unit.family);
    this.#trail = newTrail((folders) => unit.folderNames?.meet(folders));
    this.#at = unit.search.open(unit.source);
  }

  *run(): Generator<undefined> {
    const { search, facts, source, forcedIncludes, notBeforeMs } = this.#unit;
    for (const name of facts.preincluded) {
      const opened = search.open(name, true);
      this.#files.read(opened, this.#version(opened), true);
    }
    for (const option of this.#unit.macros) this.#macros.fromCommandLine(option);
    const written = search.open(source);
    const mainVersion = this.#version(written);
    const main = this.#named(written, mainVersion);
    this.#files.enter(main, mainVersion);
    for (const name of forcedIncludes) {
      this.#depth = 1;
      // looked for in the working directory first
      const commandLine = { ...search.open('./x'), folder: this.#unit.folderNames?.folderOf('.') ?? './' };
      const found = search.find(name, 'quote', false, commandLine, notBeforeMs, this.#trail);
      if (found === undefined) throw new Unclear('include-not-found', `-include ${name} is not found`);
      this.#at = commandLine;
      const entered = this.#toEnter(found, undefined);
      if (entered !== undefined) yield* this.#enter(entered.opened, entered.version);
    }
    this.#depth = 0;
    yield* this.#enter(main, mainVersion);
  }

  result(): Evaluation {
    return {
      files: this.#files.versions,
      dependencies: this.#files.dependencies,
      probes: [...this.#probes.values()],
      trail: this.#trail,
      questions: this.#macros.questions,
      answered: this.#macros.answered,
    };
  }

  get at(): OpenedFile {
    return this.#at;
  }

  get depth(): number {
    return this.#depth;
  }

  get lineChanged(): boolean {
    return this.#lineChanged;
  }

  where(directive: Directive): string {
    return `${fromBytes(this.#at.name)}:${directive.line}`;
  }

  hasInclude({ form, name }: HeaderName, next: boolean): boolean {
    const { search, notBeforeMs } = this.#unit;
    if (next) this.#nextMustBeKnown();
    const found = search.find(name, form, next, this.#at, notBeforeMs, this.#trail);
    if (found !== undefined) {
      this.#files.through(found);
      this.#named(found.opened, found.version);
      this.#files.meetInCondition(found, includeWay(form, name, this.#at.folder));
      this.#probes.set(found.opened.file.path, { path: found.opened.file.path, exists: true });
    } else {
      const folder = this.#at.folder === './' ? '' : fromBytes(this.#at.folder);
      const path = `${form === 'quote' ? `"${folder}` : '<'}${next ? 'next:' : ''}${fromBytes(name)}`;
      this.#probes.set(path, { path, exists: false });
    }
    return found !== undefined;
  }

  /** The file as it is now. @throws Unclear */
  #version(opened: OpenedFile): FileVersion {
    const version = opened.file.at(this.#unit.notBeforeMs);
    if (version.record === undefined) throw new Unclear('file-unreadable', `${fromBytes(opened.name)} cannot be read`);
    return version;
  }

  /** Evaluates a file with all that it includes; one loop instead of a recursion, since it can pause. */
  *#enter(opened: OpenedFile, version: FileVersion): Generator<undefined> {
    const depth = this.#depth;
    for (let entered: Entered | undefined = { opened, version }; ;) {
      if (entered !== undefined) {
        if (performance.now() >= this.#unit.slice.endMs) yield;
        this.#begin(entered.opened, entered.version);
      } else this.#leave();
      if (this.#depth === depth) return;
      entered = this.#advance(this.#frames[this.#frames.length - 1] as Frame);
    }
  }

  #begin(opened: OpenedFile, version: FileVersion): void {
    if (this.#depth >= depthLimit) throw new Unclear('too-deep', 'includes are nested too deeply');
    this.#files.enter(opened, version);
    const directives = this.#unit.directivesOf(version);
    if (directives.malformed !== undefined)
      throw new Unclear('malformed-directives', `${fromBytes(opened.name)}: ${directives.malformed}`);
    const { list } = directives;
    this.#frames.push({ list, version, at: 0, outer: this.#at, outerLineChanged: this.#lineChanged });
    // gcc: what a system header includes is one
    this.#at = this.#at.system && !opened.system && this.#depth > 0 ? { ...opened, system: true } : opened;
    this.#lineChanged = false;
    this.#depth += 1;
  }

  #leave(): void {
    const frame = this.#frames.pop();
    if (frame === undefined) return;
    this.#depth -= 1;
    this.#at = frame.outer;
    this.#lineChanged = frame.outerLineChanged;
  }

  /** Obeys directives up to one that has another file read: answers that file, or undefined at the end. */
  #advance(frame: Frame): Entered | undefined {
    const { list, version } = frame;
    for (let { at } = frame; at < list.length; at += 1) {
      const directive = list[at] as Directive;
      switch (directive.kind) {
        case 'define':
          this.#macros.define(directive);
          break;
        case 'undef':
          this.#macros.undefine(this.#macros.nameOf(directive));
          break;
        case 'if':
        case 'ifdef':
        case 'ifndef': {
          let branch = directive;
          let index = at;
          while (!this.#macros.taken(branch)) {
            index = branch.next;
            branch = list[index] as Directive;
          }
          at = index;
          break;
        }
        case 'elif':
        case 'elifdef':
        case 'elifndef':
        case 'else':
          at = directive.end; // the branch before was taken
          break;
        case 'endif':
          break;
        case 'include':
        case 'include_next':
        case 'import': {
          this.#macros.directive = directive;
          const entered = this.#include(directive);
          if (entered === undefined) break;
          frame.at = at + 1;
          return entered;
        }
        case 'once':
          this.#files.addOnce(version);
          break;
        case 'push-macro':
          this.#macros.save(nameNumber(directive.operand));
          break;
        case 'pop-macro':
          this.#macros.restore(nameNumber(directive.operand));
          break;
        case 'uncertain':
          this.#macros.doubt(nameNumber(directive.operand));
          break;
        case 'system-header':
          // compilers pass over it in the source itself
          if (this.#depth > 1) this.#at = { ...this.#at, system: true };
          break;
        case 'line':
          this.#lineChanged = true;
          break;
        case 'error':
          throw new Unclear('error-directive', `${this.where(directive)}: #error ${directive.operand}`);
        case 'embed':
          throw new Unclear('unsupported-directive', `${this.where(directive)}: #embed`);
        case 'unclear':
          throw new Unclear('unsupported-directive', `${this.where(directive)}: ${directive.operand}`);
      }
    }
    return undefined;
  }

  /** To be told of every file that is found: clang looks for what it includes beside its first name. */
  #named(opened: OpenedFile, version: FileVersion): OpenedFile {
    const folder = this.#unit.folderNames?.folderOfFile(opened.name, version);
    return folder === undefined || folder === opened.folder ? opened : { ...opened, folder };
  }

  /** The file to be entered, if any. */
  #include(directive: Directive): Entered | undefined {
    const { search, notBeforeMs } = this.#unit;
    const named = this.#headerOf(directive);
    const next = directive.kind === 'include_next';
    if (next) this.#nextMustBeKnown();
    const literal = (directive as { header?: unknown }).header !== undefined;
    const memo = literal ? (directive as LookupMemo & Directive) : undefined;
    const found = search.find(named.name, named.form, next, this.#at, notBeforeMs, this.#trail, memo);
    if (found === undefined)
      throw new Unclear('include-not-found', `${this.where(directive)}: ${fromBytes(named.name)} is not found`);
    const way = directive.kind === 'import' ? includeWay(named.form, named.name, this.#at.folder) : undefined;
    return this.#toEnter(found, way);
  }

  /** The same of a file that is found. @param imported how an `#import` looked for it */
  #toEnter(found: Found, imported: string | undefined): Entered | undefined {
    const { version } = found;
    const opened = this.#named(found.opened, version);
    this.#files.through(found);
    if (imported !== undefined) {
      if (this.#files.passesOverImport(opened, version, imported)) return undefined;
    } else if (this.#files.passesOver(opened, version)) {
      return undefined;
    } else if (this.#files.hasEntered(opened, version) && this.#isGuarded(version)) {
      this.#files.enter(opened, version);
      return undefined;
    }
    return opened === found.opened ? found : { opened, version };
  }

  /** All of the file stands between an `#ifndef` and its `#endif`, and the name is defined by now. */
  #isGuarded(version: FileVersion): boolean {
    const { list } = this.#unit.directivesOf(version);
    const [first] = list;
    if (first?.kind !== 'ifndef' || first.next !== list.length - 1) return false;
    return this.#macros.isKnown(this.#macros.nameOf(first));
  }

  #nextMustBeKnown(): void {
    if (this.#at.nextFrom !== 'unknown') return;
    throw new Unclear(
      'unsupported-directive',
      `${fromBytes(this.#at.name)}: include_next in a file that no search directory led to`,
    );
  }

  #headerOf(directive: Directive): HeaderName {
    const { operand } = directive;
    const cached = (directive as { header?: HeaderName }).header;
    if (cached !== undefined) return cached;
    const literal = /^"([^"\n]*)"|^<([^>\n]*)>/.exec(operand);
    if (literal !== null) {
      const header =
        literal[1] !== undefined
          ? { form: 'quote' as const, name: literal[1] }
          : { form: 'angle' as const, name: literal[2] ?? '' };
      if (header.name === '') throw new Unclear('malformed-directives', `${this.where(directive)}: an empty name`);
      (directive as { header?: HeaderName }).header = header;
      return header;
    }
    try {
      const tokens = tokensOf(directive);
      const read = this.#unit.family === 'clang' ? withAnglesJoined(tokens) : tokens;
      const named = headerName(expandTokens(read, this.#macros), false);
      if (named === undefined) throw new ExpansionUnclear('a computed name that is none');
      return named;
    } catch (error) {
      if (error instanceof ExpansionUnclear)
        throw new Unclear('unclear-expression', `${this.where(directive)}: ${error.message}`);
      throw error;
    }
  }
}
