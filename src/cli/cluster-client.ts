// Asks the scheduler for something over a short-lived Link.

import { hostname } from 'node:os';
import { silentLog } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { systemClock } from '../host/system-clock.ts';
import { openLinkClient, type LinkClient } from '../link/link-client.ts';
import { requestQuarantine, requestStatus, requestTrim } from '../link/link-remote-executor.ts';
import type { CacheLimits, ClusterRemoval } from '../model/cache-limits.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { QuarantineChange } from '../model/remote-executor.ts';
import type { ClusterStatus } from '../model/status.ts';
import { version } from './installation.ts';
import { schedulerUrl } from './scheduler-url.ts';
import type { Settings } from './settings.ts';
import { readToken } from './token.ts';

const patienceMs = 3000;
/** for a connection and an answer; more than `patienceMs`, so that a connection that is not made says why */
const answerMs = 2 * patienceMs;

/** The cluster's status; the error is one line that says what to do. */
export async function askCluster(settings: Settings): Promise<Result<ClusterStatus, string>> {
  const answer = await withCluster(settings, (client) => requestStatus(client, AbortSignal.timeout(answerMs)));
  return answer.ok ? ok(answer.value as ClusterStatus) : answer;
}

/** Has the cluster give up results and blobs. */
export function trimCluster(settings: Settings, limits: CacheLimits): Promise<Result<ClusterRemoval, string>> {
  return withCluster(settings, (client) => requestTrim(client, limits));
}

/** Gives workers of this name work again. */
export function liftQuarantine(settings: Settings, worker: string): Promise<Result<QuarantineChange, string>> {
  return withCluster(settings, (client) => requestQuarantine(client, { worker, why: '', lift: true }));
}

async function withCluster<T>(
  settings: Settings,
  ask: (client: LinkClient) => Promise<Result<T, RemoteFailure>>,
): Promise<Result<T, string>> {
  const url = schedulerUrl(settings);
  if (url === undefined) return err('no scheduler is known; icets up starts one, ICETS_SCHEDULER names another');
  const token = readToken(settings.tokenFile);
  if (!token.ok) return token;
  const client = openLinkClient({
    url,
    token: token.value,
    role: 'cli',
    name: hostname(),
    version,
    clock: systemClock,
    log: silentLog,
    waitMs: patienceMs,
  });
  try {
    const answer = await ask(client);
    return answer.ok ? answer : err(`${url} does not answer: ${answer.error.message}`);
  } finally {
    await client.close();
  }
}
