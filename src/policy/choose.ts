// The policy: which queued unit goes to which worker now. Pure: the same snapshot always gets the same answer.
//
// Every queued unit, in fair order, takes the place where it is predicted to end first, waiting included. Where that
// place is free the unit is sent; where it is not, the unit stays queued and its turn is reserved in the plan, so that
// a slower worker is used exactly when waiting for the faster one is predicted to take longer.

import { fairOrder, longUnits } from './fairness.ts';
import { defaultSettings } from './snapshot.ts';
import type { Assignment, Decision, PolicySettings, PolicySnapshot } from './snapshot.ts';
import { proposeDuplicates } from './stragglers.ts';
import { Timeline } from './timeline.ts';
import { isSuspect } from './prediction.ts';

/** Decides what is sent where now. Costs about (units planned x workers) steps, and little when no worker has room. */
export function choose(snapshot: PolicySnapshot, settings: PolicySettings = defaultSettings): Decision {
  const timeline = new Timeline(snapshot, settings);
  const stranded: string[] = [];
  const candidates = snapshot.queued.filter((unit) => {
    const possible = timeline.isPossible(unit);
    if (!possible) stranded.push(unit.id);
    return possible;
  });

  const copied = new Set<string>();
  const duplicates = proposeDuplicates(timeline, settings, copied, isSuspect);
  const assignments: Assignment[] = [];
  if (timeline.open > 0) {
    const long = longUnits(candidates, snapshot.workers);
    for (const unit of fairOrder(candidates, snapshot.served, settings.lookahead, long)) {
      if (timeline.open <= 0) break;
      const place = timeline.best(unit, false);
      if (place === undefined) continue;
      if (place.free) {
        timeline.place(place, unit);
        const worker = snapshot.workers[place.index]!.id;
        assignments.push({ unit: unit.id, worker, startsInMs: place.startMs, predictedMs: place.runMs });
      } else {
        timeline.reserve(place, unit);
      }
    }
  }
  if (assignments.length === candidates.length) {
    const calm = (snapshot.sinceArrivalMs ?? Infinity) >= settings.calmMs;
    duplicates.push(...proposeDuplicates(timeline, settings, copied, (lease) => calm || !lease.running));
  }
  return { assignments, duplicates, stranded };
}
