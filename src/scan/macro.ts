// Macro definitions as values: equal texts are one object, so that comparing what a name means is comparing references.

import { isPunctuator, nameNumber, tokenize, type Token } from './preprocessor-tokens.ts';

export interface MacroBody {
  /** undefined for an object-like macro */
  readonly parameters: readonly string[] | undefined;
  /** name of the parameter that takes all remaining arguments, `__VA_ARGS__` or a GNU name; it is the last of `parameters` */
  readonly variadic: string | undefined;
  readonly tokens: readonly Token[];
  /** `##` is among the tokens */
  readonly pastes: boolean;
}

export class Macro {
  #body: MacroBody | undefined;

  private constructor(
    readonly name: string,
    readonly number: number,
    /** what follows the name: parameters and text, or a space and the text of an object-like macro */
    readonly text: string,
  ) {}

  get functionLike(): boolean {
    return this.text.startsWith('(');
  }

  /** Undefined when the definition is no valid one. */
  get body(): MacroBody | undefined {
    this.#body ??= parseBody(this.text);
    return this.#body.parameters?.[0] === invalid ? undefined : this.#body;
  }

  static readonly #known = new Map<string, Map<string, Macro>>();
  static #count = 0;

  /** How many different definitions are known, for limits. */
  static get count(): number {
    return this.#count;
  }

  static of(name: string, text: string): Macro {
    let texts = this.#known.get(name);
    if (texts === undefined) {
      texts = new Map();
      this.#known.set(name, texts);
    }
    let macro = texts.get(text);
    if (macro === undefined) {
      macro = new Macro(name, nameNumber(name), text);
      texts.set(text, macro);
      this.#count += 1;
    }
    return macro;
  }

  /** Forgets all definitions; objects in use stay valid but are no longer equal to new ones. */
  static forget(): void {
    this.#known.clear();
    this.#count = 0;
  }
}

const definition = /^([A-Za-z_$\x80-\xff][\w$\x80-\xff]*)(.*)$/s;
const invalid = '\0';

/** The macro that the operand of a `#define` (or `-D` with its `=` as a space) makes; undefined when it is malformed. */
export function macroOf(operand: string): Macro | undefined {
  const match = definition.exec(operand);
  if (match === null) return undefined;
  const [, name = '', rest = ''] = match;
  return Macro.of(name, rest.startsWith('(') ? rest.trimEnd() : ` ${rest.trim()}`);
}

function parseBody(text: string): MacroBody {
  if (!text.startsWith('(')) return made(undefined, undefined, tokenize(text));
  const bad: MacroBody = made([invalid], undefined, []);
  const tokens = tokenize(text);
  const parameters: string[] = [];
  let variadic: string | undefined;
  let at = 1;
  if (isPunctuator(tokens[at], ')')) at += 1;
  else {
    for (;;) {
      const token = tokens[at];
      if (token === undefined || variadic !== undefined) return bad;
      if (isPunctuator(token, '...')) {
        variadic = '__VA_ARGS__';
        parameters.push(variadic);
        at += 1;
      } else if (token.kind === 'name') {
        parameters.push(token.text);
        at += 1;
        if (isPunctuator(tokens[at], '...')) {
          variadic = token.text;
          at += 1;
        }
      } else return bad;
      if (isPunctuator(tokens[at], ')')) {
        at += 1;
        break;
      }
      if (!isPunctuator(tokens[at], ',')) return bad;
      at += 1;
    }
  }
  return made(parameters, variadic, tokens.slice(at));
}

function made(parameters: MacroBody['parameters'], variadic: MacroBody['variadic'], tokens: Token[]): MacroBody {
  const pastes = tokens.some((token) => isPunctuator(token, '##'));
  return { parameters, variadic, tokens: firstUnspaced(tokens), pastes };
}

function firstUnspaced(tokens: Token[]): Token[] {
  const [first] = tokens;
  if (first?.spaced === true) tokens[0] = { ...first, spaced: false };
  return tokens;
}
