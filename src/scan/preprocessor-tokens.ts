// Preprocessing tokens of one directive's operand (C17 6.4). Names are numbered, so that macros can be kept in arrays.

export type TokenKind = 'name' | 'number' | 'string' | 'character' | 'punctuator' | 'other';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** white space stands before it */
  readonly spaced: boolean;
  /** number of the name, see `nameNumber`; -1 for other tokens */
  readonly name: number;
  /** a name that came out of its own expansion and is never expanded again (C17 6.10.3.4) */
  readonly painted?: boolean;
}

const numbers = new Map<string, number>();

/** A small number for a name, the same as long as the process lives. */
export function nameNumber(name: string): number {
  let number = numbers.get(name);
  if (number === undefined) {
    number = numbers.size;
    numbers.set(name, number);
  }
  return number;
}

const pattern =
  /([ \t\v\f\r\n]+)|((?:u8|u|U|L)?"(?:[^"\\\n]|\\.)*")|((?:u8|u|U|L)?'(?:[^'\\\n]|\\.)*')|([A-Za-z_$\x80-\xff][\w$\x80-\xff]*)|(\.?[0-9](?:[eEpP][+-]|'[\w]|[\w.$\x80-\xff])*)|(%:%:|%:|<%|%>|<:|:>|\.\.\.|<<=|>>=|<=>|->\*?|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|##|::|[-+*/%&|^!~<>=?:;,.#(){}[\]])|([^])/y;

const digraphs: Readonly<Record<string, string>> = {
  '%:': '#',
  '%:%:': '##',
  '<%': '{',
  '%>': '}',
  '<:': '[',
  ':>': ']',
};

/** The tokens of a text without comments and splices. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let spaced = false;
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) break;
    const [all, space, string, character, name, number, punctuator] = match;
    if (space !== undefined) {
      spaced = true;
      continue;
    }
    if (name !== undefined) tokens.push({ kind: 'name', text: name, spaced, name: nameNumber(name) });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, spaced, name: -1 });
    else if (string !== undefined) tokens.push({ kind: 'string', text: string, spaced, name: -1 });
    else if (character !== undefined) tokens.push({ kind: 'character', text: character, spaced, name: -1 });
    else if (punctuator !== undefined) {
      tokens.push({ kind: 'punctuator', text: digraphs[punctuator] ?? punctuator, spaced, name: -1 });
    } else tokens.push({ kind: 'other', text: all, spaced, name: -1 });
    spaced = false;
  }
  return tokens;
}

const headerOrString = /"(?:[^"\\\n]|\\.)*"|<[^>\n]+>/g;

/** The same with each `<...>` as one token, the way clang reads the operand of an #include, arguments of macros included. */
export function tokenizeWithHeaders(text: string): Token[] {
  const tokens: Token[] = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(headerOrString)) {
    if (!found.startsWith('<')) continue;
    tokens.push(...tokenize(text.slice(from, index)));
    tokens.push({ kind: 'other', text: found, spaced: /\s$/.test(text.slice(from, index)), name: -1 });
    from = index + found.length;
  }
  tokens.push(...tokenize(text.slice(from)));
  return tokens;
}

export function isPunctuator(token: Token | undefined, text: string): boolean {
  return token?.kind === 'punctuator' && token.text === text;
}
