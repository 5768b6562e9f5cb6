// What the preprocessor obeys in one file's text: its directives, their operands and how its conditionals nest.
// A function of content and dialect alone, so it is kept by content digest. Unaware of macros' values.

/** What decides how text is cut into lines, comments and literals. Asked of the compiler for each set of flags. */
export interface Dialect {
  readonly trigraphs: boolean;
  /** `%:` is `#` */
  readonly digraphs: boolean;
  /** `//` starts a comment */
  readonly lineComments: boolean;
  readonly rawStrings: boolean;
  /** `1'000` is one number */
  readonly digitSeparators: boolean;
  /** `#elifdef` and `#elifndef` are branches */
  readonly elifdef: boolean;
}

export type DirectiveKind =
  | 'include'
  | 'include_next'
  | 'import'
  | 'embed'
  | 'define'
  | 'undef'
  | 'if'
  | 'ifdef'
  | 'ifndef'
  | 'elif'
  | 'elifdef'
  | 'elifndef'
  | 'else'
  | 'endif'
  | 'once'
  | 'push-macro'
  | 'pop-macro'
  /** the operands are names that a `_Pragma` in a macro pushes or pops: nobody knows when */
  | 'uncertain'
  | 'system-header'
  | 'error'
  | 'line'
  /** something that the scanner does not do: the operand says what */
  | 'unclear';

export interface Directive {
  readonly kind: DirectiveKind;
  /** what follows the name, comments and splices taken out, in Latin-1 (each character one byte of the file) */
  readonly operand: string;
  /** of the `#`, from 1 */
  readonly line: number;
  /** of a conditional: index of the next branch of its group, or of its `#endif`; -1 for others */
  readonly next: number;
  /** of a conditional: index of its `#endif`; -1 for others */
  readonly end: number;
}

export interface SourceDirectives {
  readonly list: readonly Directive[];
  /** why the text cannot be followed, such as an `#endif` too many */
  readonly malformed: string | undefined;
  /** `#pragma once` occurs */
  readonly once: boolean;
}

/** One letter for each feature, to be used in keys. */
export function dialectKey(dialect: Dialect): string {
  return [
    dialect.trigraphs ? 't' : '',
    dialect.digraphs ? 'd' : '',
    dialect.lineComments ? 'l' : '',
    dialect.rawStrings ? 'r' : '',
    dialect.digitSeparators ? 's' : '',
    dialect.elifdef ? 'e' : '',
  ].join('');
}
