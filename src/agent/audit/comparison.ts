// What a compile left and printed, and how a result compares with compiles on this machine. Pure.

import type { OutputRole } from '../../compiler/parsed-compile.ts';

export interface Compiled {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly files: ReadonlyMap<OutputRole, Uint8Array>;
}

/** A compile on this machine in one of two folders with different names. */
export interface LocalRun {
  readonly folder: 'first' | 'second';
  readonly compiled: Compiled;
}

export type Judgement =
  | { readonly kind: 'equal' }
  /** this machine gives one answer and the result is another */
  | { readonly kind: 'differs'; readonly differing: readonly string[] }
  /** this machine's answer changes from run to run */
  | { readonly kind: 'not-reproducible'; readonly differing: readonly string[] }
  /** this machine's answer changes with the folder of the outputs: nothing can be said */
  | { readonly kind: 'output-path' };

/** The folders of the runs that are needed after a first one gave other bytes than the result. */
export const furtherRuns: readonly LocalRun['folder'][] = ['second', 'first', 'second'];

/** Names of what is different: roles of outputs, `standard output`, `standard error`. */
export function differences(a: Compiled, b: Compiled): string[] {
  const roles = [...new Set([...a.files.keys(), ...b.files.keys()])].sort();
  const differing: string[] = roles.filter((role) => !sameBytes(a.files.get(role), b.files.get(role)));
  if (!sameBytes(a.stdout, b.stdout)) differing.push('standard output');
  if (!sameBytes(a.stderr, b.stderr)) differing.push('standard error');
  return differing;
}

/** @param runs the first alone when it agrees with the result, else those of `furtherRuns` too */
export function judge(result: Compiled, runs: readonly LocalRun[]): Judgement {
  const [first] = runs;
  if (first === undefined) return { kind: 'output-path' };
  const differing = differences(result, first.compiled);
  if (differing.length === 0) return { kind: 'equal' };
  const between = new Set(runs.flatMap((run) => differences(run.compiled, first.compiled)));
  if (between.size === 0) return { kind: 'differs', differing };
  const steady = (folder: LocalRun['folder']) => {
    const [one, ...others] = runs.filter((run) => run.folder === folder);
    return one !== undefined && others.every((other) => differences(other.compiled, one.compiled).length === 0);
  };
  if (steady('first') && steady('second')) return { kind: 'output-path' };
  return { kind: 'not-reproducible', differing: [...between].sort() };
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}
