// A worker that compiles an action when it sees it first, and afterwards answers with the same result, after twice the CPU time
// that the compile took: a board elsewhere, as far as the submitting machine can tell. Says "joined" when it has.
//   node playback-worker.mjs URL TOKEN_FILE FOLDER SLOTS

import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../src/base/log.ts';
import { ok } from '../../src/base/result.ts';
import { Semaphore } from '../../src/base/semaphore.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { runWorkerLink } from '../../src/link/worker-link.ts';
import { digestKey } from '../../src/model/digest.ts';
import { machineArch } from '../../src/model/platform.ts';
import type { LeaseOutcome, LeaseRunner } from '../../src/model/worker-pool.ts';
import { openDiskStore } from '../../src/store/disk-store.ts';
import { createWorker } from '../../src/worker/worker.ts';
import { childProcesses } from '../../test/support/child-processes.ts';

/** A board of half this machine's speed. */
const slowness = 2;

/** Remembers what each action gave; `slots` of them are answered at once. */
function playingBack(runner: LeaseRunner, slots: number): LeaseRunner {
  const known = new Map<string, LeaseOutcome>();
  const free = new Semaphore(slots);
  return {
    run: async (request, blobs, onRunning, signal) => {
      const key = digestKey(request.action);
      const before = known.get(key);
      if (before === undefined) {
        const outcome = await runner.run(request, blobs, onRunning, signal);
        if (outcome.ok) known.set(key, outcome.value);
        return outcome;
      }
      const slot = await free.acquire(signal);
      onRunning();
      await sleep(((before.timings.userUs + before.timings.systemUs) / 1000) * slowness, undefined, { signal }).catch(
        () => undefined,
      );
      slot?.release();
      return ok(before);
    },
  };
}

const [url = '', tokenFile = '', folder = '', slotCount = ''] = process.argv.slice(2);
const slots = Number(slotCount);
const common = { clock: systemClock, log: silentLog };
const store = await openDiskStore({ dir: join(folder, 'store'), limitBytes: 8 * 1024 ** 3, ...common });
if (!store.ok) throw new Error(store.error.message);
const worker = await createWorker({
  dir: join(folder, 'work'),
  name: 'elsewhere',
  slots: availableParallelism(),
  processes: childProcesses,
  store: store.value,
  log: silentLog,
});
if (!worker.ok) throw new Error(worker.error.message);
const link = runWorkerLink({
  ...{ url, token: readFileSync(tokenFile, 'utf8').trim(), name: 'elsewhere', version: 'playback', ...common },
  info: {
    ...{ id: 'elsewhere', arch: machineArch(process.arch), cores: slots, slots, memoryBytes: totalmem(), url: '' },
  },
  runner: playingBack(worker.value, slots),
  state: () => ({ ...worker.value.state(), load: 0 }),
  onLinkState: ({ kind }) => {
    if (kind === 'connected') console.log('joined');
  },
});
process.once('SIGTERM', () => {
  void link
    .close()
    .then(() => worker.value.close())
    .then(() => store.value.close())
    .then(() => process.exit(0));
});
