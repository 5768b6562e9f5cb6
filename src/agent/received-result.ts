// The bytes of a result, fetched where they are not in it. Unaware of whether they may be believed.

import { ok, type Result } from '../base/result.ts';
import type { ActionResult, OutputFile } from '../model/action.ts';
import { parseDigest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { RemoteExecutor } from '../model/remote-executor.ts';

export interface ReceivedResult {
  /** by absolute physical path */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/**
 * Gets the outputs that were asked for, and what was printed; `missing-blob` when one has been evicted.
 * @param outputs a result's names of outputs to absolute paths
 */
export async function receiveResult(
  result: ActionResult,
  outputs: ReadonlyMap<string, string>,
  executor: RemoteExecutor,
  signal: AbortSignal,
): Promise<Result<ReceivedResult, RemoteFailure>> {
  const contents = async (
    raw: Uint8Array,
    digest: OutputFile['digest'],
  ): Promise<Result<Uint8Array, RemoteFailure>> => {
    const wanted = parseDigest(digest);
    if (raw.byteLength > 0 || wanted === undefined || wanted.sizeBytes === 0) return ok(raw);
    return executor.blobs.read(wanted, signal);
  };
  const files = new Map<string, Uint8Array>();
  for (const output of result.outputFiles) {
    const path = outputs.get(output.path);
    if (path === undefined) continue;
    const bytes = await contents(output.contents, output.digest);
    if (!bytes.ok) return bytes;
    files.set(path, bytes.value);
  }
  const stdout = await contents(result.stdoutRaw, result.stdoutDigest);
  if (!stdout.ok) return stdout;
  const stderr = await contents(result.stderrRaw, result.stderrDigest);
  if (!stderr.ok) return stderr;
  return ok({ files, stdout: stdout.value, stderr: stderr.value });
}
