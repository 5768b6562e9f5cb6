// The bound that the cluster bench prints beside the ideal.

import { describe, expect, it } from '@jest/globals';

interface Step {
  readonly cpuS: number;
  readonly mayLeave: boolean;
  readonly phase: number;
  readonly output: string;
  readonly inputs: readonly string[];
}

const path = '../../../bench/cluster/list-schedule.mjs';
const { listScheduleS } = (await import(path)) as {
  listScheduleS: (steps: readonly Step[], shares: readonly number[], otherS?: number) => number;
};

const compile = (output: string, cpuS: number, phase = 0): Step => ({
  ...{ cpuS, mayLeave: true, phase, output, inputs: [] },
});
const link = (inputs: readonly string[], cpuS: number): Step => ({
  ...{ cpuS, mayLeave: false, phase: 0, output: 'program', inputs },
});

describe('the list schedule', () => {
  it('divides equal compiles among equal boards', () => {
    expect(listScheduleS([compile('a', 1), compile('b', 1)], [1, 1])).toBe(2 / 2);
  });

  it('starts the longest compile first, where it ends first', () => {
    const steps = [compile('a', 1), compile('b', 1), compile('c', 2)];
    expect(listScheduleS(steps, [0.5, 1])).toBe(3);
    expect(listScheduleS(steps, [1, 1])).toBe(2);
  });

  it('lets one unit last as long as the board needs that takes it', () => {
    expect(listScheduleS([compile('a', 1)], [0.25, 0.5])).toBe(2);
  });

  it('links on the submitter, after the last input', () => {
    expect(listScheduleS([compile('a', 4), compile('b', 1), link(['a', 'b'], 2)], [1, 1])).toBe(6);
    expect(listScheduleS([compile('a', 1), link(['a'], 2)], [0.1, 1])).toBe(1 + 20);
  });

  it('begins a phase when the one before is complete', () => {
    expect(listScheduleS([compile('a', 1), compile('b', 1, 1)], [1, 1])).toBe(2);
  });

  it('leaves fewer compiles to a submitter that has other things to do', () => {
    expect(listScheduleS([compile('a', 1), compile('b', 1)], [1, 1], 2)).toBe(2);
  });
});
