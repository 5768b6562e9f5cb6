// Runs one action from its digest to its result: read, fetch, set up, run, collect, upload. Unaware of leases and toolchains.

import { mkdirSync, symlinkSync } from 'node:fs';
import { err, ok, type Result } from '../base/result.ts';
import type { Semaphore } from '../base/semaphore.ts';
import { Timings, type ActionResult } from '../model/action.ts';
import type { BlobStore } from '../model/blob-store.ts';
import type { Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { ProcessLimits, Processes } from '../model/processes.ts';
import { layOutAction, type ActionCommand, type ActionLayout } from '../sandbox/action-layout.ts';
import { copyWritable, type ActionRoot, type RootChange } from '../sandbox/action-root.ts';
import { collectOutput } from '../sandbox/output-collection.ts';
import { isEntryName } from '../sandbox/root-tree.ts';
import { runSandboxed, type SandboxAbility, type SandboxExit } from '../sandbox/sandbox-process.ts';
import { blobMtimeSeconds } from '../store/disk-store.ts';
import { cancelled, type BlobFetcher } from './blob-fetcher.ts';
import { readAction } from './command-reader.ts';
import type { InputLoader, MountPath } from './input-loader.ts';
import { pathsOf } from './own-files.ts';
import { prepareResult, uploadBlobs, type ActionProduct } from './result-upload.ts';
import type { RootPool } from './root-pool.ts';
import type { Trash } from './trash.ts';
import type { HeldTree, TreeCache } from './tree-cache.ts';

export interface ActionLimits {
  readonly process: ProcessLimits;
  /** stdout and stderr, each */
  readonly logBytes: number;
  /** one output file */
  readonly outputBytes: number;
}

export interface ActionJob {
  readonly action: Digest;
  readonly timeoutMs: number;
  /** absolute paths of directories to be kept as trees; those that are not in the input root are passed over */
  readonly mounts: readonly string[];
  /** actions of equal affinity have similar roots */
  readonly affinity: string;
  /** outputs go to the scheduler's store; false only compares them */
  readonly upload: boolean;
}

export interface ActionRunnerParts {
  /** existing empty directory for the writable parts of actions */
  readonly scratch: string;
  readonly workerName: string;
  readonly processes: Processes;
  readonly ability: SandboxAbility;
  readonly slots: Semaphore;
  readonly limits: ActionLimits;
  readonly loader: InputLoader;
  readonly fetcher: BlobFetcher;
  readonly trees: TreeCache;
  readonly roots: RootPool;
  readonly trash: Trash;
}

export interface ActionDone {
  readonly result: ActionResult;
  readonly timings: Timings;
  readonly product: ActionProduct;
}

/** What an action holds until its end. */
class Holdings {
  readonly #releases: (() => void)[] = [];

  add(release: () => void): void {
    this.#releases.push(release);
  }

  releaseAll(): void {
    for (const release of this.#releases.splice(0).reverse()) release();
  }
}

export class ActionRunner {
  #count = 0;

  constructor(readonly parts: ActionRunnerParts) {}

  async run(
    job: ActionJob,
    blobs: BlobStore,
    onRunning: () => void,
    signal: AbortSignal,
  ): Promise<Result<ActionDone, RemoteFailure>> {
    const holdings = new Holdings();
    try {
      return await this.#run(job, blobs, onRunning, signal, holdings);
    } catch (error) {
      // The disk is full, a folder has gone: the scheduler tries another worker.
      return err({ reason: 'worker-failed', message: String(error) });
    } finally {
      holdings.releaseAll();
    }
  }

  async #run(
    job: ActionJob,
    blobs: BlobStore,
    onRunning: () => void,
    signal: AbortSignal,
    holdings: Holdings,
  ): Promise<Result<ActionDone, RemoteFailure>> {
    const { slots, trees } = this.parts;
    const start = performance.now();
    const action = await readAction(job.action, blobs, signal);
    if (!action.ok) return action;
    const { command } = action.value;
    const layout = await this.#layOut(action.value.inputRoot, command, job.mounts, blobs, signal);
    if (!layout.ok) return layout;
    const held = await holdTrees(layout.value, trees, blobs, signal, holdings);
    if (!held.ok) return held;
    const root = this.parts.roots.take(job.affinity);
    holdings.add(() => {
      this.parts.roots.giveBack(root, job.affinity);
    });
    const scratch = `${this.parts.scratch}/${(this.#count += 1)}`;
    holdings.add(() => {
      this.parts.trash.discard(scratch);
    });
    const setUp = await this.#setUp(layout.value, root, scratch, blobs, signal);
    if (!setUp.ok) return setUp;

    const ready = performance.now();
    const slot = await slots.acquire(signal);
    if (slot === undefined) return err(cancelled);
    const begun = performance.now();
    const timeoutMs = Math.min(job.timeoutMs, action.value.timeoutMs ?? Infinity);
    let ran: Result<SandboxExit, RemoteFailure>;
    try {
      ran = await runSandboxed(
        this.parts.processes,
        {
          root: root.path,
          binds: layout.value.binds.map(({ target, source }) => {
            switch (source.kind) {
              case 'root':
                return { target, source: root.path + source.path, writable: false };
              case 'scratch':
                return { target, source: `${scratch}/${source.index}`, writable: true };
              case 'tree':
                return { target, source: held.value.get(target)!.path, writable: false };
            }
          }),
          chdir: layout.value.chdir,
          env: command.env,
          argv: command.argv,
          forbidNamespaces: this.parts.ability.forbidNamespaces,
        },
        { timeoutMs, outputBytes: this.parts.limits.logBytes, process: this.parts.limits.process },
        { signal, onStarted: onRunning, stderrTerminal: command.stderrTerminal },
      );
    } finally {
      slot.release();
    }
    if (!ran.ok) return ran;

    const ended = performance.now();
    const product = await this.#collect(layout.value, scratch, ran.value);
    if (!product.ok) return product;
    const prepared = prepareResult(product.value, this.parts.workerName);
    if (job.upload) {
      const uploaded = await uploadBlobs(prepared.blobs, blobs, signal);
      if (!uploaded.ok) return uploaded;
    }
    const timings = Timings.fromPartial({
      queueUs: micros(begun - ready),
      fetchUs: micros(setUp.value.fetchedMs - start),
      setupUs: micros(ready - setUp.value.fetchedMs),
      runUs: micros(ended - begun),
      uploadUs: micros(performance.now() - ended),
      userUs: micros(ran.value.userMs),
      systemUs: micros(ran.value.systemMs),
      maxRssBytes: ran.value.maxRssBytes,
    });
    return ok({ result: prepared.result, timings, product: product.value });
  }

  async #layOut(
    inputRoot: Digest,
    command: ActionCommand,
    wanted: readonly string[],
    blobs: BlobStore,
    signal: AbortSignal,
  ): Promise<Result<ActionLayout, RemoteFailure>> {
    let mounts = mountPaths(wanted);
    for (;;) {
      const tree = await this.parts.loader.load(inputRoot, mounts, blobs, signal);
      if (!tree.ok) return tree;
      const layout = layOutAction(tree.value, command);
      if (layout.ok) return layout;
      if (layout.error.reason === 'invalid') return err({ reason: 'invalid-request', message: layout.error.message });
      const inTheWay = layout.error.mount.join('/');
      const fewer = mounts.filter((mount) => mount.join('/') !== inTheWay);
      if (fewer.length === mounts.length) throw new Error(`no mount ${inTheWay}`);
      mounts = fewer;
    }
  }

  async #setUp(
    layout: ActionLayout,
    root: ActionRoot,
    scratch: string,
    blobs: BlobStore,
    signal: AbortSignal,
  ): Promise<Result<{ readonly fetchedMs: number }, RemoteFailure>> {
    const { fetcher } = this.parts;
    const change = root.plan(layout.tree);
    const files = [...change.files, ...layout.scratch.flatMap((directory) => directory.files.map(([, file]) => file))];
    const digests = files.map(({ digest }) => digest);
    const pin = fetcher.store.pin(digests);
    try {
      const fetched = await fetcher.fetch(
        digests,
        blobs,
        signal,
        pathsOf(() => filesOf(change)),
      );
      if (!fetched.ok) return fetched;
      const source = await fetcher.paths(files);
      if (!source.ok) return source;
      const fetchedMs = performance.now();
      await root.apply(change, source.value);
      mkdirSync(scratch);
      for (const [index, directory] of layout.scratch.entries()) {
        const path = `${scratch}/${index}`;
        mkdirSync(path);
        for (const name of directory.directories) mkdirSync(`${path}/${name}`);
        for (const [name, target] of directory.symlinks) symlinkSync(target, `${path}/${name}`);
        for (const [name, file] of directory.files) {
          copyWritable(source.value(file.digest, file.executable), `${path}/${name}`, file, blobMtimeSeconds);
        }
      }
      return ok({ fetchedMs });
    } finally {
      pin.release();
    }
  }

  async #collect(
    layout: ActionLayout,
    scratch: string,
    exit: SandboxExit,
  ): Promise<Result<ActionProduct, RemoteFailure>> {
    const outputs: ActionProduct['outputs'][number][] = [];
    for (const { declared, scratch: index, name } of layout.outputs) {
      const output = await collectOutput(`${scratch}/${index}`, name, this.parts.limits.outputBytes);
      if (!output.ok) return output;
      if (output.value !== undefined) outputs.push({ path: declared, output: output.value });
    }
    return ok({ exitCode: exit.exitCode, stdout: exit.stdout, stderr: exit.stderr, outputs });
  }
}

async function holdTrees(
  layout: ActionLayout,
  trees: TreeCache,
  blobs: BlobStore,
  signal: AbortSignal,
  holdings: Holdings,
): Promise<Result<ReadonlyMap<string, HeldTree>, RemoteFailure>> {
  const held = new Map<string, HeldTree>();
  const failures = await Promise.all(
    layout.binds.map(async ({ target, source }) => {
      if (source.kind !== 'tree') return undefined;
      const tree = await trees.hold({ digest: source.digest, copy: source.copy, path: target }, blobs, signal);
      if (!tree.ok) return tree.error;
      holdings.add(() => {
        tree.value.release();
      });
      held.set(target, tree.value);
      return undefined;
    }),
  );
  const failure = failures.find((one) => one !== undefined);
  return failure === undefined ? ok(held) : err(failure);
}

/** The paths that the files of a change will have for the action. */
function filesOf({ steps }: RootChange): (readonly [Digest, string])[] {
  return steps.flatMap(({ path, entry }) => (entry.kind === 'file' ? [[entry.digest, path] as const] : []));
}

/** Hints that name no plain absolute path below the root are passed over. */
function mountPaths(hints: readonly string[]): MountPath[] {
  const paths: MountPath[] = [];
  for (const hint of hints) {
    const names = hint.split('/').slice(1);
    if (hint.startsWith('/') && names.length > 0 && names.every(isEntryName)) paths.push(names);
  }
  return paths;
}

function micros(ms: number): number {
  return Math.max(0, Math.round(ms * 1000));
}
