// A worker: takes leases, runs their actions, tells how it is. The root of this folder. Unaware of how leases arrive.

import { setMaxListeners } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism, freemem, loadavg } from 'node:os';
import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { parseDigest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { Processes } from '../model/processes.ts';
import type { LeaseOutcome, LeaseRequest, LeaseRunner, WorkerState } from '../model/worker-pool.ts';
import { probeSandbox } from '../sandbox/sandbox-process.ts';
import { killStraySandboxes } from '../sandbox/stray-sandboxes.ts';
import { blobMtimeSeconds } from '../store/disk-store.ts';
import { ActionRunner, type ActionLimits } from './action-runner.ts';
import { BlobFetcher, type WorkerStore } from './blob-fetcher.ts';
import { InputLoader } from './input-loader.ts';
import { RootPool } from './root-pool.ts';
import { ToolchainVerifier } from './toolchain-verifier.ts';
import { Trash } from './trash.ts';
import { TreeCache } from './tree-cache.ts';

export interface WorkerOptions {
  /** the worker's own directory, on the file system of its store (for hard links); made when missing */
  readonly dir: string;
  /** as people know it; stands in the results */
  readonly name: string;
  readonly slots: number;
  readonly processes: Processes;
  /** the worker's own store; the caller closes it after the worker */
  readonly store: WorkerStore;
  readonly log: Log;
  readonly limits?: Partial<ActionLimits>;
  /** disk space for system headers; default 8 GiB */
  readonly treeLimitBytes?: number;
  /** called when `state()` has changed in a way that the scheduler should know soon */
  readonly onStateChange?: () => void;
}

export interface Worker extends LeaseRunner {
  state(): WorkerState;
  /** Refuses new leases from now on; `state().draining` says so. */
  drain(): void;
  /** Cancels what runs, waits for it and removes its traces. Trees stay for the next start. */
  close(): Promise<void>;
}

export const defaultActionLimits: ActionLimits = {
  process: { fileSizeBytes: 2 * 1024 ** 3, openFiles: 1024 },
  logBytes: 100 * 1024 ** 2,
  outputBytes: 1024 ** 3,
};

/** Starts a worker. `worker-failed` when the sandbox does not work on this machine or the directory cannot be used. */
export async function createWorker(options: WorkerOptions): Promise<Result<Worker, RemoteFailure>> {
  const ability = await probeSandbox(options.processes);
  if (!ability.ok) return ability;
  const { dir, slots, store, processes, log } = options;
  let trash: Trash;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    trash = new Trash(`${dir}/trash`, processes, log);
    const strays = killStraySandboxes(`${dir}/roots`);
    if (strays > 0) log.warn({ strays }, 'ended sandboxes of an earlier worker');
    // What an earlier process left is stale: it has to go before anything has the same name.
    for (const name of ['roots', 'actions']) {
      trash.discard(`${dir}/${name}`);
      mkdirSync(`${dir}/${name}`);
    }
  } catch (error) {
    return err({ reason: 'worker-failed', message: `${dir}: ${String(error)}` });
  }
  const fetcher = new BlobFetcher(store);
  const loader = new InputLoader();
  const roots = new RootPool({
    directory: `${dir}/roots`,
    idleRoots: 2 * slots + 2,
    inputMtimeSeconds: blobMtimeSeconds,
    trash,
  });
  const trees = new TreeCache({
    directory: `${dir}/trees`,
    limitBytes: options.treeLimitBytes ?? 8 * 1024 ** 3,
    inputMtimeSeconds: blobMtimeSeconds,
    fetcher,
    loader,
    trash,
  });
  const verifier = new ToolchainVerifier(options.onStateChange);
  const runner = new ActionRunner({
    scratch: `${dir}/actions`,
    workerName: options.name,
    processes,
    ability: ability.value,
    slots: new Semaphore(slots),
    limits: { ...defaultActionLimits, ...options.limits },
    loader,
    fetcher,
    trees,
    roots,
    trash,
  });
  return ok(new RunningWorker(runner, verifier, options));
}

class RunningWorker implements Worker {
  readonly #closing = new AbortController();
  readonly #leases = new Set<Promise<unknown>>();
  #draining = false;

  constructor(
    readonly runner: ActionRunner,
    readonly verifier: ToolchainVerifier,
    readonly options: WorkerOptions,
  ) {}

  run(
    request: LeaseRequest,
    blobs: BlobStore,
    onRunning: () => void,
    signal: AbortSignal,
  ): Promise<Result<LeaseOutcome, RemoteFailure>> {
    if (this.#draining) return Promise.resolve(err({ reason: 'worker-failed', message: 'the worker is leaving' }));
    const either = AbortSignal.any([signal, this.#closing.signal]);
    setMaxListeners(0, either);
    const lease = this.#lease(request, blobs, onRunning, either);
    this.#leases.add(lease);
    return lease.finally(() => this.#leases.delete(lease));
  }

  state(): WorkerState {
    return {
      load: (loadavg()[0] ?? 0) / availableParallelism(),
      freeMemoryBytes: availableMemoryBytes(),
      toolchains: [...this.verifier.verified],
      brokenToolchains: [...this.verifier.broken],
      draining: this.#draining,
    };
  }

  drain(): void {
    this.#draining = true;
    this.options.onStateChange?.();
  }

  async close(): Promise<void> {
    this.#draining = true;
    this.#closing.abort();
    await Promise.allSettled(this.#leases);
    this.runner.parts.roots.clear();
    await this.runner.parts.trash.emptied();
  }

  async #lease(
    request: LeaseRequest,
    blobs: BlobStore,
    onRunning: () => void,
    signal: AbortSignal,
  ): Promise<Result<LeaseOutcome, RemoteFailure>> {
    const { hints, timeoutMs, action } = request;
    const log = this.options.log.child({ lease: request.id, correlation: hints.correlation, label: hints.label });
    const toolchain = parseDigest(hints.toolchain);
    const job = { timeoutMs, mounts: hints.mounts, affinity: `${toolchain?.hash ?? ''} ${hints.build}` };
    if (toolchain !== undefined) {
      const verified = await this.verifier.verify(
        toolchain,
        blobs,
        async (probe, from, own) => {
          const done = await this.runner.run({ ...job, action: probe, upload: false }, from, () => {}, own);
          return done.ok ? ok(done.value.product) : done;
        },
        signal,
      );
      if (!verified.ok) return this.#failed(log, verified.error);
    }
    const done = await this.runner.run({ ...job, action, upload: true }, blobs, onRunning, signal);
    if (!done.ok) return this.#failed(log, done.error);
    const { result, timings } = done.value;
    log.debug({ exitCode: result.exitCode, timings }, 'lease done');
    return ok({ result, timings });
  }

  #failed(log: Log, failure: RemoteFailure): { readonly ok: false; readonly error: RemoteFailure } {
    if (failure.reason !== 'cancelled') log.warn({ reason: failure.reason, problem: failure.message }, 'lease failed');
    return err(failure);
  }
}

/** What programs could still get, page cache included. */
function availableMemoryBytes(): number {
  try {
    const found = /^MemAvailable:\s+([0-9]+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
    return found === null ? freemem() : Number(found[1]) * 1024;
  } catch {
    return freemem();
  }
}
