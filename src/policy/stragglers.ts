// Second copies of units whose first copy is late, on slots that would otherwise be idle.

import type { Assignment, PolicyLease, PolicySettings } from './snapshot.ts';
import { isRefuted } from './prediction.ts';
import type { Timeline } from './timeline.ts';

/**
 * Proposes at most one further copy per unit, the latest first, where it is predicted to end clearly earlier than the
 * first copy; only workers with an idle slot are used, and the timeline is told.
 * @param copied units that got a copy in this decision already; added to
 */
export function proposeDuplicates(
  timeline: Timeline,
  settings: PolicySettings,
  copied: Set<string>,
  wanted: (lease: PolicyLease) => boolean = () => true,
): Assignment[] {
  if (!timeline.workers.some((_, index) => timeline.hasIdleSlot(index))) return [];
  const late: { readonly lease: PolicyLease; readonly holder: number; readonly endMs: number }[] = [];
  timeline.workers.forEach((worker, holder) => {
    for (const lease of worker.leases) {
      if (lease.copies > 1 || isRefuted(lease) || !wanted(lease)) continue;
      const endMs = timeline.leaseEnds.get(lease) ?? 0;
      if (endMs > settings.duplicateMinGainMs) late.push({ lease, holder, endMs });
    }
  });
  late.sort((a, b) => b.endMs - a.endMs);
  const proposals: Assignment[] = [];
  for (const { lease, holder, endMs } of late) {
    if (copied.has(lease.unit.id)) continue;
    const excludedHere = (index: number) => index === holder || lease.unit.excluded.has(timeline.workers[index]!.id);
    const place = timeline.best(lease.unit, true, excludedHere);
    if (place === undefined || !place.free) continue;
    const thereMs = place.startMs + place.runMs;
    if (thereMs > endMs * settings.duplicateGain || endMs - thereMs < settings.duplicateMinGainMs) continue;
    copied.add(lease.unit.id);
    timeline.place(place, lease.unit);
    proposals.push({
      unit: lease.unit.id,
      worker: timeline.workers[place.index]!.id,
      startsInMs: place.startMs,
      predictedMs: place.runMs,
    });
  }
  return proposals;
}
