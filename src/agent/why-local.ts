// Why a compile that might have run elsewhere runs here: the reasons of the scanner, the cluster and the proof as one list.

import { err } from '../base/result.ts';
import type { LocalReason, RemoteFailure } from '../model/failure.ts';
import type { UploadFailure } from './uploader.ts';

export interface WhyLocal {
  readonly reason: LocalReason | 'cancelled';
  readonly detail: string;
}

/** Whether it is the result that is not to be believed; else its inputs have changed, and it may be right for others. */
export function failsProof({ reason }: WhyLocal): boolean {
  return reason === 'result-unproven' || reason === 'output-missing';
}

export function whyLocal(failure: RemoteFailure | UploadFailure): { ok: false; error: WhyLocal } {
  const detail = failure.message;
  switch (failure.reason) {
    case 'cancelled':
      return err({ reason: 'cancelled', detail });
    case 'disconnected':
      return err({ reason: 'cluster-lost', detail });
    case 'timeout':
      return err({ reason: 'remote-timeout', detail });
    case 'no-worker':
      return err({ reason: 'no-worker', detail });
    case 'input-changed':
      return err({ reason: 'input-changed', detail });
    case 'missing-blob':
    case 'invalid-request':
    case 'worker-failed':
    case 'limit-exceeded':
    case 'store-failed':
    case 'unauthorised':
    case 'incompatible':
      return err({ reason: 'remote-failed', detail: `${failure.reason}: ${detail}` });
  }
}

export function cancelled(): { ok: false; error: WhyLocal } {
  return err({ reason: 'cancelled', detail: 'the launcher went away' });
}
