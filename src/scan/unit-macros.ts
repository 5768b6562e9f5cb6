// What names mean at a point of a translation unit, and so which conditions hold there. Unaware of files.

import { conditionHolds, type ConditionRules } from './condition.ts';
import { computedNames, type Question } from './dialect-probe.ts';
import type { Directive } from './directives.ts';
import { Unclear, type UnitText } from './evaluation.ts';
import { headerName, tokensOf, withAnglesJoined, type HeaderName } from './header-names.ts';
import type { OpenedFile } from './include-search.ts';
import { expandTokens, ExpansionUnclear, type MacroEnvironment, type TokenStream } from './macro-expansion.ts';
import { macroOf, type Macro } from './macro.ts';
import { isPunctuator, nameNumber, type Token } from './preprocessor-tokens.ts';

/** Where the evaluation is. */
export interface Place {
  readonly at: OpenedFile;
  /** of files that are open, the source included */
  readonly depth: number;
  /** by a `#line` in the file */
  readonly lineChanged: boolean;
  /** for messages */
  where(directive: Directive): string;
  /** @param next go on behind the directory of the file that is open */
  hasInclude(named: HeaderName, next: boolean): boolean;
}

const definedName = nameNumber('defined');
const builtinName = /^__(?:has|is)_|^__building_module$/;

/** To be told of every directive that is about names, in order. */
export class UnitMacros implements MacroEnvironment {
  readonly #unit: Pick<UnitText, 'family' | 'facts' | 'fileNamesKnown'>;
  readonly #place: Place;
  readonly #macros: (Macro | undefined)[];
  readonly #saved = new Map<number, (Macro | undefined)[]>();
  readonly #uncertain = new Set<number>();
  readonly #questions = new Map<string, Question>();
  readonly #answered = new Map<string, Question>();
  readonly #rules: ConditionRules;
  /** whose operand is looked at */
  directive: Directive | undefined;
  #inCondition = false;
  /** names that the condition at hand has asked for */
  #readNames: number[] = [];
  /** the condition at hand depends on nothing but the meaning of those names */
  #pure = false;

  constructor(unit: Pick<UnitText, 'family' | 'facts' | 'fileNamesKnown'>, place: Place) {
    const { facts } = unit;
    this.#unit = unit;
    this.#place = place;
    this.#macros = facts.macros.slice();
    this.#rules = {
      operatorNames: facts.operatorNames,
      trueIsOne: facts.trueIsOne,
      digitSeparators: facts.dialect.digitSeparators,
      unsignedChar: this.#macros[nameNumber('__CHAR_UNSIGNED__')] !== undefined,
      unsignedWideChar: this.#macros[nameNumber('__WCHAR_UNSIGNED__')] !== undefined,
      negativeShiftsTurn: unit.family === 'gcc',
    };
  }

  /** What only the compiler can answer. */
  get questions(): readonly Question[] {
    return [...this.#questions.values()];
  }

  /** What it has answered already, as far as it was asked for. */
  get answered(): readonly Question[] {
    return [...this.#answered.values()];
  }

  /** @param option `-D...` or `-U...`. @throws Unclear */
  fromCommandLine(option: string): void {
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

  /** Obeys a `#define`. @throws Unclear */
  define(directive: Directive): void {
    const macro = (directive as { macro?: Macro | null }).macro ?? macroOf(directive.operand) ?? null;
    if (macro === null)
      throw new Unclear('malformed-directives', `${this.#place.where(directive)}: #define ${directive.operand}`);
    (directive as { macro?: Macro | null }).macro = macro;
    this.#macros[macro.number] = macro;
  }

  undefine(name: number): void {
    this.#macros[name] = undefined;
  }

  save(name: number): void {
    const stack = this.#saved.get(name);
    if (stack === undefined) this.#saved.set(name, [this.#macros[name]]);
    else stack.push(this.#macros[name]);
  }

  /** What the name meant when it was saved last; nothing changes when it was not. */
  restore(name: number): void {
    const stack = this.#saved.get(name);
    if (stack !== undefined && stack.length > 0) this.#macros[name] = stack.pop();
  }

  /** From here on nobody knows what the name means. */
  doubt(name: number): void {
    this.#uncertain.add(name);
  }

  /** The name is a macro for certain. */
  isKnown(name: number): boolean {
    return this.#uncertain.size === 0 && this.#macros[name] !== undefined;
  }

  /** The name that a directive begins with. @throws Unclear */
  nameOf(directive: Directive): number {
    const cached = (directive as { name?: number }).name;
    if (cached !== undefined) return cached;
    const name = /^[A-Za-z_$\x80-\xff][\w$\x80-\xff]*/.exec(directive.operand)?.[0];
    if (name === undefined)
      throw new Unclear('malformed-directives', `${this.#place.where(directive)}: #${directive.kind} without a name`);
    const number = nameNumber(name);
    (directive as { name?: number }).name = number;
    return number;
  }

  /** Whether a branch is taken when the ones before it are not. @throws Unclear */
  taken(directive: Directive): boolean {
    switch (directive.kind) {
      case 'if':
      case 'elif':
        return this.#holds(directive);
      case 'ifdef':
      case 'elifdef':
        return this.#isDefined(this.nameOf(directive), directive.operand);
      case 'ifndef':
      case 'elifndef':
        return !this.#isDefined(this.nameOf(directive), directive.operand);
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
    (known === undefined ? this.#questions : this.#answered).set(`${question.kind} ${question.text}`, question);
    if (known === undefined) return 0n;
    return typeof known === 'bigint' ? known : known ? 1n : 0n;
  }

  #holds(directive: Directive): boolean {
    const holder = directive as { simple?: SimpleCondition | false; known?: KnownCondition };
    const { known } = holder;
    if (holder.simple) return this.#isSimply(holder.simple);
    if (known !== undefined && this.#uncertain.size === 0 && this.#means(known)) return known.holds;
    this.directive = directive;
    this.#inCondition = true;
    this.#readNames = [];
    this.#pure = this.#uncertain.size === 0;
    try {
      const tokens = tokensOf(directive);
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
        throw new Unclear('unclear-expression', `${this.#place.where(directive)}: ${error.message}`);
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
        if (this.#place.lineChanged || this.directive === undefined) throw new ExpansionUnclear('__LINE__ after #line');
        return numberToken(String(this.directive.line), name);
      }
      case '__INCLUDE_LEVEL__':
        return numberToken(String(this.#place.depth - 1), name);
      case '__FILE__':
        if (this.#place.lineChanged || !this.#unit.fileNamesKnown)
          throw new ExpansionUnclear('__FILE__ under another name');
        return {
          kind: 'string',
          text: `"${this.#place.at.name.replace(/["\\]/g, '\\$&')}"`,
          spaced: name.spaced,
          name: -1,
        };
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
    const clang = this.#unit.family === 'clang';
    const made = clang ? opensInMacro : stream.replacing;
    const literal = !made && (isPunctuator(first, '<') || first?.kind === 'string');
    // clang reads an operand that stands in the directive like that of an #include
    const joined = clang && !made && !literal;
    const read: Token[] = [];
    for (let depth = 1; ;) {
      const token = literal || joined ? stream.raw() : stream.next();
      if (token === undefined) throw new ExpansionUnclear('__has_include does not end');
      // in <...> a parenthesis belongs to the name
      const angled = isPunctuator(read[0], '<') && !read.some((each) => isPunctuator(each, '>'));
      if (!angled) {
        if (isPunctuator(token, '(')) depth += 1;
        else if (isPunctuator(token, ')') && --depth === 0) break;
      }
      read.push(token);
    }
    const operand = joined ? expandTokens(withAnglesJoined(read), this) : read;
    const named = headerName(operand, literal);
    if (named === undefined) throw new ExpansionUnclear('an operand of __has_include that is no header name');
    return this.#place.hasInclude(named, next);
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
