// The whole input root of one compile: toolchain, the compiler's search directories as coarse trees, the closure's files.
// Unaware of actions and transports.

import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { DirectorySnapshot, InputFailure, InputRoot, InputTrees, TreeBase } from '../model/inputs.ts';
import type { TreeNode } from '../model/tree.ts';
import type { Closure } from './scanner.ts';
import { realOrSame } from './path-stats.ts';
import { inside } from './system-trees.ts';
import type { TreeUse } from './tree-use.ts';

export interface AssembledRoot {
  readonly root: InputRoot;
  /** what the root starts from: the same object for many compiles; its blobs are `treeBlobs(base.root)` of model/tree.ts */
  readonly base: TreeBase;
  /** Whether the coarse trees are still what they were at or after a moment: to be asked after the result has come. */
  current(notBeforeMs?: number): Promise<boolean>;
}

export interface RootExtras {
  /** existing directories besides the closure's: working directory, output folders */
  readonly directories: readonly string[];
  /** files that are no source text: response files, sanitizer lists */
  readonly files: readonly string[];
}

/** System trees as far as they are used, see `SystemTrees`. */
export interface UsedTrees {
  use(path: string): TreeUse;
  partial(path: string, notBeforeMs?: number): Promise<Result<DirectorySnapshot, InputFailure>>;
  holds(snapshot: DirectorySnapshot, notBeforeMs?: number): Promise<boolean>;
  suspect(file: string): void;
}

/** A root as it was assembled for a closure. */
interface Remembered {
  readonly base: TreeBase;
  readonly extras: string;
  readonly assembled: AssembledRoot;
  /** estimate of the memory it takes */
  readonly bytes: number;
}

const keptBases = 24;
/** links inside system trees may lead to subdirectories that nobody has used; each costs one more attempt */
const attemptLimit = 60;
const realPathLimit = 20_000;
/** memory for roots that may be asked for again */
const rememberedBytesLimit = 64 << 20;
/** what one file's entry takes in memory besides the encoded message, about */
const entryBytes = 300;

export class InputRoots {
  readonly #trees: InputTrees;
  readonly #snapshots: UsedTrees;
  readonly #bases = new Map<string, TreeBase>();
  #lastBase: { readonly toolchain: TreeNode; readonly base: TreeBase } | undefined;
  /** by closure: the coarse directories for which its use is noted */
  readonly #noted = new WeakMap<Closure, string>();
  /** the least recently used first */
  readonly #remembered = new Map<Closure, Remembered>();
  #rememberedBytes = 0;
  readonly #realPaths = new Map<string, string>();

  constructor(trees: InputTrees, snapshots: UsedTrees) {
    this.#trees = trees;
    this.#snapshots = snapshots;
  }

  /**
   * The same closure object gets the same root as long as nothing has changed.
   * @param toolchain root of the toolchain package
   * @param arrivedMs when the command arrived, on the monotonic clock
   */
  async assemble(
    toolchain: TreeNode,
    closure: Closure,
    extras: RootExtras,
    arrivedMs: number,
  ): Promise<Result<AssembledRoot, InputFailure>> {
    const coarse = outermost(closure.coarse).filter((path) => !holdsProject(path, closure, extras));
    this.#noteUse(closure, coarse);
    let notBeforeMs = arrivedMs;
    let doubted = false;
    for (let attempt = 1; ; attempt += 1) {
      const base = await this.#base(toolchain, coarse, notBeforeMs);
      if (!base.ok) return base;
      const built = this.#build(base.value, closure, extras, notBeforeMs);
      if (built.ok || attempt === attemptLimit) return built;
      const { path } = built.error;
      const snapshot = base.value.coarse.find((tree) => inside(path, tree.path));
      if (snapshot === undefined) return built;
      if (snapshot.unused.has(path)) {
        this.#snapshots.use(snapshot.path).add(path);
      } else if (!doubted) {
        // the coarse tree lags behind the file that the closure names: read that directory again, once
        doubted = true;
        this.#snapshots.suspect(path);
        notBeforeMs = performance.now();
      } else return built;
    }
  }

  /** What a compile may look at in the system trees: where its files are, its directories, what it asked and found. */
  #noteUse(closure: Closure, coarse: readonly string[]): void {
    const key = coarse.join('\0');
    if (this.#noted.get(closure) === key) return;
    const uses = coarse.map((path) => this.#snapshots.use(path));
    const note = (path: string, add: (use: TreeUse, physical: string) => void) => {
      const physical = this.#realPath(path);
      for (const use of uses) if (inside(physical, use.root)) add(use, physical);
    };
    for (const path of closure.coarse) for (const use of uses) if (inside(path, use.root)) use.addSearch(path);
    const folders = new Set(closure.directories);
    for (const { path } of closure.files) folders.add(posix.dirname(path));
    for (const { path, exists } of closure.probes) if (exists) folders.add(posix.dirname(path)).add(path);
    for (const path of folders) note(path, (use, physical) => use.add(physical));
    if (closure.restsOnTrees === true) for (const use of uses) use.addAll();
    this.#noted.set(closure, key);
  }

  #realPath(path: string): string {
    let real = this.#realPaths.get(path);
    if (real === undefined) {
      real = realOrSame(path);
      if (this.#realPaths.size > realPathLimit) this.#realPaths.clear();
      this.#realPaths.set(path, real);
    }
    return real;
  }

  async #current(base: TreeBase, notBeforeMs = performance.now()): Promise<boolean> {
    const holds = await Promise.all(base.coarse.map((snapshot) => this.#snapshots.holds(snapshot, notBeforeMs)));
    return holds.every((each) => each);
  }

  #build(
    base: TreeBase,
    closure: Closure,
    extras: RootExtras,
    notBeforeMs: number,
  ): Result<AssembledRoot, InputFailure> {
    const key = [...extras.directories, '', ...extras.files].join('\0');
    const known = this.#remembered.get(closure);
    if (known?.base === base && known.extras === key && known.assembled.root.holds(notBeforeMs)) {
      this.#remember(closure, known);
      return ok(known.assembled);
    }
    // a macro of one file may ask for the time of another one
    const builder = this.#trees.builder(base, { style: 'project', allTimes: closure.timestamp, notBeforeMs });
    for (const path of [...closure.directories, ...extras.directories]) {
      const added = builder.addDirectory(path);
      if (!added.ok) return added;
    }
    for (const { path, record } of closure.files) {
      const added = builder.addFile(path, record);
      if (!added.ok) return added;
    }
    for (const path of extras.files) {
      const added = builder.addFile(path);
      if (!added.ok) return added;
    }
    const root = builder.finish();
    const assembled = { root, base, current: (notBeforeMs?: number) => this.#current(base, notBeforeMs) };
    let bytes = root.fileCount * entryBytes;
    for (const blob of root.blobs) if (blob.kind === 'bytes') bytes += blob.digest.sizeBytes;
    this.#remember(closure, { base, extras: key, assembled, bytes });
    return ok(assembled);
  }

  #remember(closure: Closure, root: Remembered): void {
    this.#rememberedBytes += root.bytes - (this.#remembered.get(closure)?.bytes ?? 0);
    this.#remembered.delete(closure);
    this.#remembered.set(closure, root);
    for (const [oldest, { bytes }] of this.#remembered) {
      if (this.#rememberedBytes <= rememberedBytesLimit) break;
      this.#remembered.delete(oldest);
      this.#rememberedBytes -= bytes;
    }
  }

  async #base(
    toolchain: TreeNode,
    coarse: readonly string[],
    notBeforeMs: number,
  ): Promise<Result<TreeBase, InputFailure>> {
    const snapshots: DirectorySnapshot[] = [];
    for (const found of await Promise.all(coarse.map((path) => this.#snapshots.partial(path, notBeforeMs)))) {
      if (!found.ok) return found;
      snapshots.push(found.value);
    }
    const last = this.#lastBase;
    if (last?.toolchain === toolchain && sameSnapshots(last.base.coarse, snapshots)) return ok(last.base);
    const base = this.#baseOf(toolchain, snapshots);
    if (base.ok) this.#lastBase = { toolchain, base: base.value };
    return base;
  }

  #baseOf(toolchain: TreeNode, snapshots: readonly DirectorySnapshot[]): Result<TreeBase, InputFailure> {
    const key = [
      toolchain.blob.digest.hash,
      ...snapshots.map(({ path, node }) => `${path}\0${node.blob.digest.hash}`),
    ].join('\0');
    const known = this.#bases.get(key);
    // snapshots of equal content but another identity are equal for all that a base is used for, except `current`
    if (known !== undefined && sameSnapshots(known.coarse, snapshots)) return ok(known);
    const builder = this.#trees.builder({ root: toolchain, coarse: [] }, { style: 'toolchain' });
    for (const snapshot of snapshots) {
      const added = builder.addSnapshot(snapshot);
      if (!added.ok) return err(added.error);
    }
    const base = { root: builder.finish().node, coarse: snapshots };
    this.#bases.delete(key);
    this.#bases.set(key, base);
    if (this.#bases.size > keptBases) {
      const [oldest] = this.#bases.keys();
      if (oldest !== undefined) this.#bases.delete(oldest);
    }
    return ok(base);
  }
}

function sameSnapshots(a: readonly DirectorySnapshot[], b: readonly DirectorySnapshot[]): boolean {
  return a.length === b.length && a.every((snapshot, at) => snapshot === b[at]);
}

/** Directories without those that lie in another one of the list. */
export function outermost(paths: readonly string[]): string[] {
  const kept: string[] = [];
  for (const path of [...new Set(paths)].sort()) {
    if (!kept.some((directory) => inside(path, directory))) kept.push(path);
  }
  return kept;
}

/** A project built inside a system directory is shipped file by file, or each object written would make a new snapshot. */
function holdsProject(path: string, closure: Closure, extras: RootExtras): boolean {
  const source = closure.files[0]?.path;
  return (
    path === '/' ||
    (source !== undefined && inside(posix.normalize(source), path)) ||
    extras.directories.some((directory) => inside(posix.normalize(directory), path))
  );
}
