// Stand-ins around a scheduler: a store and an action cache in memory, actions to run, workers that tests command
// lease by lease.

import { deferred, type Deferred } from '../../src/base/deferred.ts';
import { err, ok, type Result } from '../../src/base/result.ts';
import type { ActionCache } from '../../src/model/action-cache.ts';
import {
  Action,
  ActionResult,
  Command,
  encodeAction,
  encodeCommand,
  encodeDirectory,
  Directory,
  ExecutionHints,
  Timings,
} from '../../src/model/action.ts';
import type { BlobStore } from '../../src/model/blob-store.ts';
import { digestKey, digestOf, emptyDigest, sameDigest, type Digest } from '../../src/model/digest.ts';
import type { RemoteFailure } from '../../src/model/failure.ts';
import type {
  LeaseOutcome,
  LeaseRequest,
  WorkerHandle,
  WorkerMembership,
  WorkerPool,
} from '../../src/model/worker-pool.ts';
import { WorkerInfo, WorkerState } from '../../src/model/worker-pool.ts';

/** Blobs in a map, as simple as the port allows. */
export class MapStore implements BlobStore {
  readonly blobs = new Map<string, Uint8Array>();
  readonly pinned: string[] = [];

  put(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(digestKey(digest), bytes);
    return digest;
  }

  /** How often a digest is pinned now, over all pins. */
  pin(digests: readonly Digest[]): { release(): void } {
    const keys = digests.map(digestKey);
    this.pinned.push(...keys);
    return {
      release: () => {
        for (const key of keys) this.pinned.splice(this.pinned.indexOf(key), 1);
      },
    };
  }

  async findMissing(digests: readonly Digest[]): Promise<Result<readonly Digest[], RemoteFailure>> {
    return ok(digests.filter((digest) => !sameDigest(digest, emptyDigest) && !this.blobs.has(digestKey(digest))));
  }

  async read(digest: Digest): Promise<Result<Uint8Array, RemoteFailure>> {
    const bytes = sameDigest(digest, emptyDigest) ? new Uint8Array(0) : this.blobs.get(digestKey(digest));
    return bytes === undefined ? err({ reason: 'missing-blob', message: digestKey(digest) }) : ok(bytes);
  }

  async readMany(digests: readonly Digest[]): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
    const all: Uint8Array[] = [];
    for (const digest of digests) {
      const one = await this.read(digest);
      if (!one.ok) return one;
      all.push(one.value);
    }
    return ok(all);
  }

  async write(digest: Digest, bytes: Uint8Array): Promise<Result<void, RemoteFailure>> {
    if (!sameDigest(digest, digestOf(bytes))) return err({ reason: 'invalid-request', message: digestKey(digest) });
    this.put(bytes);
    return ok(undefined);
  }

  async writeMany(
    blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[],
  ): Promise<Result<void, RemoteFailure>> {
    for (const { digest, bytes } of blobs) {
      const one = await this.write(digest, bytes);
      if (!one.ok) return one;
    }
    return ok(undefined);
  }

  async readChunk(digest: Digest, offset: number, limit: number): Promise<Result<Uint8Array, RemoteFailure>> {
    const whole = await this.read(digest);
    return whole.ok ? ok(whole.value.subarray(offset, offset + limit)) : whole;
  }

  async openWrite(): Promise<Result<never, RemoteFailure>> {
    return err({ reason: 'store-failed', message: 'not in this store' });
  }
}

export class MapActionCache implements ActionCache {
  readonly results = new Map<string, ActionResult>();

  async get(action: Digest): Promise<Result<ActionResult | undefined, RemoteFailure>> {
    return ok(this.results.get(digestKey(action)));
  }

  async put(action: Digest, result: ActionResult): Promise<Result<void, RemoteFailure>> {
    this.results.set(digestKey(action), result);
    return ok(undefined);
  }

  async remove(action: Digest): Promise<Result<void, RemoteFailure>> {
    this.results.delete(digestKey(action));
    return ok(undefined);
  }
}

export interface SampleAction {
  readonly digest: Digest;
  readonly hints: ExecutionHints;
}

/** Stores the blobs of an action that compiles `name`; different names are different actions. */
export function sampleAction(
  store: MapStore,
  name: string,
  options: { readonly doNotCache?: boolean; readonly hints?: Partial<ExecutionHints> } = {},
): SampleAction {
  const command = encodeCommand(
    Command.fromPartial({ arguments: ['cc', '-c', `${name}.c`], outputPaths: [`${name}.o`] }),
  );
  const root = encodeDirectory(Directory.fromPartial({ symlinks: [{ name: 'src', target: '.' }] }));
  const action = encodeAction(
    Action.fromPartial({
      commandDigest: command.digest,
      inputRootDigest: root.digest,
      doNotCache: options.doNotCache ?? false,
    }),
  );
  for (const blob of [command, root, action]) store.put(blob.bytes);
  const hints = ExecutionHints.fromPartial({
    costKey: name,
    label: `${name}.c`,
    client: 'client',
    arch: 'x86_64',
    sourceBytes: 1000,
    ...options.hints,
  });
  return { digest: action.digest, hints };
}

/** A lease that a fake worker holds until the test ends it. */
export class FakeLease {
  readonly request: LeaseRequest;
  readonly signal: AbortSignal;
  readonly #store: MapStore;
  readonly #onRunning: () => void;
  readonly answer: Deferred<Result<LeaseOutcome, RemoteFailure>> = deferred();

  constructor(request: LeaseRequest, onRunning: () => void, signal: AbortSignal, store: MapStore) {
    this.request = request;
    this.signal = signal;
    this.#onRunning = onRunning;
    this.#store = store;
  }

  get label(): string {
    return this.request.hints.label;
  }

  running(): void {
    this.#onRunning();
  }

  /** Ends it with an object of this content. */
  succeed(content = `object of ${this.label}`, options: { runMs?: number; exitCode?: number } = {}): void {
    const bytes = Buffer.from(content);
    const digest = this.#store.put(bytes);
    this.succeedWith(
      ActionResult.fromPartial({
        exitCode: options.exitCode ?? 0,
        outputFiles: [{ path: 'out.o', digest, contents: bytes }],
      }),
      options.runMs,
    );
  }

  succeedWith(result: ActionResult, runMs = 1000): void {
    const us = runMs * 1000;
    this.answer.resolve(ok({ result, timings: Timings.fromPartial({ runUs: us, userUs: us, maxRssBytes: 1 << 26 }) }));
  }

  fail(reason: RemoteFailure['reason']): void {
    this.answer.resolve(err({ reason, message: `told to fail with ${reason}` }));
  }
}

/** A worker that does nothing by itself, apart from stopping when it is told to (unless `stubborn`). */
export class FakeWorker implements WorkerHandle {
  readonly info: WorkerInfo;
  readonly name: string;
  readonly leases: FakeLease[] = [];
  stubborn = false;
  readonly #store: MapStore;
  #membership: WorkerMembership | undefined;
  /** called for each lease that arrives */
  onLease: ((lease: FakeLease) => void) | undefined;

  constructor(store: MapStore, name: string, info: Partial<WorkerInfo> = {}) {
    this.#store = store;
    this.name = name;
    this.info = WorkerInfo.fromPartial({
      id: `id-${name}`,
      arch: 'x86_64',
      cores: 4,
      slots: 1,
      memoryBytes: 8 * 2 ** 30,
      ...info,
    });
  }

  joinTo(pool: WorkerPool): this {
    this.#membership = pool.join(this);
    return this;
  }

  leave(): void {
    this.#membership?.left();
  }

  say(state: Partial<WorkerState>): void {
    this.#membership?.stateChanged(WorkerState.fromPartial({ freeMemoryBytes: 8 * 2 ** 30, ...state }));
  }

  /** The lease for `label` that arrived last. */
  leaseOf(label: string): FakeLease {
    const found = this.leases.findLast((lease) => lease.label === label);
    if (found === undefined) throw new Error(`${this.name} holds no lease for ${label}`);
    return found;
  }

  lease(
    request: LeaseRequest,
    onRunning: () => void,
    signal: AbortSignal,
  ): Promise<Result<LeaseOutcome, RemoteFailure>> {
    const lease = new FakeLease(request, onRunning, signal, this.#store);
    this.leases.push(lease);
    signal.addEventListener('abort', () => {
      if (!this.stubborn) lease.fail('cancelled');
    });
    this.onLease?.(lease);
    return lease.answer.promise;
  }
}
