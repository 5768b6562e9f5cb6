// What is noted of a compile on its way, for its record: phases and their cost. Unaware of what the phases do.

import type { Timings } from '../model/action.ts';
import type { StepPhases } from '../model/step.ts';
import type { Stuck } from './moved-result.ts';

/** What is known about the compile by the time it ends, for its record. */
export interface CompileFacts {
  phases: { -readonly [K in keyof StepPhases]: StepPhases[K] };
  /** CPU of the whole agent during a phase, milliseconds: the step's own only while steps come one at a time */
  cpu: Partial<Record<keyof StepPhases, number>>;
  rung?: string;
  /** why the closure was not found by exact evaluation: a reason and what it is about */
  whyNotExact?: string;
  /** a result did not agree with the exact closure of this unit */
  distrusted?: boolean;
  /** `moved` when the compile was made in the canonical place of its base directory, else why not */
  base?: string;
  /** why the result of the canonical place is of no use here */
  stuck?: Stuck;
  inputs?: number;
  inputBytes?: number;
  uploadedBytes?: number;
  action?: string;
}

export function addTimings(facts: CompileFacts, timings: Timings): void {
  facts.phases.queueMs = timings.queueUs / 1000;
  facts.phases.fetchMs = timings.fetchUs / 1000;
  facts.phases.setupMs = timings.setupUs / 1000;
  facts.phases.runMs = timings.runUs / 1000;
}

export type Stopwatch = (phase: keyof StepPhases) => void;

/** Answers a function that books the time since the last call under a phase. */
export function stopwatch(facts: CompileFacts): Stopwatch {
  let last = performance.now();
  let lastCpu = process.cpuUsage();
  return (phase) => {
    const now = performance.now();
    const cpu = process.cpuUsage();
    facts.phases[phase] = (facts.phases[phase] ?? 0) + now - last;
    facts.cpu[phase] = (facts.cpu[phase] ?? 0) + (cpu.user + cpu.system - lastCpu.user - lastCpu.system) / 1000;
    last = now;
    lastCpu = cpu;
  };
}
