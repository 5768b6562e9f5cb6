// Turns what an action left into an ActionResult and puts its blobs into the scheduler's store. Unaware of sandboxes.

import { ok, type Result } from '../base/result.ts';
import { ActionResult, blobOf, type Blob } from '../model/action.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { digestKey } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { CollectedOutput } from '../sandbox/output-collection.ts';
import { batchBytes } from './blob-fetcher.ts';

export interface ActionProduct {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** in the order of declaration; those that do not exist are left out */
  readonly outputs: readonly { readonly path: string; readonly output: CollectedOutput }[];
}

/** Outputs and logs up to this size travel in the result itself. */
export const inlineBytes = 1024 * 1024;

export interface PreparedResult {
  readonly result: ActionResult;
  /** what the result names by digest */
  readonly blobs: readonly Blob[];
}

export function prepareResult(product: ActionProduct, workerName: string): PreparedResult {
  const blobs: Blob[] = [];
  const outputFiles = product.outputs.map(({ path, output }) => {
    const blob = blobOf(output.bytes);
    blobs.push(blob);
    const contents = output.bytes.byteLength <= inlineBytes ? output.bytes : Buffer.alloc(0);
    return { path, digest: blob.digest, isExecutable: output.executable, contents, nodeProperties: undefined };
  });
  const log = (bytes: Uint8Array) => {
    if (bytes.byteLength <= inlineBytes) return { raw: Buffer.from(bytes), digest: undefined };
    const blob = blobOf(bytes);
    blobs.push(blob);
    return { raw: Buffer.alloc(0), digest: blob.digest };
  };
  const stdout = log(product.stdout);
  const stderr = log(product.stderr);
  const result = ActionResult.fromPartial({
    outputFiles,
    exitCode: product.exitCode,
    stdoutRaw: stdout.raw,
    stderrRaw: stderr.raw,
    executionMetadata: { worker: workerName },
    ...(stdout.digest === undefined ? {} : { stdoutDigest: stdout.digest }),
    ...(stderr.digest === undefined ? {} : { stderrDigest: stderr.digest }),
  });
  return { result, blobs };
}

/** Stores blobs: small ones together in as few messages as they fit, large ones in chunks unless they are there already. */
export async function uploadBlobs(
  blobs: readonly Blob[],
  to: BlobStore,
  signal: AbortSignal,
): Promise<Result<void, RemoteFailure>> {
  const unique = [...new Map(blobs.map((blob) => [digestKey(blob.digest), blob])).values()];
  let batch: Blob[] = [];
  let bytes = 0;
  const flush = async (): Promise<Result<void, RemoteFailure>> => {
    const full = batch;
    batch = [];
    bytes = 0;
    return full.length === 0 ? ok(undefined) : to.writeMany(full, signal);
  };
  for (const blob of unique) {
    if (blob.bytes.byteLength === 0) continue;
    const large = blob.bytes.byteLength > batchBytes;
    if (large || bytes + blob.bytes.byteLength > batchBytes) {
      const flushed = await flush();
      if (!flushed.ok) return flushed;
    }
    if (large) {
      const written = await uploadLarge(blob, to, signal);
      if (!written.ok) return written;
    } else {
      batch.push(blob);
      bytes += blob.bytes.byteLength;
    }
  }
  return flush();
}

async function uploadLarge(blob: Blob, to: BlobStore, signal: AbortSignal): Promise<Result<void, RemoteFailure>> {
  const missing = await to.findMissing([blob.digest], signal);
  if (!missing.ok) return missing;
  if (missing.value.length === 0) return ok(undefined);
  const writer = await to.openWrite(blob.digest);
  if (!writer.ok) return writer;
  for (let offset = 0; offset < blob.bytes.byteLength; offset += batchBytes) {
    const appended = signal.aborted
      ? { ok: false as const, error: { reason: 'cancelled' as const, message: 'the lease was cancelled' } }
      : await writer.value.append(blob.bytes.subarray(offset, offset + batchBytes));
    if (!appended.ok) {
      await writer.value.abort();
      return appended;
    }
  }
  return writer.value.commit();
}
