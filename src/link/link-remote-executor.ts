// The scheduler at the far end of a Link as a RemoteExecutor. Unaware of how the connection is kept.

import { zeroTimings } from '../model/action.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CacheLimits, ClusterRemoval } from '../model/cache-limits.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { QuarantineChange, RemoteExecutor } from '../model/remote-executor.ts';
import { LinkBlobStore, type ConnectionSource, type LinkBlobStoreOptions } from './link-blob-store.ts';
import { checkedActionResult } from './message-check.ts';
import { readStage } from './peer-service.ts';

/** The executor behind this client; while it is not connected everything fails with `disconnected`. */
export function linkRemoteExecutor(client: ConnectionSource, options: LinkBlobStoreOptions = {}): RemoteExecutor {
  const timeoutMs = options.timeoutMs ?? 60_000;
  return {
    blobs: new LinkBlobStore(client, options),

    async getActionResult(key, signal) {
      const connection = await client.connection(signal);
      if (!connection.ok) return connection;
      const reply = await connection.value.request(
        { $case: 'getActionResult', value: { action: key } },
        'actionResultReply',
        { signal, timeoutMs },
      );
      if (!reply.ok) return reply;
      return reply.value.result === undefined ? ok(undefined) : checkedActionResult(reply.value.result);
    },

    rejectResult(key, why) {
      void client.connection().then((connection) => {
        if (connection.ok) connection.value.notify({ $case: 'rejectResult', value: { key, why } });
      });
    },

    quarantineWorker: (worker, why) => requestQuarantine(client, { worker, why, lift: false }),

    liftQuarantine: (worker) => requestQuarantine(client, { worker, why: '', lift: true }),

    async execute(request, onStage, signal) {
      const connection = await client.connection(signal);
      if (!connection.ok) return connection;
      const { action, skipCacheLookup, hints } = request;
      const reply = await connection.value.request(
        { $case: 'execute', value: { action, skipCacheLookup, hints } },
        'executeReply',
        {
          signal,
          onStage: (name, worker) => {
            const stage = readStage(name, worker);
            if (stage !== undefined) onStage(stage);
          },
        },
      );
      if (!reply.ok) return reply;
      const result = checkedActionResult(reply.value.result);
      if (!result.ok) return result;
      const { cached, worker, attempts, timings } = reply.value;
      return ok({ result: result.value, cached, worker, attempts, timings: timings ?? zeroTimings });
    },
  };
}

/** Puts workers of a name into quarantine, or lifts it. */
export async function requestQuarantine(
  client: ConnectionSource,
  request: { readonly worker: string; readonly why: string; readonly lift: boolean },
): Promise<Result<QuarantineChange, RemoteFailure>> {
  const connection = await client.connection();
  if (!connection.ok) return connection;
  return connection.value.request({ $case: 'quarantineWorker', value: request }, 'quarantineWorkerReply', {
    timeoutMs: 10_000,
  });
}

/** The scheduler's status as JSON carries it (model/status.ts ClusterStatus); its shape is not checked. */
export async function requestStatus(
  client: ConnectionSource,
  signal?: AbortSignal,
): Promise<Result<unknown, RemoteFailure>> {
  const connection = await client.connection(signal);
  if (!connection.ok) return connection;
  const reply = await connection.value.request({ $case: 'status', value: {} }, 'statusReply', {
    signal,
    timeoutMs: 10_000,
  });
  if (!reply.ok) return reply;
  try {
    return ok(JSON.parse(reply.value.json) as unknown);
  } catch {
    return err({ reason: 'incompatible', message: 'a status that is not JSON' });
  }
}

/** Has the cluster give up results and blobs. */
export async function requestTrim(
  client: ConnectionSource,
  limits: CacheLimits,
  signal?: AbortSignal,
): Promise<Result<ClusterRemoval, RemoteFailure>> {
  const connection = await client.connection(signal);
  if (!connection.ok) return connection;
  const { maxBytes, unusedForMs } = limits;
  const reply = await connection.value.request(
    { $case: 'trimCache', value: { maxBytes, unusedForMs } },
    'trimCacheReply',
    {
      signal,
      timeoutMs: 600_000,
    },
  );
  if (!reply.ok) return reply;
  const { results, resultBytes, blobs, blobBytes } = reply.value;
  return ok({ results: { entries: results, bytes: resultBytes }, blobs: { entries: blobs, bytes: blobBytes } });
}
