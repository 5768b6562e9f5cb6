// Evaluates the directives of one translation unit and says which files it reads: an exact preprocessor that never looks
// at the text between directives. Unaware of the disk beyond its file table, and of running compilers.

import type { CompilerFamily } from '../compiler/compiler-family.ts';
import type { CompilerFacts } from './compiler-facts.ts';
import { conditionHolds, type ConditionRules } from './condition.ts';
import { computedNames, type Question } from './dialect-probe.ts';
import type { Directive, SourceDirectives } from './directives.ts';
import type { FileVersion, TableFile } from './file-table.ts';
import type { FolderNames } from './folder-names.ts';
import { clangConditionTokens, headerName, tokensOf, type HeaderName } from './header-names.ts';
import {
  fromBytes,
  newTrail,
  type Found,
  type IncludeSearch,
  type LookupMemo,
  type OpenedFile,
  type Trail,
} from './include-search.ts';
import { expandTokens, ExpansionUnclear, type MacroEnvironment, type TokenStream } from './macro-expansion.ts';
import type { Macro } from './macro.ts';
import { macroOf } from './macro.ts';
import { isPunctuator, nameNumber, tokenizeWithHeaders, type Token } from './preprocessor-tokens.ts';
import type { ExistenceProbe } from './scanner.ts';

export interface UnitText {
  readonly family: CompilerFamily['kind'];
  readonly source: string;
  /** `-D` and `-U` as argv elements, in order */
  readonly macros: readonly string[];
  /** in the order in which the compiler reads them: all -imacros, then all -include */
  readonly forcedIncludes: readonly string[];
  readonly facts: CompilerFacts;
  readonly search: IncludeSearch;
  readonly directivesOf: (version: FileVersion) => SourceDirectives;
  readonly notBeforeMs: number;
  /** clang's names of directories, those of the command line being known; undefined for gcc */
  readonly folderNames: FolderNames | undefined;
  /** moment of the monotonic clock at which the evaluation pauses; whoever resumes it sets the next one */
  readonly slice: { endMs: number };
  /** names mean the same under a -f…-prefix-map? then `__FILE__` is known */
  readonly fileNamesKnown: boolean;
}

export interface Evaluation {
  /** every file whose text was wanted, in order of first opening */
  readonly files: readonly FileVersion[];
  /** names as the compiler lists them with -M */
  readonly dependencies: readonly string[];
  readonly probes: readonly ExistenceProbe[];
  readonly trail: Trail;
  /** what only the compiler can answer; the evaluation is worth nothing when there are any */
  readonly questions: readonly Question[];
}

/** Why an exact evaluation was given up; docs/errors.md explains each. */
export const unclearReasons = [
  'include-not-found',
  'error-directive',
  'malformed-directives',
  'unsupported-directive',
  'unclear-expression',
  'uncertain-macro',
  'unsupported-option',
  'too-deep',
  'file-unreadable',
  'changing-inputs',
  'unproven-before',
] as const;
export type UnclearReason = (typeof unclearReasons)[number];

/** The unit does something that this evaluation does not do, or cannot know. */
export class Unclear extends Error {
  constructor(
    readonly reason: UnclearReason,
    message: string,
  ) {
    super(message);
  }
}

const depthLimit = 200;
const onceKeys = { gcc: new WeakMap<FileVersion, string>(), clang: new WeakMap<FileVersion, string>() };
const definedName = nameNumber('defined');
/** tokens do not tell them from one */
const severalSpaces = /\(\s*<[^>]*(?:[^\S ]|\s\s)[^>]*>/;
const builtinName = /^__(?:has|is)_|^__building_module$/;

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

/** A file that is being read, and what was before it. */
interface Frame {
  readonly list: readonly Directive[];
  readonly version: FileVersion;
  /** index of the next directive */
  at: number;
  readonly outer: OpenedFile;
  readonly outerLineChanged: boolean;
}

class UnitEvaluation implements MacroEnvironment {
  readonly #unit: UnitText;
  readonly #macros: (Macro | undefined)[];
  readonly #saved = new Map<number, (Macro | undefined)[]>();
  readonly #files = new Set<FileVersion>();
  /** entries whose real path was opened instead */
  readonly #passed = new Set<FileVersion>();
  readonly #dependencies = new Set<string>();
  readonly #probes = new Map<string, ExistenceProbe>();
  readonly #questions = new Map<string, Question>();
  readonly #trail: Trail;
  readonly #entered = new Set<TableFile>();
  /**
   * files that gcc has opened only if it did not pass over a `__has_include` behind && or the like, with how they were
   * looked for: gcc takes what it finds in another way for another file, though the name is the same; '' for several ways
   */
  readonly #perhapsOpened = new Map<FileVersion, string>();
  /** keys of files that are not to be read again */
  readonly #once = new Set<string>();
  readonly #rules: ConditionRules;
  readonly #frames: Frame[] = [];
  #depth = 0;
  #at: OpenedFile;
  #directive: Directive | undefined;
  #inCondition = false;
  #lineChanged = false;
  /** names that the condition at hand has asked for */
  #readNames: number[] = [];
  /** the condition at hand depends on nothing but the meaning of those names */
  #pure = false;

  constructor(unit: UnitText) {
    this.#unit = unit;
    this.#macros = unit.facts.macros.slice();
    this.#trail = newTrail((folders) => unit.folderNames?.meet(folders));
    this.#at = unit.search.open(unit.source);
    this.#rules = {
      operatorNames: unit.facts.operatorNames,
      trueIsOne: unit.facts.trueIsOne,
      digitSeparators: unit.facts.dialect.digitSeparators,
      unsignedChar: this.#macros[nameNumber('__CHAR_UNSIGNED__')] !== undefined,
      unsignedWideChar: this.#macros[nameNumber('__WCHAR_UNSIGNED__')] !== undefined,
      negativeShiftsTurn: unit.family === 'gcc',
    };
  }

  *run(): Generator<undefined> {
    const { search, facts, source, forcedIncludes, notBeforeMs } = this.#unit;
    for (const name of facts.preincluded) {
      const opened = search.open(name, true);
      this.#read(opened, this.#version(opened), true);
    }
    for (const option of this.#unit.macros) this.#commandLineMacro(option);
    const written = search.open(source);
    const mainVersion = this.#version(written);
    const main = this.#named(written, mainVersion);
    this.#read(main, mainVersion, true);
    for (const name of forcedIncludes) {
      this.#depth = 1;
      // looked for in the working directory first
      const commandLine = { ...search.open('./x'), folder: this.#unit.folderNames?.folderOf('.') ?? './' };
      const found = search.find(name, 'quote', false, commandLine, notBeforeMs, this.#trail);
      if (found === undefined) throw new Unclear('include-not-found', `-include ${name} is not found`);
      this.#at = commandLine;
      this.#through(found);
      yield* this.#enter(this.#named(found.opened, found.version), found.version);
    }
    this.#depth = 0;
    yield* this.#enter(main, mainVersion);
  }

  result(): Evaluation {
    return {
      files: [...this.#files, ...[...this.#passed].filter((version) => !this.#files.has(version))],
      dependencies: [...this.#dependencies],
      probes: [...this.#probes.values()],
      trail: this.#trail,
      questions: [...this.#questions.values()],
    };
  }

  #version(opened: OpenedFile): FileVersion {
    const version = opened.file.at(this.#unit.notBeforeMs);
    if (version.record === undefined) throw new Unclear('file-unreadable', `${fromBytes(opened.name)} cannot be read`);
    return version;
  }

  #commandLineMacro(option: string): void {
    const text = Buffer.from(option.slice(2), 'utf8').toString('latin1');
    if (text.includes('\n')) throw new Unclear('unsupported-option', 'a macro of several lines');
    if (option.startsWith('-U')) {
      this.#macros[nameNumber(text)] = undefined;
      return;
    }
    if (!option.startsWith('-D')) throw new Unclear('unsupported-option', option);
    const equals = text.indexOf('=');
    const operand = equals < 0 ? `${text} 1` : `${text.slice(0, equals)} ${text.slice(equals + 1)}`;
    const macro = macroOf(operand);
    if (macro === undefined) throw new Unclear('unsupported-option', option);
    this.#macros[macro.number] = macro;
  }

  #read(opened: OpenedFile, version: FileVersion, listed: boolean): void {
    this.#files.add(version);
    if (listed) this.#dependencies.add(opened.name);
  }

  /** The entry that the real path was asked of has to be there too. */
  #through(found: Found): void {
    if (found.through !== undefined) this.#passed.add(found.through);
  }

  /** Evaluates a file with all that it includes; one loop instead of a recursion, since it can pause. */
  *#enter(opened: OpenedFile, version: FileVersion): Generator<undefined> {
    const depth = this.#depth;
    for (let entered: Pick<Found, 'opened' | 'version'> | undefined = { opened, version }; ;) {
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
    this.#meetAgain(opened, version);
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

  #meetAgain(opened: OpenedFile, version: FileVersion): void {
    this.#entered.add(opened.file);
    if (this.#perhapsOpened.size > 0) this.#perhapsOpened.delete(version);
    this.#read(opened, version, true);
  }

  #leave(): void {
    const frame = this.#frames.pop();
    if (frame === undefined) return;
    this.#depth -= 1;
    this.#at = frame.outer;
    this.#lineChanged = frame.outerLineChanged;
  }

  /** Obeys directives up to one that has another file read: answers that file, or undefined at the end. */
  #advance(frame: Frame): Found | undefined {
    const { list, version } = frame;
    for (let { at } = frame; at < list.length; at += 1) {
      const directive = list[at] as Directive;
      switch (directive.kind) {
        case 'define':
          this.#define(directive);
          break;
        case 'undef':
          this.#macros[this.#nameOf(directive)] = undefined;
          break;
        case 'if':
        case 'ifdef':
        case 'ifndef': {
          let branch = directive;
          let index = at;
          while (!this.#taken(branch)) {
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
          this.#directive = directive;
          const entered = this.#include(directive);
          if (entered === undefined) break;
          frame.at = at + 1;
          return entered;
        }
        case 'once':
          this.#once.add(this.#onceKey(version));
          break;
        case 'push-macro': {
          const name = nameNumber(directive.operand);
          const stack = this.#saved.get(name);
          if (stack === undefined) this.#saved.set(name, [this.#macros[name]]);
          else stack.push(this.#macros[name]);
          break;
        }
        case 'pop-macro': {
          const name = nameNumber(directive.operand);
          const stack = this.#saved.get(name);
          if (stack !== undefined && stack.length > 0) this.#macros[name] = stack.pop();
          break;
        }
        case 'uncertain':
          this.#uncertain.add(nameNumber(directive.operand));
          break;
        case 'system-header':
          // compilers pass over it in the source itself
          if (this.#depth > 1) this.#at = { ...this.#at, system: true };
          break;
        case 'line':
          this.#lineChanged = true;
          break;
        case 'error':
          throw new Unclear('error-directive', `${this.#where(directive)}: #error ${directive.operand}`);
        case 'embed':
          throw new Unclear('unsupported-directive', `${this.#where(directive)}: #embed`);
        case 'unclear':
          throw new Unclear('unsupported-directive', `${this.#where(directive)}: ${directive.operand}`);
      }
    }
    return undefined;
  }

  readonly #uncertain = new Set<number>();

  /** To be told of every file that is found: clang looks for what it includes beside its first name. */
  #named(opened: OpenedFile, version: FileVersion): OpenedFile {
    const folder = this.#unit.folderNames?.folderOfFile(opened.name, version);
    return folder === undefined || folder === opened.folder ? opened : { ...opened, folder };
  }

  #where(directive: Directive): string {
    return `${fromBytes(this.#at.name)}:${directive.line}`;
  }

  #define(directive: Directive): void {
    const macro = (directive as { macro?: Macro | null }).macro ?? macroOf(directive.operand) ?? null;
    if (macro === null)
      throw new Unclear('malformed-directives', `${this.#where(directive)}: #define ${directive.operand}`);
    (directive as { macro?: Macro | null }).macro = macro;
    this.#macros[macro.number] = macro;
  }

  #nameOf(directive: Directive): number {
    const cached = (directive as { name?: number }).name;
    if (cached !== undefined) return cached;
    const name = /^[A-Za-z_$\x80-\xff][\w$\x80-\xff]*/.exec(directive.operand)?.[0];
    if (name === undefined)
      throw new Unclear('malformed-directives', `${this.#where(directive)}: #${directive.kind} without a name`);
    const number = nameNumber(name);
    (directive as { name?: number }).name = number;
    return number;
  }

  #taken(directive: Directive): boolean {
    switch (directive.kind) {
      case 'if':
      case 'elif':
        return this.#holds(directive);
      case 'ifdef':
      case 'elifdef':
        return this.#isDefined(this.#nameOf(directive), directive.operand);
      case 'ifndef':
      case 'elifndef':
        return !this.#isDefined(this.#nameOf(directive), directive.operand);
      default:
        return true; // else, endif
    }
  }

  #isDefined(number: number, text: string): boolean {
    if (this.#inCondition) this.#readNames.push(number);
    if (this.#uncertain.size > 0) this.#mustBeCertain(number);
    if (this.#macros[number] !== undefined) return true;
    if (!text.startsWith('_')) return false;
    const name = /^[\w$]*/.exec(text)?.[0] ?? '';
    if (!computedNames.has(name) && !builtinName.test(name)) return false;
    this.#pure = false; // other flags, other answers
    return computedNames.has(name)
      ? this.#unit.facts.defined.get(name) === true
      : this.#answer({ kind: 'defined', text: name }) !== 0n;
  }

  #mustBeCertain(number: number): void {
    if (this.#uncertain.has(number))
      throw new Unclear('uncertain-macro', 'a name that _Pragma in a macro pushes or pops');
  }

  #answer(question: Question): bigint {
    const { defined, values } = this.#unit.facts;
    const known = question.kind === 'defined' ? defined.get(question.text) : values.get(question.text);
    if (known === undefined) {
      this.#questions.set(`${question.kind} ${question.text}`, question);
      return 0n;
    }
    return typeof known === 'bigint' ? known : known ? 1n : 0n;
  }

  #holds(directive: Directive): boolean {
    const holder = directive as { simple?: SimpleCondition | false; known?: KnownCondition };
    const { known } = holder;
    if (holder.simple) return this.#isSimply(holder.simple);
    if (known !== undefined && this.#uncertain.size === 0 && this.#means(known)) return known.holds;
    this.#directive = directive;
    this.#inCondition = true;
    this.#readNames = [];
    this.#pure = this.#uncertain.size === 0;
    try {
      const tokens = this.#unit.family === 'clang' ? clangConditionTokens(directive) : tokensOf(directive);
      holder.simple ??= simpleCondition(tokens) ?? false;
      if (holder.simple) return this.#isSimply(holder.simple);
      const holds = conditionHolds(expandTokens(tokens, this), this.#rules);
      if (this.#pure) {
        const names = this.#readNames;
        holder.known = { names, macros: names.map((name) => this.#macros[name]), rules: rulesKey(this.#rules), holds };
      }
      return holds;
    } catch (error) {
      if (error instanceof ExpansionUnclear)
        throw new Unclear('unclear-expression', `${this.#where(directive)}: ${error.message}`);
      throw error;
    } finally {
      this.#inCondition = false;
    }
  }

  #isSimply({ name, negated }: SimpleCondition): boolean {
    return this.#isDefined(name.name, name.text) !== negated;
  }

  /** Every name of a condition that was evaluated before means now what it meant then. */
  #means(known: KnownCondition): boolean {
    const { names, macros } = known;
    for (let at = 0; at < names.length; at += 1) if (this.#macros[names[at] as number] !== macros[at]) return false;
    return known.rules === rulesKey(this.#rules);
  }

  macro(name: Token): Macro | undefined {
    this.#readNames.push(name.name);
    if (this.#uncertain.size > 0) this.#mustBeCertain(name.name);
    return this.#macros[name.name];
  }

  dynamic(name: Token, stream: TokenStream): readonly Token[] | undefined {
    if (this.#inCondition && name.name === definedName && !stream.argument) return [this.#definedOperand(name, stream)];
    const { text } = name;
    if (!text.startsWith('_')) return undefined;
    const computed = computedNames.has(text);
    if (!computed && !builtinName.test(text)) return undefined;
    this.#pure = false;
    if (this.#macros[name.name] !== undefined) return undefined;
    if (computed ? this.#unit.facts.defined.get(text) !== true : this.#answer({ kind: 'defined', text }) === 0n) {
      return undefined;
    }
    return [this.#computed(name, stream)];
  }

  #definedOperand(word: Token, stream: TokenStream): Token {
    let operand = stream.raw();
    const wrapped = isPunctuator(operand, '(');
    if (wrapped) operand = stream.raw();
    if (operand?.kind !== 'name' || (wrapped && !isPunctuator(stream.raw(), ')'))) {
      throw new ExpansionUnclear('defined without a name');
    }
    return numberToken(this.#isDefined(operand.name, operand.text) ? '1' : '0', word);
  }

  #computed(name: Token, stream: TokenStream): Token {
    switch (name.text) {
      case '__has_include':
      case '__has_include_next':
        return numberToken(this.#hasInclude(name.text === '__has_include_next', stream) ? '1' : '0', name);
      case '__LINE__': {
        if (this.#lineChanged || this.#directive === undefined) throw new ExpansionUnclear('__LINE__ after #line');
        return numberToken(String(this.#directive.line), name);
      }
      case '__INCLUDE_LEVEL__':
        return numberToken(String(this.#depth - 1), name);
      case '__FILE__':
        if (this.#lineChanged || !this.#unit.fileNamesKnown) throw new ExpansionUnclear('__FILE__ under another name');
        return { kind: 'string', text: `"${this.#at.name.replace(/["\\]/g, '\\$&')}"`, spaced: name.spaced, name: -1 };
      default:
        if (!builtinName.test(name.text)) throw new ExpansionUnclear(name.text);
        return numberToken(String(this.#operator(name, stream)), name);
    }
  }

  /** `__has_builtin(x)` and the like: as the compiler answered when it was asked. */
  #operator(name: Token, stream: TokenStream): bigint {
    if (!isPunctuator(stream.raw(), '(')) throw new ExpansionUnclear(`${name.text} without an operand`);
    let text = '';
    for (let depth = 1; ;) {
      const token = stream.raw();
      if (token === undefined) throw new ExpansionUnclear(`${name.text} does not end`);
      if (isPunctuator(token, '(')) depth += 1;
      else if (isPunctuator(token, ')') && --depth === 0) break;
      // compilers differ in whether the operand is replaced
      if (token.kind === 'name' && this.macro(token) !== undefined) {
        throw new ExpansionUnclear(`${name.text} of a macro`);
      }
      text += token.spaced && text !== '' ? ` ${token.text}` : token.text;
    }
    return this.#answer({ kind: 'value', text: `${name.text}(${text})` });
  }

  #hasInclude(written: boolean, stream: TokenStream): boolean {
    // clang does not know where it is while it replaces a macro: there it is an ordinary __has_include
    const next = written && !(this.#unit.family === 'clang' && stream.replacing);
    const open = stream.raw();
    if (!isPunctuator(open, '(')) throw new ExpansionUnclear('__has_include without parentheses');
    const opensInMacro = stream.replacing;
    const first = stream.peek();
    // a name in angles that a macro gives is made of tokens, and names among them are replaced
    const made = this.#unit.family === 'clang' ? opensInMacro : stream.replacing;
    const literal = !made && (isPunctuator(first, '<') || first?.kind === 'string');
    if (literal && severalSpaces.test(this.#directive?.operand ?? '')) {
      throw new ExpansionUnclear('a name with several spaces');
    }
    const operand: Token[] = [];
    for (let depth = 1; ;) {
      const token = literal ? stream.raw() : stream.next();
      if (token === undefined) throw new ExpansionUnclear('__has_include does not end');
      // in <...> a parenthesis belongs to the name
      const angled = isPunctuator(operand[0], '<') && !operand.some((each) => isPunctuator(each, '>'));
      if (!angled) {
        if (isPunctuator(token, '(')) depth += 1;
        else if (isPunctuator(token, ')') && --depth === 0) break;
      }
      operand.push(token);
    }
    const named = headerName(operand, literal);
    if (named === undefined) throw new ExpansionUnclear('an operand of __has_include that is no header name');
    const { form, name } = named;
    const { search, notBeforeMs, family } = this.#unit;
    if (next) this.#nextMustBeKnown();
    const found = search.find(name, form, next, this.#at, notBeforeMs, this.#trail);
    if (found !== undefined) {
      this.#through(found);
      this.#named(found.opened, found.version);
      const way = form === 'quote' ? `"${this.#at.folder}\0${name}` : name;
      if (!this.#files.has(found.version)) this.#perhapsOpened.set(found.version, way);
      else if (this.#perhapsOpened.has(found.version) && this.#perhapsOpened.get(found.version) !== way) {
        this.#perhapsOpened.set(found.version, '');
      }
      this.#read(found.opened, found.version, family === 'clang');
      this.#probes.set(found.opened.file.path, { path: found.opened.file.path, exists: true });
    } else {
      const folder = this.#at.folder === './' ? '' : fromBytes(this.#at.folder);
      const path = `${form === 'quote' ? `"${folder}` : '<'}${next ? 'next:' : ''}${fromBytes(name)}`;
      this.#probes.set(path, { path, exists: false });
    }
    return found !== undefined;
  }

  /** The file to be entered, if any. */
  #include(directive: Directive): Found | undefined {
    const { search, notBeforeMs, family } = this.#unit;
    const named = this.#headerOf(directive);
    const next = directive.kind === 'include_next';
    if (next) this.#nextMustBeKnown();
    const literal = (directive as { header?: unknown }).header !== undefined;
    const memo = literal ? (directive as LookupMemo & Directive) : undefined;
    const found = search.find(named.name, named.form, next, this.#at, notBeforeMs, this.#trail, memo);
    if (found === undefined)
      throw new Unclear('include-not-found', `${this.#where(directive)}: ${fromBytes(named.name)} is not found`);
    const { version } = found;
    const opened = this.#named(found.opened, version);
    this.#through(found);
    if (directive.kind === 'import') {
      const key = this.#onceKey(version);
      const way = named.form === 'quote' ? `"${this.#at.folder}\0${named.name}` : named.name;
      const before = this.#entered.has(opened.file) || this.#once.has(key) || this.#hasTwin(version, key, way);
      this.#once.add(key);
      if (before) {
        this.#read(opened, version, family === 'clang');
        return undefined;
      }
    } else if (this.#once.size > 0 && this.#once.has(this.#onceKey(version))) {
      // gcc does not list a file that it takes for another one, clang lists what it skips
      this.#read(opened, version, family === 'clang');
      return undefined;
    } else if (this.#entered.has(opened.file) && this.#isGuarded(version)) {
      this.#meetAgain(opened, version);
      return undefined;
    }
    return opened === found.opened ? found : { opened, version };
  }

  /** All of the file stands between an `#ifndef` and its `#endif`, and the name is defined by now. */
  #isGuarded(version: FileVersion): boolean {
    const { list } = this.#unit.directivesOf(version);
    const [first] = list;
    if (first?.kind !== 'ifndef' || first.next !== list.length - 1 || this.#uncertain.size > 0) return false;
    return this.#macros[this.#nameOf(first)] !== undefined;
  }

  #nextMustBeKnown(): void {
    if (this.#at.nextFrom !== 'unknown') return;
    throw new Unclear(
      'unsupported-directive',
      `${fromBytes(this.#at.name)}: include_next in a file that no search directory led to`,
    );
  }

  /** gcc takes what it imports for any file that it has opened, if only to see whether it is there. */
  #hasTwin(version: FileVersion, key: string, way: string): boolean {
    if (this.#unit.family !== 'gcc') return false;
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
    const keys = onceKeys[this.#unit.family];
    let key = keys.get(version);
    if (key === undefined) {
      const { digest, stat, mtimeNs } = version.record;
      key = this.#unit.family === 'gcc' ? `${digest.hash}:${mtimeNs / 1_000_000_000n}` : `${stat.dev}:${stat.ino}`;
      keys.set(version, key);
    }
    return key;
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
      if (header.name === '') throw new Unclear('malformed-directives', `${this.#where(directive)}: an empty name`);
      (directive as { header?: HeaderName }).header = header;
      return header;
    }
    try {
      const tokens = this.#unit.family === 'clang' ? tokenizeWithHeaders(operand) : tokensOf(directive);
      const named = headerName(expandTokens(tokens, this), false);
      if (named === undefined) throw new ExpansionUnclear('a computed name that is none');
      return named;
    } catch (error) {
      if (error instanceof ExpansionUnclear)
        throw new Unclear('unclear-expression', `${this.#where(directive)}: ${error.message}`);
      throw error;
    }
  }
}

/** The outcome of a condition, kept with its directive: many units evaluate it under the same macros. */
interface KnownCondition {
  readonly names: readonly number[];
  readonly macros: readonly (Macro | undefined)[];
  readonly rules: number;
  readonly holds: boolean;
}

/** `defined X`, `!defined(X)`: the commonest conditions. */
interface SimpleCondition {
  readonly name: Token;
  readonly negated: boolean;
}

function simpleCondition(tokens: readonly Token[]): SimpleCondition | undefined {
  const negated = isPunctuator(tokens[0], '!');
  const at = negated ? 1 : 0;
  if (tokens[at]?.name !== definedName) return undefined;
  const bare = tokens.length === at + 2;
  const wrapped = tokens.length === at + 4 && isPunctuator(tokens[at + 1], '(') && isPunctuator(tokens[at + 3], ')');
  if (!bare && !wrapped) return undefined;
  const name = tokens[bare ? at + 1 : at + 2];
  return name?.kind === 'name' ? { name, negated } : undefined;
}

function rulesKey(rules: ConditionRules): number {
  const { operatorNames, trueIsOne, digitSeparators, unsignedChar, unsignedWideChar, negativeShiftsTurn } = rules;
  return (
    (operatorNames ? 1 : 0) +
    (trueIsOne ? 2 : 0) +
    (digitSeparators ? 4 : 0) +
    (unsignedChar ? 8 : 0) +
    (unsignedWideChar ? 16 : 0) +
    (negativeShiftsTurn ? 32 : 0)
  );
}

function numberToken(text: string, at: Token): Token {
  return { kind: 'number', text, spaced: at.spaced, name: -1 };
}
