import { describe, expect, test } from '@jest/globals';
import { err, ok } from '../../../src/base/result.ts';
import { meteredProcesses } from '../../../src/host/metered-processes.ts';
import type { ProcessExit, ProcessSpec } from '../../../src/model/processes.ts';

const spec: ProcessSpec = { argv: ['cc'], env: {}, cwd: '/', outputLimitBytes: 1 };
const exit: ProcessExit = {
  status: { kind: 'exited', code: 0 },
  stdout: new Uint8Array(),
  stderr: new Uint8Array(),
  truncated: false,
  timedOut: false,
  wallMs: 9,
  userMs: 5,
  systemMs: 2,
  maxRssBytes: 1,
};

describe('meteredProcesses', () => {
  test('adds up the CPU of the programs that ended and leaves the others out', async () => {
    const answers = [ok(exit), err({ reason: 'cancelled' as const, message: '' }), ok(exit)];
    const metered = meteredProcesses({ run: async () => answers.shift()! });
    expect(await metered.run(spec)).toEqual(ok(exit));
    await metered.run(spec);
    await metered.run(spec);
    expect({ runs: metered.runs, cpuMs: metered.cpuMs }).toEqual({ runs: 2, cpuMs: 14 });
  });
});
