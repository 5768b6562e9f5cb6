// The operands of #include and __has_include as tokens, and the name that they make. Unaware of files and of what macros mean.

import type { Directive } from './directives.ts';
import type { IncludeForm } from './include-search.ts';
import { ExpansionUnclear } from './macro-expansion.ts';
import { isPunctuator, tokenize, tokenizeWithHeaders, type Token } from './preprocessor-tokens.ts';

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

const computedOperand = /\b__has_include(?:_next)?\s*\(\s*[A-Za-z_]\w*\s*\([^"]*</;
const hasIncludeStart = /\b__has_include(?:_next)?\s*\(\s*(?=[A-Za-z_])/g;

/** `__has_include(MACRO(<...>))`: clang reads the operand like that of an #include. */
export function clangConditionTokens(directive: Directive): readonly Token[] {
  const text = directive.operand;
  if (!text.includes('<') || !computedOperand.test(text)) return tokensOf(directive);
  const tokens: Token[] = [];
  let from = 0;
  for (const { 0: start, index } of text.matchAll(hasIncludeStart)) {
    const operand = index + start.length;
    if (operand < from) continue;
    const end = operandEnd(text, operand);
    tokens.push(...tokenize(text.slice(from, operand)), ...tokenizeWithHeaders(text.slice(operand, end)));
    from = end;
  }
  tokens.push(...tokenize(text.slice(from)));
  return tokens;
}

/** Index of the parenthesis that ends an operand; one in `<...>` or in a string does not. */
function operandEnd(text: string, at: number): number {
  let depth = 1;
  for (const { 0: found, index } of text.slice(at).matchAll(/"[^"]*"|<[^>]*>|[()]/g)) {
    if (found === '(') depth += 1;
    else if (found === ')' && --depth === 0) return at + index;
  }
  return text.length;
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
      name += ' ';
    }
    if (token.kind === 'punctuator' && token.text.startsWith('>')) {
      return name === '' || token.text !== '>' || at + 1 < tokens.length ? undefined : { form: 'angle', name };
    }
    name += token.text;
  }
  return undefined;
}
