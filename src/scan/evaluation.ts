// What the evaluation of a translation unit starts from, what it gives, and why it can be given up.

import type { CompilerFamily } from '../compiler/compiler-family.ts';
import type { CompilerFacts } from './compiler-facts.ts';
import type { Question } from './dialect-probe.ts';
import type { SourceDirectives } from './directives.ts';
import type { FileVersion } from './file-table.ts';
import type { FolderNames } from './folder-names.ts';
import type { IncludeSearch, Trail } from './include-search.ts';
import type { ExistenceProbe } from './scanner.ts';

export interface UnitText {
  readonly family: CompilerFamily['kind'];
  readonly source: string;
  /** `-D` and `-U` as argv elements, in order */
  readonly macros: readonly string[];
  /** in the order in which the compiler reads them: all -imacros, then all -include */
  readonly forcedIncludes: readonly string[];
  readonly facts: CompilerFacts;
  readonly search: IncludeSearch;
  readonly directivesOf: (version: FileVersion) => SourceDirectives;
  readonly notBeforeMs: number;
  /** clang's names of directories, those of the command line being known; undefined for gcc */
  readonly folderNames: FolderNames | undefined;
  /** moment of the monotonic clock at which the evaluation pauses; whoever resumes it sets the next one */
  readonly slice: { endMs: number };
  /** names mean the same under a -f…-prefix-map? then `__FILE__` is known */
  readonly fileNamesKnown: boolean;
}

export interface Evaluation {
  /** every file whose text was wanted, in order of first opening */
  readonly files: readonly FileVersion[];
  /** names as the compiler lists them with -M */
  readonly dependencies: readonly string[];
  readonly probes: readonly ExistenceProbe[];
  readonly trail: Trail;
  /** what only the compiler can answer; the evaluation is worth nothing when there are any */
  readonly questions: readonly Question[];
  /** what the compiler was asked and has answered, as far as it was needed here */
  readonly answered: readonly Question[];
}

/** Why an exact evaluation was given up; docs/errors.md explains each. */
export const unclearReasons = [
  'include-not-found',
  'error-directive',
  'malformed-directives',
  'unsupported-directive',
  'unclear-expression',
  'uncertain-macro',
  'unsupported-option',
  'too-deep',
  'file-unreadable',
  'changing-inputs',
  'unproven-before',
] as const;
export type UnclearReason = (typeof unclearReasons)[number];

/** The unit does something that this evaluation does not do, or cannot know. */
export class Unclear extends Error {
  constructor(
    readonly reason: UnclearReason,
    message: string,
  ) {
    super(message);
  }
}
