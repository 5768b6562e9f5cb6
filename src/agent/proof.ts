// Decides whether a result may be believed: the worker's dependency list must equal the predicted one. Pure.

import { err, ok, type Result } from '../base/result.ts';

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
