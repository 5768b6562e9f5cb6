// Compares bytes with the digest they should have, and words the failures that every store has in common.

import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { err, ok, type Result } from '../base/result.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';

/** bytes that are hashed without letting anything else run: about 3 ms */
const sliceBytes = 4 * 1024 * 1024;

/** Whether the bytes have this digest; large ones are hashed in slices. */
export async function hasDigest(bytes: Uint8Array, digest: Digest): Promise<boolean> {
  if (bytes.byteLength !== digest.sizeBytes) return false;
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.byteLength; at += sliceBytes) {
    if (at > 0) await nextTurn();
    hash.update(bytes.subarray(at, at + sliceBytes));
  }
  return hash.digest('hex') === digest.hash;
}

export async function checkDigest(bytes: Uint8Array, digest: Digest): Promise<Result<void, RemoteFailure>> {
  return (await hasDigest(bytes, digest)) ? ok(undefined) : err(wrongDigest(digest));
}

export function wrongDigest(digest: Digest): RemoteFailure {
  return { reason: 'invalid-request', message: `the bytes do not have the digest ${digestKey(digest)}` };
}

export function missingBlob(digest: Digest): RemoteFailure {
  return { reason: 'missing-blob', message: `no blob ${digestKey(digest)}` };
}

export function badRange(digest: Digest, offset: number): RemoteFailure {
  return { reason: 'invalid-request', message: `offset ${offset} is outside of ${digestKey(digest)}` };
}

export function storeCancelled(): RemoteFailure {
  return { reason: 'cancelled', message: 'no longer wanted' };
}

/** Whether this part of a blob can be asked for at all. */
export function rangeInside(digest: Digest, offset: number, limit: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(limit) &&
    offset >= 0 &&
    limit >= 0 &&
    offset <= digest.sizeBytes
  );
}
