// The text that makes a compiler tell, through the macros it ends with (-dM), how it cuts text into tokens and what its
// operators answer; and how that is read. Pure.

import type { Dialect } from './directives.ts';

/** Something that only the compiler can answer, in Latin-1. */
export interface Question {
  /** `defined`: whether a name is one that the compiler computes; `value`: what an operator gives, `__has_builtin(x)` */
  readonly kind: 'defined' | 'value';
  readonly text: string;
}

export interface DialectAnswers {
  /** `and`, `compl` and the like are operators of #if */
  readonly operatorNames: boolean;
  /** `true` is 1 in #if */
  readonly trueIsOne: boolean;
  readonly defined: ReadonlyMap<string, boolean>;
  readonly values: ReadonlyMap<string, bigint>;
}

/** Names that are no macros of -dM and yet defined, in one compiler or another. */
export const computedNames: ReadonlySet<string> = new Set([
  '_Pragma',
  '__BASE_FILE__',
  '__COUNTER__',
  '__DATE__',
  '__FILE_NAME__',
  '__FILE__',
  '__INCLUDE_LEVEL__',
  '__LINE__',
  '__TIMESTAMP__',
  '__TIME__',
  '__building_module',
  '__has_attribute',
  '__has_builtin',
  '__has_c_attribute',
  '__has_constexpr_builtin',
  '__has_cpp_attribute',
  '__has_declspec_attribute',
  '__has_embed',
  '__has_extension',
  '__has_feature',
  '__has_include',
  '__has_include_next',
  '__has_warning',
  '__identifier',
  '__is_identifier',
  '__is_target_arch',
  '__is_target_environment',
  '__is_target_os',
  '__is_target_variant_environment',
  '__is_target_variant_os',
  '__is_target_vendor',
]);

const valueBits = 24;
const prefix = 'ICETS_PROBE_';

const dialectText = `#define ${prefix}ON 1
#if 0
#elifdef ${prefix}ON
#define ${prefix}ELIFDEF 1
#endif
%:define ${prefix}DIGRAPHS 1
??=define ${prefix}TRIGRAPHS 1
#if 1 //**/ 2
#define ${prefix}LINE_COMMENTS 1
#endif
#if !(compl - 1)
#define ${prefix}OPERATOR_NAMES 1
#endif
#if true
#define ${prefix}TRUE 1
#endif
#define ${prefix}RAW_STRINGS 1
R"(
#undef ${prefix}RAW_STRINGS
)"
0'0; /*'
#define ${prefix}NO_SEPARATORS 1
/**/
`;

export function dialectProbe(questions: readonly Question[]): string {
  const parts = [dialectText];
  let at = 0;
  for (const name of computedNames) parts.push(`#ifdef ${name}\n#define ${prefix}N${at++} 1\n#endif\n`);
  questions.forEach(({ kind, text }, index) => {
    if (kind === 'defined') {
      parts.push(`#ifdef ${text}\n#define ${prefix}Q${index} 1\n#endif\n`);
      return;
    }
    const bits = Array.from(
      { length: valueBits },
      (_, bit) => `#if (${text}) & ${2 ** bit}\n#define ${prefix}Q${index}_${bit} 1\n#endif\n`,
    );
    parts.push(`#if ${text}\n${bits.join('')}#endif\n`);
  });
  return parts.join('');
}

export interface ProbeResult {
  readonly answers: DialectAnswers;
  readonly dialect: Dialect;
  /** operands of the predefined macros' `#define`s */
  readonly definitions: readonly string[];
}

/** Reads what -dM printed after a probe with these questions. */
export function readAnswers(printed: string, questions: readonly Question[]): ProbeResult {
  const definitions: string[] = [];
  const told = new Set<string>();
  for (const line of printed.split('\n')) {
    if (!line.startsWith('#define ')) continue;
    const operand = line.slice(8);
    if (operand.startsWith(prefix)) told.add(operand.slice(prefix.length).split(' ', 1)[0] ?? '');
    else definitions.push(operand);
  }
  const defined = new Map<string, boolean>();
  const values = new Map<string, bigint>();
  let at = 0;
  for (const name of computedNames) defined.set(name, told.has(`N${at++}`));
  questions.forEach(({ kind, text }, index) => {
    if (kind === 'defined') defined.set(text, told.has(`Q${index}`));
    else {
      let value = 0n;
      for (let bit = 0; bit < valueBits; bit += 1) if (told.has(`Q${index}_${bit}`)) value |= 1n << BigInt(bit);
      values.set(text, value);
    }
  });
  return {
    answers: { defined, values, operatorNames: told.has('OPERATOR_NAMES'), trueIsOne: told.has('TRUE') },
    dialect: {
      trigraphs: told.has('TRIGRAPHS'),
      digraphs: told.has('DIGRAPHS'),
      lineComments: told.has('LINE_COMMENTS'),
      rawStrings: told.has('RAW_STRINGS'),
      digitSeparators: !told.has('NO_SEPARATORS'),
      elifdef: told.has('ELIFDEF'),
    },
    definitions,
  };
}
