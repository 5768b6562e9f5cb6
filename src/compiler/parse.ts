// Splits an argv into options with their values and inputs, by the option table alone. Unaware of what they mean together.

import type { CompilerFamily } from './compiler-family.ts';
import type { OptionSpec } from './option-shape.ts';
import { findOption } from './options.ts';

export type Argument =
  | { readonly kind: 'input'; readonly index: number; readonly path: string }
  /** `length` argv elements from `index`; `value` is empty for a flag */
  | {
      readonly kind: 'option';
      readonly index: number;
      readonly length: 1 | 2;
      readonly spec: OptionSpec;
      readonly text: string;
      readonly value: string;
    }
  | { readonly kind: 'unknown'; readonly index: number; readonly text: string }
  /** an option at the end of argv whose value is not there */
  | { readonly kind: 'incomplete'; readonly index: number; readonly text: string };

/** Splits argv (without argv[0], response files expanded). `-` alone is an input. */
export function parseArguments(argv: readonly string[], kind: CompilerFamily['kind']): Argument[] {
  const list: Argument[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const text = argv[index] ?? '';
    if (!text.startsWith('-') || text === '-') {
      list.push({ kind: 'input', index, path: text });
      continue;
    }
    const spec = findOption(text, kind);
    if (spec === undefined) {
      list.push({ kind: 'unknown', index, text });
      continue;
    }
    const takesNext = spec.shape === 'separate' || (spec.shape === 'either' && text.length === spec.name.length);
    if (!takesNext) {
      list.push({ kind: 'option', index, length: 1, spec, text, value: text.slice(spec.name.length) });
      continue;
    }
    const value = argv[index + 1];
    if (value === undefined) {
      list.push({ kind: 'incomplete', index, text });
    } else {
      list.push({ kind: 'option', index, length: 2, spec, text, value });
      index += 1;
    }
  }
  return list;
}
