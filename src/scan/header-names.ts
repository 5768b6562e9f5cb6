// The operands of #include and __has_include as tokens, and the name that they make. Unaware of files and of what macros mean.

import type { Directive } from './directives.ts';
import type { IncludeForm } from './include-search.ts';
import { ExpansionUnclear } from './macro-expansion.ts';
import { isPunctuator, spelling, tokenize, type Token } from './preprocessor-tokens.ts';

export interface HeaderName {
  readonly form: IncludeForm;
  /** without delimiters, bytes as Latin-1 */
  readonly name: string;
}

/** A directive's operand, cut up once. */
export function tokensOf(directive: Directive): readonly Token[] {
  const holder = directive as { tokens?: readonly Token[] };
  holder.tokens ??= tokenize(directive.operand);
  return holder.tokens;
}

/** Each `<...>` as one token, the way clang reads the operand of an #include, arguments of macros included. */
export function withAnglesJoined(tokens: readonly Token[]): readonly Token[] {
  const joined: Token[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] as Token;
    const opens = token.kind === 'punctuator' && spelling(token).startsWith('<');
    const end = opens ? tokens.findIndex((each, index) => index > at && each.text.includes('>')) : -1;
    if (end < 0) {
      joined.push(token);
      continue;
    }
    if (!isPunctuator(token, '<') || !isPunctuator(tokens[end], '>')) {
      throw new ExpansionUnclear('angles that are part of other tokens');
    }
    const text = tokens.slice(at + 1, end + 1).map((each) => (each.spaced ? oneSpace(each) : '') + spelling(each));
    joined.push({ kind: 'other', text: `<${text.join('')}`, spaced: token.spaced, name: -1 });
    at = end;
  }
  return joined;
}

function oneSpace({ unevenly }: Token): string {
  if (unevenly) throw new ExpansionUnclear('a name with a comment or several spaces');
  return ' ';
}

/**
 * The header that tokens name; undefined when they name none.
 * @param literal the tokens stand as written, so that spaces between them belong to the name
 */
export function headerName(tokens: readonly Token[], literal: boolean): HeaderName | undefined {
  const [first] = tokens;
  if (first?.kind === 'string') {
    if (!first.text.startsWith('"') || tokens.length > 1) return undefined;
    const name = first.text.slice(1, -1);
    return name === '' ? undefined : { form: 'quote', name };
  }
  if (first?.kind === 'other' && first.text.startsWith('<') && first.text.length > 2) {
    return tokens.length > 1 ? undefined : { form: 'angle', name: first.text.slice(1, -1) };
  }
  if (!isPunctuator(first, '<')) return undefined;
  let name = '';
  for (let at = 1; at < tokens.length; at += 1) {
    const token = tokens[at] as Token;
    if (token.spaced) {
      // the compilers differ in which spaces of an expansion they keep
      if (!literal) throw new ExpansionUnclear('a computed name with spaces');
      name += oneSpace(token);
    }
    if (token.text.includes('>')) {
      return name === '' || token.text !== '>' || at + 1 < tokens.length ? undefined : { form: 'angle', name };
    }
    name += spelling(token);
  }
  return undefined;
}
