// What the end of a lease means: try elsewhere or give up, whose fault it was, and whether two results are the same. Pure.

import type { ActionResult } from '../model/action.ts';
import { parseDigest, digestKey, digestOf, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';

export interface Verdict {
  readonly retry: 'yes' | 'once' | 'no';
  readonly workerAtFault: boolean;
}

/** What to do after a lease failed that nobody had cancelled. */
export function judge(failure: RemoteFailure): Verdict {
  switch (failure.reason) {
    case 'disconnected':
      return { retry: 'yes', workerAtFault: false };
    case 'limit-exceeded':
      return { retry: 'once', workerAtFault: false };
    case 'missing-blob':
    case 'invalid-request':
      return { retry: 'no', workerAtFault: false };
    case 'worker-failed':
    case 'timeout':
    case 'cancelled':
    case 'no-worker':
    case 'store-failed':
    case 'unauthorised':
    case 'incompatible':
      return { retry: 'yes', workerAtFault: true };
  }
}

/** The failure as the client sees it: what only makes sense between scheduler and worker is `worker-failed`. */
export function clientFailure(failure: RemoteFailure): RemoteFailure {
  switch (failure.reason) {
    case 'cancelled':
    case 'no-worker':
    case 'unauthorised':
    case 'incompatible':
      return { reason: 'worker-failed', message: failure.message };
    case 'disconnected':
      // For the client "disconnected" would be its own link to the scheduler.
      return { reason: 'worker-failed', message: failure.message };
    default:
      return failure;
  }
}

/** Digests of all output blobs of a result; undefined when one of them is no digest. */
export function outputDigests(result: ActionResult): readonly Digest[] | undefined {
  const raw = [
    ...result.outputFiles.map((file) => file.digest),
    ...result.outputDirectories.map((directory) => directory.treeDigest),
    ...(result.stdoutDigest === undefined ? [] : [result.stdoutDigest]),
    ...(result.stderrDigest === undefined ? [] : [result.stderrDigest]),
  ];
  const digests: Digest[] = [];
  for (const each of raw) {
    const digest = parseDigest(each);
    if (digest === undefined) return undefined;
    digests.push(digest);
  }
  return digests;
}

/** Whether two runs of one action left the same bytes, printed the same and ended alike. */
export function sameResult(a: ActionResult, b: ActionResult): boolean {
  return fingerprint(a) === fingerprint(b);
}

function fingerprint(result: ActionResult): string {
  const byPath = <T extends { readonly path: string }>(list: readonly T[]) =>
    [...list].sort((a, b) => (a.path < b.path ? -1 : 1));
  return JSON.stringify([
    result.exitCode,
    textDigest(result.stdoutRaw, result.stdoutDigest),
    textDigest(result.stderrRaw, result.stderrDigest),
    byPath(result.outputFiles).map(({ path, digest, isExecutable }) => [path, digest?.hash, isExecutable]),
    byPath(result.outputDirectories).map(({ path, treeDigest }) => [path, treeDigest?.hash]),
    byPath(result.outputSymlinks).map(({ path, target }) => [path, target]),
  ]);
}

function textDigest(raw: Uint8Array, digest: ActionResult['stdoutDigest']): string {
  return digestKey(parseDigest(digest) ?? digestOf(raw));
}
