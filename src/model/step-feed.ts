// Port: where step records go and come from.

import type { StepRecord } from './step.ts';

export interface StepFeed {
  /** Never throws and never waits for the disk: a record that cannot be kept is dropped and counted. */
  add(record: StepRecord): void;
}
