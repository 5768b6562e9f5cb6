// A step: one thing the build did. Every step has a record; the report, the monitor and `explain` only read records.

import type { LocalReason } from './failure.ts';

export const stepKinds = [
  'compile',
  'assemble',
  'precompile',
  'link',
  'archive',
  'download',
  'extract',
  'configure',
  'generate',
  'install',
  'test',
  'other',
] as const;
export type StepKind = (typeof stepKinds)[number];

export type StepPlace =
  | { readonly kind: 'remote'; readonly worker: string; readonly attempts: number }
  | { readonly kind: 'cache'; readonly worker: string }
  | { readonly kind: 'local'; readonly reason: LocalReason; readonly detail: string };

/** Milliseconds spent in each phase, as far as the step got. */
export interface StepPhases {
  readonly waitSlotMs?: number;
  readonly classifyMs?: number;
  readonly toolchainMs?: number;
  readonly scanMs?: number;
  readonly digestMs?: number;
  readonly uploadMs?: number;
  readonly queueMs?: number;
  readonly fetchMs?: number;
  readonly setupMs?: number;
  readonly runMs?: number;
  /** from the action's look-up to its outputs' arrival; upload, queue, fetch, setup and run lie inside */
  readonly remoteMs?: number;
  /** the checks before a result is believed */
  readonly proveMs?: number;
  readonly writeMs?: number;
  readonly localMs?: number;
}

export type StepEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: number }
  | { readonly kind: 'cancelled' }
  /** it ran without the agent, which learned of it later */
  | { readonly kind: 'unknown' };

export interface StepRecord {
  /** version of this shape */
  readonly v: 1;
  /** correlation id, from the launcher to the worker's log */
  readonly id: string;
  readonly build: string;
  readonly kind: StepKind;
  /** what people call it: the source or the first output, as the command names it */
  readonly label: string;
  /** absolute path of the main output, if it has one */
  readonly output?: string;
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly place: StepPlace;
  readonly end: StepEnd;
  /** milliseconds since the epoch */
  readonly startMs: number;
  readonly endMs: number;
  readonly phases: StepPhases;
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssBytes: number;
  /** how the inputs were found: exact or compiler */
  readonly rung?: string;
  /** why the closure was not found by exact evaluation: a reason and what it is about */
  readonly whyNotExact?: string;
  /** `moved` when the compile was made in the canonical place of its base directory, else why not */
  readonly base?: string;
  readonly inputs?: number;
  readonly inputBytes?: number;
  readonly uploadedBytes?: number;
  readonly outputBytes?: number;
  /** hex digest of the action */
  readonly action?: string;
}
