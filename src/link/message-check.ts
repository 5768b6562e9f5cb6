// Checks messages of a peer for what the types do not say: digests, paths, sizes. Unaware of connections.

import { err, ok, type Result } from '../base/result.ts';
import type { ActionResult, ExecutionHints } from '../model/action.ts';
import { parseDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';

interface RawDigest {
  readonly hash: string;
  readonly sizeBytes: number;
}

export function invalidRequest(message: string): RemoteFailure {
  return { reason: 'invalid-request', message };
}

/** A digest that the message must have. */
export function checkedDigest(raw: RawDigest | undefined): Result<Digest, RemoteFailure> {
  const digest = parseDigest(raw);
  return digest === undefined ? err(invalidRequest('a missing or malformed digest')) : ok(digest);
}

export function checkedDigests(raw: readonly (RawDigest | undefined)[]): Result<Digest[], RemoteFailure> {
  const digests: Digest[] = [];
  for (const one of raw) {
    const digest = checkedDigest(one);
    if (!digest.ok) return digest;
    digests.push(digest.value);
  }
  return ok(digests);
}

/**
 * An output's path as REAPI has it: relative to the working directory, normal, so that `..` stands only at the front.
 * Whether it was asked for is the caller's question: nothing may be written to a path that the action did not declare.
 */
export function isOutputPath(path: string): boolean {
  let inside = false;
  for (const part of path.split('/')) {
    if (part === '..' && !inside) continue;
    if (part === '' || part === '.' || part === '..') return false;
    inside = true;
  }
  return inside && path.length <= 4096 && !path.includes('\0');
}

/** A result from another machine: every digest and path well-formed. */
export function checkedActionResult(result: ActionResult | undefined): Result<ActionResult, RemoteFailure> {
  const wrong = (what: string) => err({ reason: 'incompatible' as const, message: `an action result with ${what}` });
  if (result === undefined) return wrong('nothing in it');
  for (const file of result.outputFiles) {
    if (!isOutputPath(file.path)) return wrong(`the output path ${JSON.stringify(file.path.slice(0, 200))}`);
    const digest = parseDigest(file.digest);
    if (digest === undefined) return wrong('a malformed digest');
    if (file.contents.byteLength !== 0 && file.contents.byteLength !== digest.sizeBytes) {
      return wrong('contents of another size than their digest');
    }
  }
  for (const directory of result.outputDirectories) {
    // The working directory itself may be an output directory: an empty path.
    if (directory.path !== '' && !isOutputPath(directory.path)) return wrong('an unsafe output directory');
    if (parseDigest(directory.treeDigest) === undefined) return wrong('a malformed digest');
  }
  for (const link of result.outputSymlinks) {
    if (!isOutputPath(link.path)) return wrong('an unsafe symlink path');
    if (link.target === '' || link.target.includes('\0')) return wrong('an unsafe symlink target');
  }
  for (const digest of [result.stdoutDigest, result.stderrDigest]) {
    if (digest !== undefined && parseDigest(digest) === undefined) return wrong('a malformed digest');
  }
  return ok(result);
}

/** Hints are advice, but their digests are used as such and their mounts become paths. */
export function checkedHints(hints: ExecutionHints | undefined): Result<ExecutionHints, RemoteFailure> {
  if (hints === undefined) return err(invalidRequest('a request without hints'));
  if (hints.toolchain !== undefined && parseDigest(hints.toolchain) === undefined) {
    return err(invalidRequest('hints with a malformed toolchain digest'));
  }
  if (hints.resultKey !== undefined && parseDigest(hints.resultKey) === undefined) {
    return err(invalidRequest('hints with a malformed result key'));
  }
  for (const mount of hints.mounts) {
    if (!mount.startsWith('/') || mount.startsWith('/..') || !isOutputPath(mount.slice(1))) {
      return err(invalidRequest(`hints with the mount ${JSON.stringify(mount.slice(0, 200))}`));
    }
  }
  return ok(hints);
}
