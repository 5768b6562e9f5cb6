// A root directory on disk that becomes what one action needs by the smallest change from what the action before it needed.
// No action can write to it, so nothing of an earlier one is left but what the new tree has as well. Unaware of digests' origin.

import { chmodSync, copyFileSync, linkSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { digestKey, type Digest } from '../model/digest.ts';
import type { SpareDirectories } from './spare-directories.ts';
import { emptyRoot, type RootDirectory, type RootEntry, type RootFile } from './root-tree.ts';

/** Where the bytes of a blob lie on this machine, as a file of the right mode with the constant time of all inputs. */
export type BlobPath = (digest: Digest, executable: boolean) => string;

/** One step of a change; `path` is relative to the root. */
type Step =
  | { readonly kind: 'remove'; readonly path: string; readonly entry: RootEntry }
  | { readonly kind: 'add'; readonly path: string; readonly entry: RootEntry };

export interface RootChange {
  readonly target: RootDirectory;
  readonly steps: readonly Step[];
  /** files whose blobs `apply` asks for */
  readonly files: readonly RootFile[];
}

const stepsPerTurn = 150;

export class ActionRoot {
  #tree: RootDirectory = emptyRoot;
  #intact = true;
  /** Which blobs have an inode here that is the store's own: the next path with the same blob gets a copy. */
  readonly #linked = new Map<string, string>();

  /** @param path an empty directory that belongs to this object */
  constructor(
    readonly path: string,
    readonly inputMtimeSeconds: number,
    readonly spares: SpareDirectories,
  ) {}

  /** False after a change that failed half way: the directory is of no more use. */
  get intact(): boolean {
    return this.#intact;
  }

  /** What has to change so that the root is this tree. */
  plan(target: RootDirectory): RootChange {
    const steps: Step[] = [];
    const files: RootFile[] = [];
    compare(this.#tree, target, '', steps, files);
    // Removals first: an inode that goes away here frees its blob for a link elsewhere.
    steps.sort((a, b) => (a.kind === b.kind ? 0 : a.kind === 'remove' ? -1 : 1));
    return { target, steps, files };
  }

  /**
   * Carries out a plan made since the last change. Throws what the file system throws; the root is not intact then.
   * Lets the event loop turn from time to time.
   */
  async apply(change: RootChange, blobPath: BlobPath): Promise<void> {
    this.#intact = false;
    let turn = 0;
    for (const step of change.steps) {
      if (++turn % stepsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      const path = this.path + step.path;
      if (step.kind === 'remove') {
        this.#remove(path, step.entry);
        this.#forget(step.path, step.entry);
      } else this.#add(path, step.path, step.entry, blobPath);
    }
    this.#tree = change.target;
    this.#intact = true;
  }

  #remove(path: string, entry: RootEntry): void {
    const directory = directoryOf(entry);
    if (directory === undefined) {
      unlinkSync(path);
      return;
    }
    for (const [name, child] of directory.entries) this.#remove(`${path}/${name}`, child);
    this.spares.give(path);
  }

  #forget(name: string, entry: RootEntry): void {
    if (entry.kind === 'file') {
      const key = inodeKey(entry);
      if (this.#linked.get(key) === name) this.#linked.delete(key);
    } else if (entry.kind === 'directory') {
      for (const [child, below] of entry.entries) this.#forget(`${name}/${child}`, below);
    }
  }

  #add(path: string, name: string, entry: RootEntry, blobPath: BlobPath): void {
    switch (entry.kind) {
      case 'directory':
      case 'mount':
        this.spares.take(path);
        return;
      case 'symlink':
        symlinkSync(entry.target, path);
        return;
      case 'placeholder':
        writeFileSync(path, '', { flag: 'wx' });
        return;
      case 'file': {
        const source = blobPath(entry.digest, entry.executable);
        const key = inodeKey(entry);
        if (entry.mtimeSeconds === undefined && !this.#linked.has(key) && tryLink(source, path)) {
          this.#linked.set(key, name);
        } else {
          copyFileSync(source, path);
          const time = entry.mtimeSeconds ?? this.inputMtimeSeconds;
          utimesSync(path, time, time);
        }
        return;
      }
    }
  }
}

/** A file of a writable directory: the action may do with it what it likes. */
export function copyWritable(source: string, path: string, file: RootFile, inputMtimeSeconds: number): void {
  copyFileSync(source, path);
  chmodSync(path, file.executable ? 0o755 : 0o644);
  const time = file.mtimeSeconds ?? inputMtimeSeconds;
  utimesSync(path, time, time);
}

function compare(from: RootDirectory, to: RootDirectory, path: string, steps: Step[], files: RootFile[]): void {
  if (from === to || (from.whole !== undefined && from.whole === to.whole)) return;
  for (const [name, entry] of from.entries) {
    const next = to.entries.get(name);
    if (next === undefined || !staysInPlace(entry, next))
      steps.push({ kind: 'remove', path: `${path}/${name}`, entry });
  }
  for (const [name, entry] of to.entries) {
    const before = from.entries.get(name);
    const here = `${path}/${name}`;
    const stays = before !== undefined && staysInPlace(before, entry);
    if (!stays) {
      steps.push({ kind: 'add', path: here, entry });
      if (entry.kind === 'file') files.push(entry);
    }
    const below = directoryOf(entry);
    if (below !== undefined) compare((stays ? directoryOf(before) : undefined) ?? emptyRoot, below, here, steps, files);
  }
}

/** A mount is an empty directory on disk. */
function directoryOf(entry: RootEntry): RootDirectory | undefined {
  if (entry.kind === 'directory') return entry;
  return entry.kind === 'mount' ? emptyRoot : undefined;
}

function staysInPlace(a: RootEntry, b: RootEntry): boolean {
  if (directoryOf(a) !== undefined) return directoryOf(b) !== undefined;
  switch (a.kind) {
    case 'file':
      return b.kind === 'file' && inodeKey(a) === inodeKey(b) && a.mtimeSeconds === b.mtimeSeconds;
    case 'symlink':
      return b.kind === 'symlink' && a.target === b.target;
    default:
      return a.kind === b.kind;
  }
}

function inodeKey(file: RootFile): string {
  return file.executable ? `${digestKey(file.digest)}+x` : digestKey(file.digest);
}

/** False where the file system allows no further link. */
function tryLink(source: string, path: string): boolean {
  try {
    linkSync(source, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EMLINK' || code === 'EXDEV' || code === 'EPERM') return false;
    throw error;
  }
}
