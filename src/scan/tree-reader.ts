// Reads a tree of directories into a merkle tree, and reads it again keeping what has not changed: proved by a watch where
// there is one, else by the directories' stats. Gives way to others every few milliseconds.

import { readdirSync } from 'node:fs';
import { posix } from 'node:path';
import type { FileStat } from '../model/inputs.ts';
import { treeNode, type TreeFile, type TreeNode } from '../model/tree.ts';
import type { DirectoryWatch } from './directory-watch.ts';
import type { StatFileDigests } from './file-digests.ts';
import { isDirectory, isRegular, isSymlink, sameStat } from './path-stats.ts';
import { settledAgeMs } from './stat-cache.ts';
import type { Wanted } from './tree-use.ts';

/** What a directory had when it was listed. Replaced, never changed. */
interface Listing {
  readonly stat: FileStat;
  /** of the watch, taken before the directory was listed; undefined when it is not watched */
  readonly generation: number | undefined;
  /** old enough when it was read for its stat to prove its entries */
  readonly settled: boolean;
  readonly files: ReadonlyMap<string, TreeFile>;
  readonly symlinks: ReadonlyMap<string, string>;
  readonly folders: readonly string[];
  /** hash over files and symlinks */
  readonly hash: string;
  /** absolute targets of the symlinks */
  readonly escapes: readonly string[];
  readonly skipped: readonly string[];
}

/** One directory as it was read, with what is wanted of those below. Replaced, never changed. */
export interface ReadDirectory {
  readonly path: string;
  readonly wanted: Wanted;
  readonly listing: Listing;
  readonly node: TreeNode;
  readonly children: ReadonlyMap<string, ReadDirectory>;
  readonly skipped: readonly string[];
  /** subdirectories that are not wanted */
  readonly unused: readonly string[];
}

export interface TreeReaderOptions {
  readonly digests: StatFileDigests;
  readonly watch: DirectoryWatch | undefined;
  /** directories to be read again whatever their stat says */
  readonly suspects: ReadonlySet<string>;
  readonly entryLimit: number;
  readonly wanted: (path: string) => Wanted;
}

const sliceMs = 12;

/** Whether a directory is what was listed: after the watch has caught up, costs no stat where it is watched. */
export function isUntouched(
  { path, listing }: ReadDirectory,
  digests: StatFileDigests,
  watch: DirectoryWatch | undefined,
): boolean {
  const generation = watch?.generation(path);
  if (listing.generation !== undefined || generation !== undefined) return generation === listing.generation;
  return statProves(listing, digests.stats.lstat(path));
}

export class TreeReader {
  /** why there is no tree */
  complaint: string | undefined;
  /** something that had been read before was found to be different */
  different = false;
  readonly #options: TreeReaderOptions;
  #entries = 0;
  #sliceStartMs = performance.now();

  constructor(options: TreeReaderOptions) {
    this.#options = options;
  }

  async read(path: string, before: ReadDirectory | undefined): Promise<ReadDirectory | undefined> {
    if (performance.now() - this.#sliceStartMs > sliceMs) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#sliceStartMs = performance.now();
    }
    const listing = this.#list(path, before?.listing);
    if (listing === undefined) return undefined;
    const wanted = this.#options.wanted(path);
    const children = new Map<string, ReadDirectory>();
    const skipped: string[] = [];
    const unused: string[] = [];
    let same = before?.listing === listing;
    for (const name of listing.folders) {
      const child = `${path}/${name}`;
      if (wanted === 'open' && this.#options.wanted(child) === 'unused') {
        unused.push(child);
        continue;
      }
      const known = before?.children.get(name);
      const read = await this.read(child, known);
      if (read === undefined) skipped.push(child);
      else children.set(name, read);
      if (read !== known) same = false;
      if (known === undefined && before?.wanted === 'whole') this.different = true;
    }
    for (const name of before?.children.keys() ?? []) if (!children.has(name)) this.different = true;
    if (same && before !== undefined && before.wanted === wanted && before.children.size === children.size) {
      return before;
    }
    const parts = { path, wanted, listing, children, skipped, unused };
    const nodes = nodesOf(children);
    const known = before?.node;
    if (known !== undefined && listing.hash === before?.listing.hash && sameNodes(known.directories, nodes)) {
      return { ...parts, node: known };
    }
    return { ...parts, node: treeNode(listing.files, nodes, listing.symlinks) };
  }

  #list(path: string, before: Listing | undefined): Listing | undefined {
    const { digests, watch, suspects } = this.#options;
    const generation = watch?.add(path) === true ? watch.generation(path) : undefined;
    const suspect = suspects.has(path);
    if (before !== undefined && !suspect && generation !== undefined && before.generation === generation) return before;
    const readAtMs = Date.now();
    const stat = digests.stats.lstat(path);
    if (stat === undefined || !isDirectory(stat)) return undefined;
    if (before !== undefined && !suspect && generation === undefined && statProves(before, stat)) {
      return before.generation === undefined ? before : { ...before, generation };
    }
    const names = this.#names(path);
    if (names === undefined) return undefined;
    const settled = readAtMs - Math.max(stat.mtimeMs, stat.ctimeMs) > settledAgeMs;
    const files = new Map<string, TreeFile>();
    const symlinks = new Map<string, string>();
    const folders: string[] = [];
    const escapes: string[] = [];
    const skipped: string[] = [];
    for (const name of names) {
      const child = `${path}/${name}`;
      const found = name.includes('\ufffd') ? undefined : digests.stats.lstat(child);
      if (found !== undefined && isDirectory(found)) {
        folders.push(name);
      } else if (found !== undefined && isSymlink(found)) {
        const target = digests.stats.target(child, found);
        if (target === undefined) skipped.push(child);
        else {
          symlinks.set(name, target);
          escapes.push(posix.resolve(path, target));
        }
      } else {
        const record = found !== undefined && isRegular(found) ? digests.record(child, found) : undefined;
        if (record?.ok === true) {
          const { digest, mtimeNs } = record.value;
          files.set(name, { digest, mtimeNs, executable: false, path: child });
        } else skipped.push(child);
      }
    }
    const { hash } = treeNode(files, new Map(), symlinks).blob.digest;
    if (before !== undefined && before.hash !== hash) this.different = true;
    return { stat, generation, settled, files, symlinks, folders, hash, escapes, skipped };
  }

  #names(path: string): readonly string[] | undefined {
    try {
      const names = readdirSync(path);
      this.#entries += names.length;
      if (this.#entries > this.#options.entryLimit) {
        this.complaint = `has more than ${this.#options.entryLimit} entries`;
        return undefined;
      }
      return names;
    } catch (error) {
      this.complaint = `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`;
      return undefined;
    }
  }
}

function statProves(listing: Listing, stat: FileStat | undefined): boolean {
  return listing.settled && stat !== undefined && sameStat(stat, listing.stat);
}

function nodesOf(children: ReadonlyMap<string, ReadDirectory>): Map<string, TreeNode> {
  const nodes = new Map<string, TreeNode>();
  for (const [name, child] of children) nodes.set(name, child.node);
  return nodes;
}

function sameNodes(before: ReadonlyMap<string, TreeNode>, now: ReadonlyMap<string, TreeNode>): boolean {
  if (before.size !== now.size) return false;
  for (const [name, node] of now) if (before.get(name) !== node) return false;
  return true;
}
