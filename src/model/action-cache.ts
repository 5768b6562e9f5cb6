// Port: results by action digest or result key (which never meet: one is the hash of a protobuf message, the other of a text).
// The disk one is in store/, tests have one in memory.

import type { Result } from '../base/result.ts';
import type { ActionResult } from './action.ts';
import type { Digest } from './digest.ts';
import type { RemoteFailure } from './failure.ts';

export interface ActionCache {
  /** undefined: not cached. Whether the outputs are still in the store is the caller's to check. */
  get(key: Digest): Promise<Result<ActionResult | undefined, RemoteFailure>>;
  /** Keeps a result, in place of an earlier one. */
  put(key: Digest, result: ActionResult): Promise<Result<void, RemoteFailure>>;
  /** Forgets a result; one that is not there is no error. */
  remove(key: Digest): Promise<Result<void, RemoteFailure>>;
}
