// Cuts a file's text into directives: phases 1 to 3 of translation (C17 5.1.1.2) as far as they decide where a directive
// starts and what it says. Comments, splices, strings, raw strings and character literals hide directives.

import type { Dialect, DirectiveKind, SourceDirectives } from './directives.ts';

const newline = 10;
const quote = 34;
const hash = 35;
const percent = 37;
const apostrophe = 39;
const star = 42;
const slash = 47;
const colon = 58;
const backslash = 92;
const capitalR = 82;

/** Characters at which skipping ordinary text has to look twice. */
const special = new Uint8Array(256);
for (const code of [newline, quote, apostrophe, slash, backslash]) special[code] = 1;

const trigraphs: Readonly<Record<string, string>> = {
  '=': '#',
  '/': '\\',
  "'": '^',
  '(': '[',
  ')': ']',
  '!': '|',
  '<': '{',
  '>': '}',
  '-': '~',
};

/** @param content bytes of the file in Latin-1 */
export function lexDirectives(content: string, dialect: Dialect): SourceDirectives {
  const text =
    dialect.trigraphs && content.includes('??')
      ? content.replace(/\?\?([=/'()!<>-])/g, (_, last: string) => trigraphs[last] ?? '')
      : content;
  return new DirectiveLexer(text, dialect).run();
}

interface OpenDirective {
  kind: DirectiveKind;
  operand: string;
  line: number;
  next: number;
  end: number;
}

class DirectiveLexer {
  readonly #text: string;
  readonly #dialect: Dialect;
  readonly #list: OpenDirective[] = [];
  /** of every open conditional group: the indexes of its branches */
  readonly #groups: number[][] = [];
  readonly #pragmaOperators: boolean;
  #malformed: string | undefined;
  #once = false;
  #countedTo = 0;
  #line = 1;

  constructor(text: string, dialect: Dialect) {
    this.#text = text;
    this.#dialect = dialect;
    this.#pragmaOperators = text.includes('_Pragma');
  }

  run(): SourceDirectives {
    const text = this.#text;
    const length = text.length;
    let at = text.startsWith('\xef\xbb\xbf') ? 3 : 0;
    while (at < length) {
      at = this.#skipBlank(at);
      const code = text.charCodeAt(at);
      if (code === hash) at = this.#directive(at + 1);
      else if (this.#startsDigraph(code, at)) {
        at = this.#directive(this.#spliced(at + 1) + 1);
      } else if (code === newline) at += 1;
      else if (at < length) {
        const start = at;
        at = this.#skipText(at);
        if (this.#pragmaOperators) this.#operators(text.slice(start, at), start);
      }
    }
    if (text.includes('\r') && loneReturn.test(text)) this.#malformed ??= 'a carriage return that ends no line';
    if (this.#groups.length > 0) this.#malformed ??= 'a conditional is not ended';
    return { list: this.#list, malformed: this.#malformed, once: this.#once };
  }

  #startsDigraph(code: number, at: number): boolean {
    return code === percent && this.#dialect.digraphs && this.#text.charCodeAt(this.#spliced(at + 1)) === colon;
  }

  /** Behind white space and comments that a directive may follow; at a newline, or at the first character of something. */
  #skipBlank(at: number): number {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === 32 || code === 9 || code === 11 || code === 12 || code === 13) at += 1;
      else if (code === slash) {
        const next = this.#spliced(at + 1);
        const after = text.charCodeAt(next);
        if (after === star) at = this.#commentEnd(next + 1);
        else if (after === slash && this.#dialect.lineComments) return this.#lineCommentEnd(next + 1);
        else return at;
      } else if (code === backslash) {
        const behind = this.#spliced(at);
        if (behind === at) return at;
        at = behind;
      } else return at;
    }
  }

  /** To the newline that ends the logical line. */
  #skipText(at: number): number {
    const text = this.#text;
    const length = text.length;
    for (;;) {
      let code = 0;
      while (at < length) {
        code = text.charCodeAt(at);
        if (special[code] === 1) break;
        at += 1;
      }
      if (at >= length) return length;
      switch (code) {
        case newline:
          return at;
        case quote:
          at = this.#stringEnd(at);
          break;
        case apostrophe:
          at = this.#characterEnd(at);
          break;
        case backslash: {
          const behind = this.#spliced(at);
          at = behind === at ? at + 1 : behind;
          break;
        }
        default: {
          const next = this.#spliced(at + 1);
          const after = text.charCodeAt(next);
          if (after === star) at = this.#commentEnd(next + 1);
          else if (after === slash && this.#dialect.lineComments) return this.#lineCommentEnd(next + 1);
          else at += 1;
        }
      }
    }
  }

  /** Behind any splices (a backslash, white space, a newline) that start here. */
  #spliced(at: number): number {
    const text = this.#text;
    while (text.charCodeAt(at) === backslash) {
      let end = at + 1;
      let code = text.charCodeAt(end);
      while (code === 32 || code === 9 || code === 11 || code === 12 || code === 13) code = text.charCodeAt(++end);
      if (code !== newline) return at;
      at = end + 1;
    }
    return at;
  }

  #commentEnd(at: number): number {
    const text = this.#text;
    for (;;) {
      const end = text.indexOf('*', at);
      if (end < 0) return text.length;
      const next = this.#spliced(end + 1);
      if (text.charCodeAt(next) === slash) return next + 1;
      at = end + 1;
    }
  }

  #lineCommentEnd(at: number): number {
    const text = this.#text;
    for (;;) {
      const end = text.indexOf('\n', at);
      if (end < 0) return text.length;
      let before = end - 1;
      let code = text.charCodeAt(before);
      while (before > at && (code === 32 || code === 9 || code === 11 || code === 12 || code === 13)) {
        code = text.charCodeAt(--before);
      }
      if (code !== backslash || before < at) return end;
      at = end + 1;
    }
  }

  /** Behind the string whose quote is at `at`; at the newline when it is not terminated. */
  #stringEnd(at: number): number {
    if (this.#dialect.rawStrings && this.#text.charCodeAt(at - 1) === capitalR) {
      const end = this.#rawStringEnd(at);
      if (end !== undefined) return end;
    }
    return this.#literalEnd(at, quote);
  }

  #characterEnd(at: number): number {
    if (this.#dialect.digitSeparators && this.#insideNumber(at)) return at + 1;
    return this.#literalEnd(at, apostrophe);
  }

  #literalEnd(at: number, terminator: number): number {
    const text = this.#text;
    at += 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === terminator) return at + 1;
      if (code === newline || at >= text.length) return at;
      if (code === backslash) {
        const behind = this.#spliced(at);
        if (behind !== at) {
          at = behind;
          continue;
        }
        at = this.#spliced(at + 1);
        if (text.charCodeAt(at) === newline || at >= text.length) return at;
      }
      at += 1;
    }
  }

  /** `R"delimiter(...)delimiter"` with its encoding prefix; undefined when it is none. */
  #rawStringEnd(at: number): number | undefined {
    const text = this.#text;
    const prefix = /(?:^|[^A-Za-z0-9_$\x80-\xff])(?:u8|u|U|L)?R$/.test(text.slice(Math.max(0, at - 4), at));
    if (!prefix) return undefined;
    const opening = /"([^ ()\\\t\v\f\n\r]{0,16})\(/y;
    opening.lastIndex = at;
    const delimiter = opening.exec(text)?.[1];
    if (delimiter === undefined) return undefined;
    const end = text.indexOf(`)${delimiter}"`, opening.lastIndex);
    return end < 0 ? text.length : end + delimiter.length + 2;
  }

  /** Whether the apostrophe stands in a number and separates two of its digits. */
  #insideNumber(at: number): boolean {
    const text = this.#text;
    if (!/[0-9A-Za-z_]/.test(text[at + 1] ?? '')) return false;
    let start = at;
    while (start > 0 && /[0-9A-Za-z_.']/.test(text[start - 1] ?? '')) start -= 1;
    return /^\.?[0-9]/.test(text.slice(start, at)) && start < at;
  }

  /** @param at behind the `#` */
  #directive(at: number): number {
    const text = this.#text;
    const line = this.#lineOf(at);
    let end = text.indexOf('\n', at);
    if (end < 0) end = text.length;
    let said = text.slice(at, end);
    if (needsCare.test(said)) {
      const careful = this.#logicalLine(at);
      said = careful.said;
      end = careful.end;
    }
    const match = namePattern.exec(said);
    if (match !== null) this.#take(match[1] ?? '', said.slice(match[0].length).trim(), line);
    return end;
  }

  /** The rest of a directive with each comment as white space and without splices. */
  #logicalLine(at: number): { said: string; end: number } {
    const text = this.#text;
    let said = '';
    let from = at;
    let angled = false;
    for (;;) {
      const code = text.charCodeAt(at);
      if (at >= text.length || code === newline) return { said: said + text.slice(from, at), end: at };
      if (code === quote || code === apostrophe) {
        const end = code === quote ? this.#stringEnd(at) : this.#characterEnd(at);
        said += withoutSplices(text.slice(from, end));
        at = from = end;
      } else if (code === backslash) {
        const behind = this.#spliced(at);
        if (behind === at) at += 1;
        else {
          said += text.slice(from, at);
          at = from = behind;
        }
      } else if (code === slash && !angled) {
        const next = this.#spliced(at + 1);
        const after = text.charCodeAt(next);
        if (after === star) {
          said += text.slice(from, at);
          // compilers may read what looks like a comment as part of a header's name
          said += namesHeaders.test(said) && said.lastIndexOf('<') > said.lastIndexOf('>') ? '\n' : ' ';
          at = from = this.#commentEnd(next + 1);
        } else if (after === slash && this.#dialect.lineComments) {
          return { said: said + text.slice(from, at), end: this.#lineCommentEnd(next + 1) };
        } else at += 1;
      } else {
        if (code === 60 && includeStart.test(said + text.slice(from, at))) angled = true;
        else if (code === 62) angled = false;
        at += 1;
      }
    }
  }

  #take(name: string, operand: string, line: number): void {
    switch (name) {
      case 'include':
      case 'include_next':
      case 'import':
      case 'embed':
      case 'undef':
      case 'error':
      case 'line':
        this.#push(name, operand, line);
        return;
      case 'define':
        if (this.#pragmaOperators && operand.includes('_Pragma')) this.#pragmasInMacro(operand, line);
        if (!this.#dialect.digraphs && operand.includes('%:')) this.#push('unclear', '%: in a macro', line);
        else this.#push('define', operand, line);
        return;
      case 'if':
      case 'ifdef':
      case 'ifndef':
        this.#groups.push([this.#list.length]);
        this.#push(name, operand, line);
        return;
      case 'elifdef':
      case 'elifndef':
        if (!this.#dialect.elifdef) return;
        this.#branch(name, operand, line);
        return;
      case 'elif':
      case 'else':
        this.#branch(name, operand, line);
        return;
      case 'endif':
        this.#endGroup(line);
        return;
      case 'pragma':
        this.#pragma(operand, line);
        return;
      case 'assert':
      case 'unassert':
        this.#push('unclear', `#${name}`, line);
        return;
      default:
        return; // #ident, #warning, line markers, and what compilers pass over in other languages
    }
  }

  #branch(kind: DirectiveKind, operand: string, line: number): void {
    const group = this.#groups[this.#groups.length - 1];
    if (group === undefined) this.#malformed ??= `#${kind} without #if`;
    group?.push(this.#list.length);
    this.#push(kind, operand, line);
  }

  #endGroup(line: number): void {
    const group = this.#groups.pop();
    if (group === undefined) {
      this.#malformed ??= '#endif without #if';
      return;
    }
    const end = this.#list.length;
    group.forEach((index, position) => {
      const branch = this.#list[index];
      if (branch === undefined) return;
      branch.next = group[position + 1] ?? end;
      branch.end = end;
      if (branch.kind === 'else' && position < group.length - 1) this.#malformed ??= 'a branch follows #else';
    });
    this.#push('endif', '', line);
  }

  #pragma(operand: string, line: number): void {
    const words = /^(?:(?:GCC|clang)[ \t]+)?(\w+)/.exec(operand)?.[1];
    switch (words) {
      case 'once':
        this.#once = true;
        this.#push('once', '', line);
        return;
      case 'push_macro':
      case 'pop_macro': {
        const name = /^\w+[ \t]*\([ \t]*"([^"]*)"[ \t]*\)/.exec(operand)?.[1];
        if (name !== undefined) this.#push(words === 'push_macro' ? 'push-macro' : 'pop-macro', name.trim(), line);
        return;
      }
      case 'system_header':
        this.#push('system-header', '', line);
        return;
      case 'include_alias':
      case 'dependency':
      case 'pch_preprocess':
      case 'module':
        this.#push('unclear', `#pragma ${words}`, line);
        return;
      default:
        return;
    }
  }

  /** `_Pragma("...")` in ordinary text does what the directive would do at this place. */
  #operators(text: string, start: number): void {
    for (const match of text.matchAll(operatorPattern)) {
      this.#pragma(unescaped(match[1] ?? '').trim(), this.#lineOf(start));
    }
  }

  /** Nobody knows when the macro will be used: the names that it touches are uncertain from here on. */
  #pragmasInMacro(operand: string, line: number): void {
    for (const match of operand.matchAll(operatorPattern)) {
      const pragma = unescaped(match[1] ?? '').trim();
      const name = /^(?:push|pop)_macro[ \t]*\([ \t]*"([^"]*)"/.exec(pragma)?.[1];
      if (name !== undefined) this.#push('uncertain', name.trim(), line);
      else if (/^(?:once|(?:GCC[ \t]+)?(?:include_alias|dependency))\b/.test(pragma)) {
        this.#push('unclear', `_Pragma("${pragma}") in a macro`, line);
      }
    }
  }

  #push(kind: DirectiveKind, operand: string, line: number): void {
    this.#list.push({ kind, operand, line, next: -1, end: -1 });
  }

  #lineOf(at: number): number {
    const text = this.#text;
    for (;;) {
      const next = text.indexOf('\n', this.#countedTo);
      if (next < 0 || next >= at) return this.#line;
      this.#countedTo = next + 1;
      this.#line += 1;
    }
  }
}

/** A new line for clang, an odd character for gcc. */
const loneReturn = /\r(?!\n)/;
/** A comment, a splice or a raw string may be about. */
const needsCare = /\/[/*\\]|\\[ \t\v\f\r]*$|R"/;
const namePattern = /^[ \t\v\f\r]*([A-Za-z_]\w*)/;
const includeStart = /^[ \t\v\f\r]*(?:include|include_next|import|embed)[ \t\v\f\r]*$/;
const namesHeaders = /^[ \t\v\f\r]*(?:if|elif|include|include_next|import)\b/;
const operatorPattern = /\b_Pragma[ \t]*\([ \t]*(?:u8|u|U|L)?"((?:[^"\\]|\\.)*)"[ \t]*\)/g;

function unescaped(literal: string): string {
  return literal.replace(/\\(["\\])/g, '$1');
}

function withoutSplices(text: string): string {
  return text.includes('\n') && !text.includes('R"') ? text.replace(/\\[ \t\v\f\r]*\n/g, '') : text;
}
