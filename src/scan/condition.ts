// The integer constant expression of an #if (C17 6.10.1) over expanded tokens: intmax_t and uintmax_t of 64 bits.
// Unaware of macros.

import { ExpansionUnclear } from './macro-expansion.ts';
import type { Token } from './preprocessor-tokens.ts';

interface Value {
  readonly bits: bigint;
  readonly unsigned: boolean;
}

export interface ConditionRules {
  readonly operatorNames: boolean;
  readonly trueIsOne: boolean;
  /** `1'000` is one number */
  readonly digitSeparators: boolean;
  /** plain `char` is unsigned on the target */
  readonly unsignedChar: boolean;
  readonly unsignedWideChar: boolean;
  /** gcc: a shift by a negative count goes the other way; clang has other results, and not the same in all versions */
  readonly negativeShiftsTurn: boolean;
}

const operatorNames: Readonly<Record<string, string>> = {
  and: '&&',
  or: '||',
  not: '!',
  not_eq: '!=',
  bitand: '&',
  bitor: '|',
  xor: '^',
  compl: '~',
};

/** Binary operators by how tightly they bind. */
const precedence: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '|': 3,
  '^': 4,
  '&': 5,
  '==': 6,
  '!=': 6,
  '<': 7,
  '>': 7,
  '<=': 7,
  '>=': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '%': 10,
};

const zero: Value = { bits: 0n, unsigned: false };
const one: Value = { bits: 1n, unsigned: false };

/** Whether the condition holds. @throws ExpansionUnclear for what is no such expression */
export function conditionHolds(tokens: readonly Token[], rules: ConditionRules): boolean {
  if (tokens.length === 1 && tokens[0]?.kind === 'number') {
    if (tokens[0].text === '0') return false;
    if (tokens[0].text === '1') return true;
  }
  return new ConditionParser(tokens, rules).run().bits !== 0n;
}

class ConditionParser {
  readonly #tokens: readonly Token[];
  readonly #rules: ConditionRules;
  #at = 0;

  constructor(tokens: readonly Token[], rules: ConditionRules) {
    this.#tokens = tokens;
    this.#rules = rules;
  }

  run(): Value {
    const value = this.#comma(true);
    if (this.#at < this.#tokens.length) throw new ExpansionUnclear('text behind the condition');
    return value;
  }

  #operator(): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined) return undefined;
    if (token.kind === 'punctuator') return token.text;
    return token.kind === 'name' && this.#rules.operatorNames ? operatorNames[token.text] : undefined;
  }

  #comma(evaluated: boolean): Value {
    let value = this.#ternary(evaluated);
    while (this.#operator() === ',') {
      this.#at += 1;
      value = this.#ternary(evaluated);
    }
    return value;
  }

  #ternary(evaluated: boolean): Value {
    const condition = this.#binary(1, evaluated);
    if (this.#operator() !== '?') return condition;
    this.#at += 1;
    const chosen = condition.bits !== 0n;
    const yes = this.#comma(evaluated && chosen);
    if (this.#operator() !== ':') throw new ExpansionUnclear('? without :');
    this.#at += 1;
    const no = this.#ternary(evaluated && !chosen);
    const unsigned = yes.unsigned || no.unsigned;
    return made(chosen ? yes.bits : no.bits, unsigned);
  }

  #binary(least: number, evaluated: boolean): Value {
    let left = this.#unary(evaluated);
    for (;;) {
      const operator = this.#operator();
      const tightness = operator === undefined ? undefined : precedence[operator];
      if (operator === undefined || tightness === undefined || tightness < least) return left;
      this.#at += 1;
      const decided = (operator === '&&' && left.bits === 0n) || (operator === '||' && left.bits !== 0n);
      const right = this.#binary(tightness + 1, evaluated && !decided);
      left = combined(operator, left, right, evaluated, this.#rules);
    }
  }

  #unary(evaluated: boolean): Value {
    switch (this.#operator()) {
      case '!': {
        this.#at += 1;
        return this.#unary(evaluated).bits === 0n ? one : zero;
      }
      case '~': {
        this.#at += 1;
        const value = this.#unary(evaluated);
        return made(~value.bits, value.unsigned);
      }
      case '-': {
        this.#at += 1;
        const value = this.#unary(evaluated);
        return made(-value.bits, value.unsigned);
      }
      case '+':
        this.#at += 1;
        return this.#unary(evaluated);
      case '(': {
        this.#at += 1;
        const value = this.#comma(evaluated);
        if (this.#operator() !== ')') throw new ExpansionUnclear('( without )');
        this.#at += 1;
        return value;
      }
      default:
        return this.#primary();
    }
  }

  #primary(): Value {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    switch (token?.kind) {
      case 'number':
        if (!this.#rules.digitSeparators && token.text.includes("'")) {
          throw new ExpansionUnclear(`the number ${token.text}`);
        }
        return numberValue(token.text);
      case 'character':
        return characterValue(token.text, this.#rules);
      case 'name':
        if (this.#rules.trueIsOne && token.text === 'true') return one;
        if (/[^\x20-\x7e]/.test(token.text)) throw new ExpansionUnclear('a name beyond ASCII');
        return zero;
      default:
        throw new ExpansionUnclear(`${token?.text ?? 'nothing'} where a value is expected`);
    }
  }
}

function made(bits: bigint, unsigned: boolean): Value {
  return { bits: unsigned ? BigInt.asUintN(64, bits) : BigInt.asIntN(64, bits), unsigned };
}

function truth(holds: boolean): Value {
  return holds ? one : zero;
}

function combined(
  operator: string,
  left: Value,
  right: Value,
  evaluated: boolean,
  { negativeShiftsTurn }: ConditionRules,
): Value {
  switch (operator) {
    case '||':
      return truth(left.bits !== 0n || right.bits !== 0n);
    case '&&':
      return truth(left.bits !== 0n && right.bits !== 0n);
    case '<<':
    case '>>':
      return evaluated ? shifted(left, operator, right, negativeShiftsTurn) : left;
    default:
      break;
  }
  const unsigned = left.unsigned || right.unsigned;
  const a = made(left.bits, unsigned).bits;
  const b = made(right.bits, unsigned).bits;
  switch (operator) {
    case '|':
      return made(a | b, unsigned);
    case '^':
      return made(a ^ b, unsigned);
    case '&':
      return made(a & b, unsigned);
    case '==':
      return truth(a === b);
    case '!=':
      return truth(a !== b);
    case '<':
      return truth(a < b);
    case '>':
      return truth(a > b);
    case '<=':
      return truth(a <= b);
    case '>=':
      return truth(a >= b);
    case '+':
      return made(a + b, unsigned);
    case '-':
      return made(a - b, unsigned);
    case '*':
      return made(a * b, unsigned);
    case '/':
    case '%':
      if (b === 0n) {
        if (evaluated) throw new ExpansionUnclear('division by zero');
        return made(0n, unsigned);
      }
      return made(operator === '/' ? a / b : a % b, unsigned);
    default:
      throw new ExpansionUnclear(`the operator ${operator}`);
  }
}

/** gcc and clang differ for counts beyond the width; those are not answered. */
function shifted(left: Value, operator: '<<' | '>>', { bits }: Value, negativeShiftsTurn: boolean): Value {
  const turned = bits < 0n && negativeShiftsTurn;
  const count = turned ? -bits : bits;
  if (count >= 64n || count < 0n) throw new ExpansionUnclear('a shift by a negative count, or beyond the width');
  const up = (operator === '<<') !== turned;
  return made(up ? left.bits << count : left.bits >> count, left.unsigned);
}

const numberPattern = /^(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)([uUlLzZ]*)$/;

const knownNumbers = new Map<string, Value>();

function numberValue(text: string): Value {
  let value = knownNumbers.get(text);
  if (value === undefined) {
    value = readNumber(text);
    if (knownNumbers.size > 10_000) knownNumbers.clear();
    knownNumbers.set(text, value);
  }
  return value;
}

function readNumber(text: string): Value {
  const plain = text.includes("'") ? text.replace(/'/g, '') : text;
  const match = numberPattern.exec(plain);
  if (match === null) throw new ExpansionUnclear(`the number ${text}`);
  const [, digits = '', suffix = ''] = match;
  const octal = /^0[0-7]+$/.test(digits);
  const bits = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (bits >= 1n << 64n) throw new ExpansionUnclear(`the number ${text} is too large`);
  return made(bits, /[uU]/.test(suffix) || bits >= 1n << 63n);
}

const escapes: Readonly<Record<string, number>> = {
  n: 10,
  t: 9,
  r: 13,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
  e: 27,
  E: 27,
  '\\': 92,
  "'": 39,
  '"': 34,
  '?': 63,
};

function characterValue(text: string, rules: ConditionRules): Value {
  const codes: number[] = [];
  const prefix = text.slice(0, text.indexOf("'"));
  const inner = text.slice(prefix.length + 1, -1);
  const pattern = /\\x([0-9a-fA-F]+)|\\([0-7]{1,3})|\\(.)|([\x20-\x7e])|([^])/gy;
  for (const [, hex, octal, escape, plain] of inner.matchAll(pattern)) {
    if (hex !== undefined) codes.push(Number.parseInt(hex, 16));
    else if (octal !== undefined) codes.push(Number.parseInt(octal, 8));
    else if (escape !== undefined && escapes[escape] !== undefined) codes.push(escapes[escape]);
    else if (plain !== undefined) codes.push(plain.charCodeAt(0));
    else throw new ExpansionUnclear(`the character ${text}`);
  }
  if (codes.length === 0 || codes.some((code) => code > 255)) throw new ExpansionUnclear(`the character ${text}`);
  if (prefix !== '') {
    // wchar_t, char16_t and char32_t hold any of these codes; the type of u8'x' depends on the language
    if (codes.length > 1 || prefix === 'u8') throw new ExpansionUnclear(`the character ${text}`);
    return made(BigInt(codes[0] ?? 0), prefix === 'L' ? rules.unsignedWideChar : true);
  }
  if (codes.length > 4) throw new ExpansionUnclear(`the character ${text}`);
  const [first = 0] = codes;
  if (codes.length === 1) return made(BigInt(!rules.unsignedChar && first > 127 ? first - 256 : first), false);
  let bits = 0;
  for (const code of codes) bits = (bits << 8) | code;
  return made(BigInt(bits | 0), false);
}
