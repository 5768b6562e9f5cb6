// Complete snapshots of directories such as /usr/include. A snapshot is current when none of its directories has
// changed (a new or a vanished entry shows in its directory); a file that changed in place is reported by whoever stats it.

import { readdirSync } from 'node:fs';
import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { DirectorySnapshot, DirectorySnapshots, FileStat, InputFailure } from '../model/inputs.ts';
import { treeNode, type TreeFile, type TreeNode } from '../model/tree.ts';
import type { StatFileDigests } from './file-digests.ts';
import { isDirectory, isRegular, isSymlink, sameStat } from './path-stats.ts';
import { settledAgeMs } from './stat-cache.ts';

/** One directory of a snapshot as it was read. Replaced, never changed. */
interface ReadDirectory {
  readonly path: string;
  readonly stat: FileStat;
  /** old enough when it was read for its stat to prove its entries */
  readonly settled: boolean;
  readonly node: TreeNode;
  readonly children: ReadonlyMap<string, ReadDirectory>;
  readonly escapes: readonly string[];
  readonly skipped: readonly string[];
}

interface Tracked {
  root: ReadDirectory | undefined;
  snapshot: DirectorySnapshot | undefined;
  all: readonly ReadDirectory[];
  /** directories to be read again whatever their stat says */
  readonly suspects: Set<string>;
  running: Promise<unknown> | undefined;
  /** a check that has not started: whoever asks now may share it */
  pending: Promise<Result<DirectorySnapshot, InputFailure>> | undefined;
  startedMs: number;
}

export interface SystemTreesOptions {
  readonly digests: StatFileDigests;
  /** shortest time from the start of one check of a directory to the start of the next, milliseconds */
  readonly spacingMs?: number;
  /** a directory with more entries fails */
  readonly entryLimit?: number;
}

const sliceMs = 12;

export class SystemTrees implements DirectorySnapshots {
  readonly #tracked = new Map<string, Tracked>();
  readonly #digests: StatFileDigests;
  readonly #spacingMs: number;
  readonly #entryLimit: number;
  #checks = 0;

  constructor(options: SystemTreesOptions) {
    this.#digests = options.digests;
    this.#spacingMs = options.spacingMs ?? 20;
    this.#entryLimit = options.entryLimit ?? 300_000;
  }

  /** How many checks have run, for tests and counters. */
  get checks(): number {
    return this.#checks;
  }

  async current(path: string): Promise<Result<DirectorySnapshot, InputFailure>> {
    let tracked = this.#tracked.get(path);
    if (tracked === undefined) {
      tracked = {
        root: undefined,
        snapshot: undefined,
        all: [],
        suspects: new Set(),
        running: undefined,
        pending: undefined,
        startedMs: -Infinity,
      };
      this.#tracked.set(path, tracked);
    }
    tracked.pending ??= this.#schedule(path, tracked);
    return tracked.pending;
  }

  /** A file below a snapshot is not what the snapshot says: its directory is read again by the next check. */
  suspect(file: string): void {
    for (const [path, tracked] of this.#tracked) {
      if (file.startsWith(`${path}/`)) tracked.suspects.add(posix.dirname(file));
    }
  }

  async #schedule(path: string, tracked: Tracked): Promise<Result<DirectorySnapshot, InputFailure>> {
    await tracked.running;
    const waitMs = tracked.startedMs + this.#spacingMs - performance.now();
    await new Promise<void>((resolve) => {
      if (waitMs > 0) setTimeout(resolve, waitMs);
      else setImmediate(resolve);
    });
    tracked.pending = undefined;
    tracked.startedMs = performance.now();
    const check = this.#check(path, tracked);
    tracked.running = check;
    return check;
  }

  async #check(path: string, tracked: Tracked): Promise<Result<DirectorySnapshot, InputFailure>> {
    this.#checks += 1;
    const { snapshot } = tracked;
    if (snapshot !== undefined && tracked.suspects.size === 0 && this.#untouched(tracked.all)) return ok(snapshot);
    const suspects = new Set(tracked.suspects);
    tracked.suspects.clear();
    const reader = new Reader(this.#digests, suspects, this.#entryLimit);
    const root = await reader.read(path, tracked.root);
    if (root === undefined) {
      this.#tracked.delete(path);
      return err({ reason: 'unshippable-path', path, message: reader.complaint ?? 'is no directory' });
    }
    const same = snapshot !== undefined && root.node.blob.digest.hash === snapshot.node.blob.digest.hash;
    if (same && root === tracked.root) return ok(snapshot);
    const all: ReadDirectory[] = [];
    const hashes = new Set<string>();
    const collect = (directory: ReadDirectory) => {
      all.push(directory);
      for (const file of directory.node.files.values()) hashes.add(file.digest.hash);
      for (const child of directory.children.values()) collect(child);
    };
    collect(root);
    tracked.root = root;
    tracked.all = all;
    // whoever holds a snapshot knows by its identity that nothing has changed
    if (same) return ok(snapshot);
    tracked.snapshot = {
      path,
      node: root.node,
      hashes,
      escapes: all.flatMap((directory) => directory.escapes).filter((target) => !inside(target, path)),
      skipped: all.flatMap((directory) => directory.skipped),
    };
    return ok(tracked.snapshot);
  }

  #untouched(all: readonly ReadDirectory[]): boolean {
    for (const directory of all) {
      if (!directory.settled) return false;
      const now = this.#digests.stats.lstat(directory.path);
      if (now === undefined || !sameStat(now, directory.stat)) return false;
    }
    return true;
  }
}

/** Reads a tree again, keeping what has not changed; gives way to others every few milliseconds. */
class Reader {
  complaint: string | undefined;
  #entries = 0;
  #sliceStartMs = performance.now();

  constructor(
    readonly digests: StatFileDigests,
    readonly suspects: ReadonlySet<string>,
    readonly entryLimit: number,
  ) {}

  async read(path: string, before: ReadDirectory | undefined): Promise<ReadDirectory | undefined> {
    if (performance.now() - this.#sliceStartMs > sliceMs) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#sliceStartMs = performance.now();
    }
    const readAtMs = Date.now();
    const stat = this.digests.stats.lstat(path);
    if (stat === undefined || !isDirectory(stat)) return undefined;
    if (before !== undefined && before.settled && sameStat(before.stat, stat) && !this.suspects.has(path)) {
      return this.#descend(before);
    }
    const names = this.#names(path);
    if (names === undefined) return undefined;
    const settled = readAtMs - Math.max(stat.mtimeMs, stat.ctimeMs) > settledAgeMs;
    const files = new Map<string, TreeFile>();
    const symlinks = new Map<string, string>();
    const children = new Map<string, ReadDirectory>();
    const escapes: string[] = [];
    const skipped: string[] = [];
    for (const name of names) {
      const child = `${path}/${name}`;
      const found = name.includes('\ufffd') ? undefined : this.digests.stats.lstat(child);
      if (found === undefined) {
        skipped.push(child);
      } else if (isDirectory(found)) {
        const read = await this.read(child, before?.children.get(name));
        if (read === undefined) skipped.push(child);
        else children.set(name, read);
      } else if (isSymlink(found)) {
        const target = this.digests.stats.target(child, found);
        if (target === undefined) skipped.push(child);
        else {
          symlinks.set(name, target);
          escapes.push(posix.resolve(path, target));
        }
      } else {
        const record = isRegular(found) ? this.digests.record(child, found) : undefined;
        if (record?.ok !== true) skipped.push(child);
        else {
          const { digest, mtimeNs } = record.value;
          files.set(name, { digest, mtimeNs, executable: false, path: child });
        }
      }
    }
    const node = treeNode(files, nodesOf(children), symlinks);
    if (before !== undefined && node.blob.digest.hash === before.node.blob.digest.hash) {
      return { ...before, stat, settled, children, node: before.node, escapes, skipped };
    }
    return { path, stat, settled, node, children, escapes, skipped };
  }

  /** The directory itself is as before; its subdirectories may not be. */
  async #descend(before: ReadDirectory): Promise<ReadDirectory | undefined> {
    let different = false;
    const children = new Map<string, ReadDirectory>();
    for (const [name, child] of before.children) {
      const now = await this.read(child.path, child);
      if (now === undefined) return undefined;
      if (now !== child) different = true;
      children.set(name, now);
    }
    if (!different) return before;
    const node = treeNode(before.node.files, nodesOf(children), before.node.symlinks);
    return { ...before, children, node };
  }

  #names(path: string): readonly string[] | undefined {
    try {
      const names = readdirSync(path);
      this.#entries += names.length;
      if (this.#entries > this.entryLimit) {
        this.complaint = `has more than ${this.entryLimit} entries`;
        return undefined;
      }
      return names;
    } catch (error) {
      this.complaint = `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`;
      return undefined;
    }
  }
}

function nodesOf(children: ReadonlyMap<string, ReadDirectory>): Map<string, TreeNode> {
  const nodes = new Map<string, TreeNode>();
  for (const [name, child] of children) nodes.set(name, child.node);
  return nodes;
}

/** Whether an absolute path is a directory or lies below it. */
export function inside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
