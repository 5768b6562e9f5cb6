// A worker with stores of its own in a temporary folder, for tests that run actions. The folder stays when asked to.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../src/base/log.ts';
import type { Result } from '../../src/base/result.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { ExecutionHints } from '../../src/model/action.ts';
import type { Digest } from '../../src/model/digest.ts';
import type { RemoteFailure } from '../../src/model/failure.ts';
import type { Processes } from '../../src/model/processes.ts';
import type { LeaseOutcome } from '../../src/model/worker-pool.ts';
import { openDiskStore, type DiskStore } from '../../src/store/disk-store.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { createWorker, type Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { childProcesses } from './child-processes.ts';

export interface WorkerBench {
  readonly folder: string;
  /** the scheduler's */
  readonly blobs: MemoryStore;
  readonly store: DiskStore;
  readonly worker: Worker;
  lease(
    action: Digest,
    hints?: Partial<ExecutionHints>,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal; readonly onRunning?: () => void },
  ): Promise<Result<LeaseOutcome, RemoteFailure>>;
  close(options?: { readonly keep?: boolean }): Promise<void>;
}

export async function openWorkerBench(
  options: Partial<WorkerOptions> & { readonly folder?: string; readonly processes?: Processes } = {},
): Promise<WorkerBench> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'worker-bench-'));
  const blobs = new MemoryStore({ clock: systemClock, limitBytes: 4 * 1024 ** 3 });
  const opened = await openDiskStore({
    dir: join(folder, 'store'),
    limitBytes: 4 * 1024 ** 3,
    clock: systemClock,
    log: silentLog,
  });
  if (!opened.ok) throw new Error(opened.error.message);
  const created = await createWorker({
    dir: join(folder, 'work'),
    name: 'bench',
    slots: 2,
    processes: childProcesses,
    store: opened.value,
    log: silentLog,
    ...options,
  });
  if (!created.ok) throw new Error(created.error.message);
  const worker = created.value;
  let leases = 0;
  return {
    folder,
    blobs,
    store: opened.value,
    worker,
    lease(action, hints = {}, { timeoutMs = 60_000, signal, onRunning } = {}) {
      return worker.run(
        { id: `lease-${(leases += 1)}`, action, hints: ExecutionHints.fromPartial(hints), timeoutMs },
        blobs,
        onRunning ?? (() => {}),
        signal ?? new AbortController().signal,
      );
    },
    async close({ keep = false } = {}) {
      await worker.close();
      await opened.value.close();
      if (!keep) rmSync(folder, { recursive: true, force: true });
    },
  };
}
