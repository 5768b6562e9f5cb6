// A worker of this process, in a real sandbox and joined to a real scheduler, on a machine that spoils what it makes of some sources.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { runWorkerLink } from '../../src/link/worker-link.ts';
import { machineArch } from '../../src/model/platform.ts';
import type { Processes } from '../../src/model/processes.ts';
import type { LeaseRunner } from '../../src/model/worker-pool.ts';
import { childProcesses } from './child-processes.ts';
import { openWorkerBench } from './worker-bench.ts';

export interface JoinedWorker {
  /** sources of the leases that it got, in order */
  readonly leases: readonly string[];
  close(): Promise<void>;
}

export interface JoinOptions {
  readonly url: string;
  readonly token: string;
  readonly name: string;
  /** its own */
  readonly folder: string;
  /** objects of compiles whose command names one of these sources are spoiled; none when not given */
  readonly spoils?: readonly string[];
}

/** Resolves once the scheduler has it. */
export async function joinWorker({ url, token, name, folder, spoils = [] }: JoinOptions): Promise<JoinedWorker> {
  mkdirSync(folder, { recursive: true });
  const bench = await openWorkerBench({ folder, name, processes: spoiling(spoils) });
  const leases: string[] = [];
  const runner: LeaseRunner = {
    run(request, ...rest) {
      leases.push(request.hints.label);
      return bench.worker.run(request, ...rest);
    },
  };
  const joined = await new Promise<ReturnType<typeof runWorkerLink>>((resolve) => {
    const link = runWorkerLink({
      url,
      token,
      name,
      version: 'test',
      clock: systemClock,
      log: silentLog,
      info: {
        id: `id-${name}`,
        arch: machineArch(process.arch),
        cores: 2,
        slots: 2,
        memoryBytes: 4 * 2 ** 30,
        url: '',
      },
      runner,
      state: () => bench.worker.state(),
      onLinkState: (state) => {
        if (state.kind === 'connected') setImmediate(() => resolve(link));
      },
    });
  });
  return {
    leases,
    async close() {
      await joined.close();
      await bench.close();
    },
  };
}

/** What is run writes its files, and then one bit of each object is another. */
function spoiling(sources: readonly string[]): Processes {
  return {
    async run(spec, options) {
      const exit = await childProcesses.run(spec, options);
      const command = spec.argv.slice(spec.argv.lastIndexOf('--') + 1);
      if (!command.some((word) => sources.includes(word))) return exit;
      for (const [at, word] of spec.argv.entries()) {
        if (word === '--bind') spoilObjects(spec.argv[at + 1]!);
      }
      return exit;
    },
  };
}

function spoilObjects(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.o')) continue;
    const path = join(folder, name);
    const bytes = readFileSync(path);
    // The marker that the test's sources return.
    const at = bytes.indexOf(Buffer.from([0x44, 0x33, 0x22, 0x11]));
    if (at < 0) throw new Error(`${path} has no marker to spoil`);
    bytes[at] = 0x45;
    writeFileSync(path, bytes);
  }
}
