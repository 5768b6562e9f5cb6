// Preprocessing tokens of one directive's operand (C17 6.4). Names are numbered, so that macros can be kept in arrays.

export type TokenKind = 'name' | 'number' | 'string' | 'character' | 'punctuator' | 'other';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** white space stands before it */
  readonly spaced: boolean;
  /** the white space is not one space, or is a comment between angles: not to be told from the text of a header name */
  readonly unevenly?: true;
  /** how it is spelled, when it is a digraph */
  readonly digraph?: string;
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
  let unevenly = false;
  const add = (token: Token) => {
    tokens.push(unevenly ? { ...token, unevenly } : token);
    spaced = unevenly = false;
  };
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) break;
    const [all, space, string, character, name, number, punctuator] = match;
    if (space !== undefined) {
      spaced = true;
      unevenly = space !== ' ';
    } else if (name !== undefined) add({ kind: 'name', text: name, spaced, name: nameNumber(name) });
    else if (number !== undefined) add({ kind: 'number', text: number, spaced, name: -1 });
    else if (string !== undefined) add({ kind: 'string', text: string, spaced, name: -1 });
    else if (character !== undefined) add({ kind: 'character', text: character, spaced, name: -1 });
    else if (punctuator !== undefined) {
      const meant = digraphs[punctuator];
      if (meant === undefined) add({ kind: 'punctuator', text: punctuator, spaced, name: -1 });
      else add({ kind: 'punctuator', text: meant, digraph: punctuator, spaced, name: -1 });
    } else add({ kind: 'other', text: all, spaced, name: -1 });
  }
  return tokens;
}

/** As it stands in the text, digraphs too. */
export function spelling({ digraph, text }: Token): string {
  return digraph ?? text;
}

export function isPunctuator(token: Token | undefined, text: string): boolean {
  return token?.kind === 'punctuator' && token.text === text;
}
