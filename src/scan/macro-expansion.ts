// Macro replacement of one directive's tokens (C17 6.10.3), with the GNU extensions of gcc and clang.
// Unaware of where definitions come from: it asks its environment for every name.

import type { Macro, MacroBody } from './macro.ts';
import { isPunctuator, spelling, tokenize, type Token } from './preprocessor-tokens.ts';

export interface MacroEnvironment {
  /** What the name means now; undefined when it is no macro. */
  macro(name: Token): Macro | undefined;
  /** Tokens that stand for a name which the compiler computes (`__LINE__`, `defined`, `__has_include`); undefined for others. */
  dynamic(name: Token, stream: TokenStream): readonly Token[] | undefined;
}

/** The text is not one that can be expanded with certainty. */
export class ExpansionUnclear extends Error {}

const tokenLimit = 200_000;

interface Context {
  readonly tokens: readonly Token[];
  at: number;
  readonly macro: Macro | undefined;
}

/** Tokens to come, with the macros that are being replaced around them. */
export class TokenStream {
  readonly #contexts: Context[] = [];
  readonly #active: Set<Macro>;
  readonly environment: MacroEnvironment;
  #made = 0;
  /** something empty with white space before it was read: the next token has that white space */
  #space = false;
  #last: { readonly given: Token; readonly own: Token } | undefined;

  /** @param argument the tokens are a macro's argument: `defined` is a name like others there */
  constructor(
    tokens: readonly Token[],
    environment: MacroEnvironment,
    active: Set<Macro> = new Set(),
    readonly argument = false,
  ) {
    this.environment = environment;
    this.#active = active;
    this.#contexts.push({ tokens, at: 0, macro: undefined });
  }

  /** The next token as it stands, not expanded; ends the macros whose text is used up. */
  raw(): Token | undefined {
    for (;;) {
      const context = this.#contexts[this.#contexts.length - 1];
      if (context === undefined) return undefined;
      const token = context.tokens[context.at];
      if (token !== undefined) {
        context.at += 1;
        if (!this.#space) return token;
        this.#space = false;
        const given = spacedAs(token, true);
        this.#last = { given, own: token };
        return given;
      }
      if (this.#contexts.length === 1) return undefined;
      this.#end(context);
    }
  }

  /** The token that was read last came out of a macro. */
  get replacing(): boolean {
    return this.argument || this.#contexts.length > 1;
  }

  peek(): Token | undefined {
    const token = this.raw();
    if (token !== undefined) this.unread(token);
    return token;
  }

  unread(token: Token): void {
    const context = this.#contexts[this.#contexts.length - 1];
    const own = this.#last?.given === token ? this.#last.own : token;
    if (context !== undefined && context.tokens[context.at - 1] === own) {
      context.at -= 1;
      this.#space = own !== token;
    } else this.#contexts.push({ tokens: [token], at: 0, macro: undefined });
  }

  /** The next token after full replacement. */
  next(): Token | undefined {
    for (;;) {
      const token = this.raw();
      if (token?.kind !== 'name' || token.painted === true) return token;
      const dynamic = this.environment.dynamic(token, this);
      if (dynamic !== undefined) {
        if (dynamic.length === 1) return dynamic[0];
        this.#push(dynamic, undefined, token.spaced);
        continue;
      }
      const macro = this.environment.macro(token);
      if (macro === undefined) return token;
      if (this.#active.has(macro)) return { ...token, painted: true };
      const { body } = macro;
      if (body === undefined) throw new ExpansionUnclear(`the macro ${macro.name} is malformed`);
      if (body.parameters === undefined) {
        this.#push(body.pastes ? this.#substitute(body, []) : body.tokens, macro, token.spaced);
        continue;
      }
      if (!isPunctuator(this.peek(), '(')) return token;
      this.raw();
      this.#push(this.#substitute(body, this.#arguments(macro, body)), macro, token.spaced);
    }
  }

  /** @param spaced white space stands before what the tokens replace */
  #push(tokens: readonly Token[], macro: Macro | undefined, spaced: boolean): void {
    this.#made += tokens.length + 1;
    if (this.#made > tokenLimit) throw new ExpansionUnclear('the expansion is too long');
    const [first] = tokens;
    if (first === undefined) this.#space ||= spaced;
    const placed = first === undefined || first.spaced === spaced ? tokens : tokens.with(0, spacedAs(first, spaced));
    this.#contexts.push({ tokens: placed, at: 0, macro });
    if (macro !== undefined) this.#active.add(macro);
  }

  #end(context: Context): void {
    this.#contexts.pop();
    if (context.macro !== undefined) this.#active.delete(context.macro);
  }

  /** Raw arguments, the opening parenthesis being read. */
  #arguments(macro: Macro, body: MacroBody): Token[][] {
    const parameters = body.parameters ?? [];
    const list: Token[][] = [[]];
    let depth = 0;
    for (;;) {
      const token = this.raw();
      if (token === undefined) throw new ExpansionUnclear(`the arguments of ${macro.name} do not end`);
      if (token.kind === 'punctuator') {
        if (token.text === '(') depth += 1;
        else if (token.text === ')') {
          if (depth === 0) break;
          depth -= 1;
        } else if (token.text === ',' && depth === 0) {
          const rest = body.variadic !== undefined && list.length >= parameters.length;
          if (!rest) {
            list.push([]);
            continue;
          }
        }
      }
      list[list.length - 1]?.push(this.#paintedIfActive(token));
    }
    if (parameters.length === 0) {
      if (list.length > 1 || (list[0]?.length ?? 0) > 0) throw new ExpansionUnclear(`${macro.name} takes no argument`);
      return [];
    }
    if (list.length === parameters.length - 1 && body.variadic !== undefined) return list;
    if (list.length !== parameters.length) {
      throw new ExpansionUnclear(`${macro.name} is given ${list.length} arguments`);
    }
    return list;
  }

  /** A macro that is being replaced while an argument names it stays as it is for good. */
  #paintedIfActive(token: Token): Token {
    if (token.kind !== 'name' || token.painted === true || this.#active.size === 0) return token;
    const macro = this.environment.macro(token);
    return macro !== undefined && this.#active.has(macro) ? { ...token, painted: true } : token;
  }

  #expanded(tokens: readonly Token[]): Token[] {
    const stream = new TokenStream(tokens, this.environment, this.#active, true);
    const out: Token[] = [];
    for (let token = stream.next(); token !== undefined; token = stream.next()) out.push(token);
    return out;
  }

  #substitute(body: MacroBody, given: readonly (readonly Token[])[]): Token[] {
    const parameters = body.parameters ?? [];
    const expansions = new Map<number, Token[]>();
    const indexOf = (token: Token | undefined) => (token?.kind === 'name' ? parameters.indexOf(token.text) : -1);
    const expansion = (index: number): Token[] => {
      let tokens = expansions.get(index);
      if (tokens === undefined) {
        tokens = this.#expanded(given[index] ?? []);
        expansions.set(index, tokens);
      }
      return tokens;
    };
    const variadicIndex = body.variadic === undefined ? -1 : parameters.length - 1;

    const replace = (tokens: readonly Token[]): Token[] => {
      const out: Token[] = [];
      /** the last operand was empty, so that a `##` after it pastes nothing */
      let placemarker = false;
      /** and there was white space before it */
      let space = false;
      const add = (token: Token) => {
        out.push(space ? spacedAs(token, true) : token);
        space = false;
      };
      for (let at = 0; at < tokens.length; at += 1) {
        const token = tokens[at] as Token;
        if (isPunctuator(token, '#')) {
          const index = indexOf(tokens[at + 1]);
          if (index >= 0) {
            add(stringified(given[index] ?? [], token.spaced));
            placemarker = false;
            at += 1;
            continue;
          }
        }
        if (isPunctuator(token, '##') && at > 0 && at + 1 < tokens.length) {
          const right = tokens[at + 1] as Token;
          const index = indexOf(right);
          at += 1;
          const left = placemarker ? undefined : out[out.length - 1];
          if (index === variadicIndex && index >= 0 && isPunctuator(tokens[at - 2], ',')) {
            // GNU: the comma goes with an empty variable argument, and is not pasted to one that is there
            if (given[index] === undefined || (given[index].length === 0 && parameters.length > 1)) out.pop();
            else out.push(...expansion(index));
            placemarker = false;
            continue;
          }
          let operand: readonly Token[] = [right];
          if (index >= 0) operand = given[index] ?? [];
          else if (isPunctuator(right, '#') && indexOf(tokens[at + 1]) >= 0) {
            operand = [stringified(given[indexOf(tokens[at + 1])] ?? [], false)];
            at += 1;
          } else if (right.kind === 'name' && right.text === '__VA_OPT__') {
            throw new ExpansionUnclear('__VA_OPT__ beside ##');
          }
          const [first, ...rest] = operand;
          if (first === undefined) {
            if (left === undefined) placemarker = true;
            continue;
          }
          if (left === undefined) add(spacedAs(first, space));
          else out[out.length - 1] = pasted(left, first);
          out.push(...rest);
          placemarker = false;
          continue;
        }
        if (token.kind === 'name' && token.text === '__VA_OPT__' && variadicIndex >= 0) {
          const end = closing(tokens, at + 1);
          if (end < 0) throw new ExpansionUnclear('__VA_OPT__ without parentheses');
          if (isPunctuator(tokens[end + 1], '##')) throw new ExpansionUnclear('__VA_OPT__ beside ##');
          const present = expansion(variadicIndex).length > 0;
          if (present) {
            const [first, ...others] = replace(tokens.slice(at + 2, end));
            if (first === undefined) space ||= token.spaced;
            else add(spacedAs(first, token.spaced));
            out.push(...others);
          } else space ||= token.spaced;
          placemarker = !present;
          at = end;
          continue;
        }
        const index = indexOf(token);
        if (index < 0) {
          add(token);
          placemarker = false;
          continue;
        }
        const argument = isPunctuator(tokens[at + 1], '##') ? (given[index] ?? []) : expansion(index);
        argument.forEach((each, position) => add(position === 0 ? spacedAs(each, token.spaced) : each));
        placemarker = argument.length === 0;
        if (placemarker) space ||= token.spaced;
      }
      return out;
    };
    return replace(body.tokens);
  }
}

/** Full macro replacement of a list of tokens. @throws ExpansionUnclear */
export function expandTokens(tokens: readonly Token[], environment: MacroEnvironment): Token[] {
  const stream = new TokenStream(tokens, environment);
  const out: Token[] = [];
  for (let token = stream.next(); token !== undefined; token = stream.next()) out.push(token);
  return out;
}

function closing(tokens: readonly Token[], open: number): number {
  if (!isPunctuator(tokens[open], '(')) return -1;
  let depth = 0;
  for (let at = open; at < tokens.length; at += 1) {
    if (isPunctuator(tokens[at], '(')) depth += 1;
    else if (isPunctuator(tokens[at], ')') && --depth === 0) return at;
  }
  return -1;
}

function spacedAs(token: Token, spaced: boolean): Token {
  return token.spaced === spaced ? token : { ...token, spaced };
}

function pasted(left: Token, right: Token): Token {
  const tokens = tokenize(left.text + right.text);
  const [token] = tokens;
  if (token === undefined || tokens.length !== 1) {
    throw new ExpansionUnclear(`pasting ${left.text} and ${right.text} makes no token`);
  }
  return { ...token, spaced: left.spaced };
}

function stringified(tokens: readonly Token[], spaced: boolean): Token {
  let text = '';
  tokens.forEach((token, at) => {
    if (at > 0 && token.spaced) text += ' ';
    const literal = token.kind === 'string' || token.kind === 'character';
    text += literal ? token.text.replace(/["\\]/g, '\\$&') : spelling(token);
  });
  return { kind: 'string', text: `"${text}"`, spaced, name: -1 };
}
