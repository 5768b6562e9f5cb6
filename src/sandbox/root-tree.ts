// An action's root directory as a value: built from checked Directory messages, shared between actions, never changed.
// Unaware of the disk and of where the messages come from.

import { err, ok, type Result } from '../base/result.ts';
import type { Directory, FileNode } from '../model/action.ts';
import { digestKey, parseDigest, type Digest } from '../model/digest.ts';

export interface RootFile {
  readonly kind: 'file';
  readonly digest: Digest;
  readonly executable: boolean;
  /** seconds since the epoch, when the submitter's time can be noticed by a program */
  readonly mtimeSeconds: number | undefined;
}

export interface RootSymlink {
  readonly kind: 'symlink';
  readonly target: string;
}

/** An empty regular file that something is mounted on. */
export interface RootPlaceholder {
  readonly kind: 'placeholder';
}

/** A directory whose content is a tree of its own, mounted on it; empty on disk. */
export interface RootMount {
  readonly kind: 'mount';
  readonly digest: Digest;
}

export interface RootDirectory {
  readonly kind: 'directory';
  /** key of the digest when this is exactly that Directory message with all below it */
  readonly whole: string | undefined;
  readonly entries: ReadonlyMap<string, RootEntry>;
  /** entries here and below, those that occur several times counted as often */
  readonly count: number;
  /** levels of directories, this one included */
  readonly depth: number;
}

export type RootEntry = RootFile | RootSymlink | RootPlaceholder | RootMount | RootDirectory;

export interface TreeLimits {
  readonly entries: number;
  readonly depth: number;
}

export const defaultTreeLimits: TreeLimits = { entries: 200_000, depth: 128 };

export const emptyRoot: RootDirectory = { kind: 'directory', whole: undefined, entries: new Map(), count: 0, depth: 1 };

const longestName = 255;
const longestTarget = 4095;

/** Whether a string can be the name of one directory entry. */
export function isEntryName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false;
  if (name.includes('/') || name.includes('\0')) return false;
  return name.length <= longestName && Buffer.byteLength(name) <= longestName;
}

/**
 * Checks a Directory message from outside and makes it a directory.
 * @param child gives the entry for a name and the digest of its Directory message; it answers undefined when it does not know it
 * @param whole the message's own digest, or undefined when `child` puts mounts below it
 * @returns an error in words
 */
export function directoryFrom(
  message: Directory,
  child: (name: string, digest: Digest) => RootDirectory | RootMount | undefined,
  whole: Digest | undefined,
  limits: TreeLimits,
): Result<RootDirectory, string> {
  const entries = new Map<string, RootEntry>();
  let count = 0;
  let depth = 1;
  const add = (name: string, entry: RootEntry): string | undefined => {
    if (!isEntryName(name)) return `not a file name: ${JSON.stringify(name.slice(0, longestName))}`;
    if (entries.has(name)) return `the name ${JSON.stringify(name)} occurs twice in one directory`;
    entries.set(name, entry);
    count += 1;
    return undefined;
  };
  for (const node of message.files) {
    const file = fileFrom(node);
    const wrong = file === undefined ? `no digest for ${JSON.stringify(node.name)}` : add(node.name, file);
    if (wrong !== undefined) return err(wrong);
  }
  for (const node of message.symlinks) {
    if (node.target === '' || node.target.includes('\0') || Buffer.byteLength(node.target) > longestTarget) {
      return err(`the symlink ${JSON.stringify(node.name)} has no usable target`);
    }
    const wrong = add(node.name, { kind: 'symlink', target: node.target });
    if (wrong !== undefined) return err(wrong);
  }
  for (const node of message.directories) {
    const digest = parseDigest(node.digest);
    if (digest === undefined) return err(`no digest for ${JSON.stringify(node.name)}`);
    const entry = isEntryName(node.name) ? child(node.name, digest) : emptyRoot;
    if (entry === undefined) return err(`the directory ${JSON.stringify(node.name)} is not known`);
    const wrong = add(node.name, entry);
    if (wrong !== undefined) return err(wrong);
    if (entry.kind === 'directory') {
      count += entry.count;
      depth = Math.max(depth, entry.depth + 1);
    }
    if (count > limits.entries) return err(`more than ${limits.entries} entries`);
    if (depth > limits.depth) return err(`more than ${limits.depth} levels of directories`);
  }
  if (count > limits.entries) return err(`more than ${limits.entries} entries`);
  return ok({ kind: 'directory', whole: whole === undefined ? undefined : digestKey(whole), entries, count, depth });
}

/** The same directory with one entry put in or replaced; `path` names directories that exist. */
export function withEntry(root: RootDirectory, path: readonly string[], name: string, entry: RootEntry): RootDirectory {
  const entries = new Map(root.entries);
  const [head, ...rest] = path;
  if (head === undefined) {
    entries.set(name, entry);
  } else {
    const next = root.entries.get(head);
    if (next?.kind !== 'directory') throw new Error(`no directory ${head}`);
    entries.set(head, withEntry(next, rest, name, entry));
  }
  return { ...root, whole: undefined, entries };
}

/**
 * The same directory with an (empty) directory at `path` and its parents, where there is none yet.
 * @returns an error in words when something else is in the way
 */
export function withDirectory(root: RootDirectory, path: readonly string[]): Result<RootDirectory, string> {
  const [head, ...rest] = path;
  if (head === undefined) return ok(root);
  const next = root.entries.get(head) ?? emptyRoot;
  if (next.kind === 'mount' && rest.length === 0) return ok(root);
  if (next.kind !== 'directory') return err(`${JSON.stringify(head)} is not a directory`);
  const changed = withDirectory(next, rest);
  if (!changed.ok) return changed;
  if (changed.value === root.entries.get(head)) return ok(root);
  return ok({ ...root, whole: undefined, entries: new Map(root.entries).set(head, changed.value) });
}

/** What is at a path of plain names, symlinks not followed. */
export function entryAt(root: RootDirectory, path: readonly string[]): RootEntry | undefined {
  let at: RootEntry = root;
  for (const name of path) {
    if (at.kind !== 'directory') return undefined;
    const next = at.entries.get(name);
    if (next === undefined) return undefined;
    at = next;
  }
  return at;
}

function fileFrom(node: FileNode): RootFile | undefined {
  const digest = parseDigest(node.digest);
  if (digest === undefined) return undefined;
  const mtime = node.nodeProperties?.mtime;
  const mtimeSeconds = mtime === undefined ? undefined : mtime.seconds + mtime.nanos / 1e9;
  return { kind: 'file', digest, executable: node.isExecutable, mtimeSeconds };
}
