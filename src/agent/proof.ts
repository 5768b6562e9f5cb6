// Decides whether a result may be believed: the worker's dependency list must equal the predicted one. Reads no files.

import { depfilePrerequisites } from '../compiler/depfile.ts';
import { err, ok, type Result } from '../base/result.ts';
import { digestOf } from '../model/digest.ts';

/** A prediction; the same object stays the same list. */
export interface Prediction {
  readonly dependencies: readonly string[];
}

/** Proves depfiles, and knows those that it has proven: a compile whose inputs are the same gives the same depfile again. */
export class DependencyProofs {
  readonly #proven = new WeakMap<Prediction, string>();

  /** @param complete see `proveDependencies` */
  prove(prediction: Prediction, depfile: Uint8Array, complete: boolean): Result<void, string> {
    const key = `${complete ? 'all' : 'user'} ${digestOf(depfile).hash}`;
    if (this.#proven.get(prediction) === key) return ok(undefined);
    const observed = depfilePrerequisites(Buffer.from(depfile).toString('utf8'));
    const proof = proveDependencies(new Set(prediction.dependencies), observed, complete);
    if (proof.ok) this.#proven.set(prediction, key);
    return proof;
  }
}

/**
 * Compares what the worker's compiler read with what was predicted; paths are compared as written, since both lists come
 * from the same compiler run in the same directory.
 * @param complete false when the list leaves system headers out (`-MMD`): then it must lie inside the prediction
 */
export function proveDependencies(
  predicted: ReadonlySet<string>,
  observed: readonly string[],
  complete: boolean,
): Result<void, string> {
  const seen = new Set(observed);
  for (const path of seen) if (!predicted.has(path)) return err(`the worker read ${path}, which was not predicted`);
  if (!complete || seen.size === predicted.size) return ok(undefined);
  for (const path of predicted) if (!seen.has(path)) return err(`the worker did not read ${path}`);
  return ok(undefined);
}
