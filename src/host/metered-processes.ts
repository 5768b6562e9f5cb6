// A decorator of the Processes port that adds up what the programs it ran have cost.

import type { Processes } from '../model/processes.ts';

export interface MeteredProcesses extends Processes {
  readonly runs: number;
  /** user and system time of all programs that have ended, milliseconds */
  readonly cpuMs: number;
}

export function meteredProcesses(inner: Processes): MeteredProcesses {
  let runs = 0;
  let cpuMs = 0;
  return {
    get runs() {
      return runs;
    },
    get cpuMs() {
      return cpuMs;
    },
    async run(spec, options) {
      const exit = await inner.run(spec, options);
      if (exit.ok) {
        runs += 1;
        cpuMs += exit.value.userMs + exit.value.systemMs;
      }
      return exit;
    },
  };
}
