// Sums over records: how many steps ran where and why. Pure.

import type { LocalReason } from '../model/failure.ts';
import type { StepKind, StepRecord } from '../model/step.ts';

export interface StepCounters {
  readonly steps: number;
  readonly places: { readonly remote: number; readonly cache: number; readonly local: number };
  /** only reasons and kinds that occurred */
  readonly localReasons: ReadonlyMap<LocalReason, number>;
  readonly kinds: ReadonlyMap<StepKind, number>;
  readonly failed: number;
}

export function countSteps(records: Iterable<StepRecord>): StepCounters {
  const places = { remote: 0, cache: 0, local: 0 };
  const localReasons = new Map<LocalReason, number>();
  const kinds = new Map<StepKind, number>();
  let steps = 0;
  let failed = 0;
  for (const { place, kind, end } of records) {
    steps += 1;
    places[place.kind] += 1;
    if (place.kind === 'local') localReasons.set(place.reason, (localReasons.get(place.reason) ?? 0) + 1);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (end.kind !== 'unknown' && (end.kind !== 'exited' || end.code !== 0)) failed += 1;
  }
  return { steps, places, localReasons, kinds, failed };
}
