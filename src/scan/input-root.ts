// The whole input root of one compile: toolchain, the compiler's search directories as coarse trees, the closure's files.
// Unaware of actions and transports.

import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type {
  DirectorySnapshot,
  DirectorySnapshots,
  InputFailure,
  InputRoot,
  InputTrees,
  TreeBase,
} from '../model/inputs.ts';
import type { TreeNode } from '../model/tree.ts';
import type { Closure } from './scanner.ts';
import { inside } from './system-trees.ts';

export interface AssembledRoot {
  readonly root: InputRoot;
  /** what the root starts from: the same object for many compiles; its blobs are `treeBlobs(base.root)` of model/tree.ts */
  readonly base: TreeBase;
  /** Whether the coarse trees are still what they were when asked: to be asked after the result has come. */
  current(): Promise<boolean>;
}

export interface RootExtras {
  /** existing directories besides the closure's: working directory, output folders */
  readonly directories: readonly string[];
  /** files that are no source text: response files, sanitizer lists */
  readonly files: readonly string[];
}

/** Snapshots of which one can say that a file in them is out of date. */
export interface SuspectableSnapshots extends DirectorySnapshots {
  suspect(file: string): void;
}

const keptBases = 24;

export class InputRoots {
  readonly #trees: InputTrees;
  readonly #snapshots: SuspectableSnapshots;
  readonly #bases = new Map<string, TreeBase>();

  constructor(trees: InputTrees, snapshots: SuspectableSnapshots) {
    this.#trees = trees;
    this.#snapshots = snapshots;
  }

  /**
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
    let built = await this.#attempt(toolchain, coarse, closure, extras, arrivedMs);
    if (!built.ok) {
      const { path } = built.error;
      if (coarse.some((directory) => inside(path, directory))) {
        // the coarse tree lags behind the file that the closure names: read that directory again, once
        this.#snapshots.suspect(path);
        built = await this.#attempt(toolchain, coarse, closure, extras, performance.now());
      }
    }
    return built;
  }

  async #current(base: TreeBase): Promise<boolean> {
    const now = await Promise.all(base.coarse.map(({ path }) => this.#snapshots.current(path)));
    return now.every((snapshot, at) => snapshot.ok && snapshot.value === base.coarse[at]);
  }

  async #attempt(
    toolchain: TreeNode,
    coarse: readonly string[],
    closure: Closure,
    extras: RootExtras,
    notBeforeMs: number,
  ): Promise<Result<AssembledRoot, InputFailure>> {
    const snapshots: DirectorySnapshot[] = [];
    for (const found of await Promise.all(coarse.map((path) => this.#snapshots.current(path)))) {
      if (!found.ok) return found;
      snapshots.push(found.value);
    }
    const base = this.#base(toolchain, snapshots);
    if (!base.ok) return base;
    // a macro of one file may ask for the time of another one
    const builder = this.#trees.builder(base.value, { style: 'project', allTimes: closure.timestamp, notBeforeMs });
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
    return ok({ root: builder.finish(), base: base.value, current: () => this.#current(base.value) });
  }

  #base(toolchain: TreeNode, snapshots: readonly DirectorySnapshot[]): Result<TreeBase, InputFailure> {
    const key = [
      toolchain.blob.digest.hash,
      ...snapshots.map(({ path, node }) => `${path}\0${node.blob.digest.hash}`),
    ].join('\0');
    const known = this.#bases.get(key);
    // snapshots of equal content but another identity are equal for all that a base is used for, except `current`
    if (known !== undefined && known.coarse.every((snapshot, at) => snapshot === snapshots[at])) return ok(known);
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
