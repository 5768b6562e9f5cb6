// How one compiler option is written and what it means to icets: the vocabulary of the option table. Types only.

import type { CommandReason } from '../model/failure.ts';
import type { SearchDirectory, ForcedInclude } from './parsed-compile.ts';

/**
 * - `flag`: the whole argument. `joined`: the value follows at once, may be empty. `separate`: the next argument.
 * - `either`: joined when there is more text, else the next argument. `comma`: joined, split at commas.
 */
export type OptionShape = 'flag' | 'joined' | 'separate' | 'either' | 'comma';

/** Options whose last occurrence decides something; see the switch in classify.ts. */
export type OptionNote =
  | 'lto'
  | 'no-lto'
  | 'random-seed'
  | 'no-random-seed'
  | 'debug'
  | 'split-dwarf'
  | 'no-split-dwarf'
  | 'stack-usage'
  | 'color'
  | 'no-color'
  | 'records-command-line'
  | 'emit-llvm'
  | 'embed-source'
  | 'compilation-directory'
  | 'native-capable';

export type OptionMeaning =
  /** changes the code or the messages, nothing else; the same anywhere */
  | { readonly kind: 'pass' }
  | { readonly kind: 'local'; readonly reason: CommandReason }
  | { readonly kind: 'mode'; readonly mode: 'object' | 'assembly' | 'preprocess' | 'dependencies' | 'syntax' }
  | { readonly kind: 'output' }
  | { readonly kind: 'language' }
  | { readonly kind: 'directory'; readonly option: SearchDirectory['option'] }
  | { readonly kind: 'forced-include'; readonly option: ForcedInclude['option'] }
  | { readonly kind: 'sysroot' }
  | { readonly kind: 'header-sysroot' }
  | { readonly kind: 'no-standard-includes' }
  | { readonly kind: 'no-standard-cxx-includes' }
  | { readonly kind: 'prefixed-search' }
  | { readonly kind: 'macro' }
  | { readonly kind: 'dependency'; readonly part: 'MD' | 'MMD' | 'MF' | 'MT' | 'MQ' | 'MP' }
  | { readonly kind: 'extra-input' }
  | { readonly kind: 'note'; readonly note: OptionNote }
  | { readonly kind: 'diagnostics-format' }
  /** goes to standard error, or to a file when the value has a `=` */
  | { readonly kind: 'optimizer-report' }
  | { readonly kind: 'tool-arguments'; readonly tool: 'assembler' | 'preprocessor' | 'cc1' | 'llvm' };

export interface OptionSpec {
  readonly name: string;
  readonly shape: OptionShape;
  readonly meaning: OptionMeaning;
  /** absent: both families have it */
  readonly only?: 'gcc' | 'clang';
}
