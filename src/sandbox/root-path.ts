// Follows paths through an action's root as the kernel would inside the sandbox, on the tree alone. Unaware of the disk.

import { err, ok, type Result } from '../base/result.ts';
import type { RootDirectory, RootEntry } from './root-tree.ts';

export interface ResolvedPath {
  /** names from the root, no symlink among them */
  readonly path: readonly string[];
  /** what is there; undefined when nothing is, or when it lies below a mount */
  readonly entry: RootEntry | undefined;
  /** how many names of the path lead to a mount that it goes through; undefined when there is none */
  readonly mountDepth: number | undefined;
}

const symlinkLimit = 40;
const longestPath = 4096;

/**
 * Resolves a path, all symlinks followed. Names that do not exist are taken as directories to be made.
 * @param from where a relative path starts, resolved already
 * @returns an error in words: the path leaves the root, goes through a file, or has too many links
 */
export function resolvePath(root: RootDirectory, from: readonly string[], path: string): Result<ResolvedPath, string> {
  if (path.includes('\0')) return err('a path contains a NUL');
  if (Buffer.byteLength(path) > longestPath) return err(`a path is longer than ${longestPath} bytes`);
  const todo = path.split('/').reverse();
  // Parallel stacks: the names walked so far and what is at each of them.
  let names: string[] = [];
  let entries: (RootEntry | undefined)[] = [root];
  let links = 0;
  if (!path.startsWith('/')) todo.push(...[...from].reverse());
  while (todo.length > 0) {
    const name = todo.pop()!;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (names.length === 0) return err(`${JSON.stringify(path)} leaves the root`);
      names.pop();
      entries.pop();
      continue;
    }
    const at = entries.at(-1);
    if (at !== undefined && at.kind !== 'directory' && at.kind !== 'mount') {
      return err(`${JSON.stringify(path)} goes through something that is no directory`);
    }
    const next = at?.kind === 'directory' ? at.entries.get(name) : undefined;
    if (next?.kind === 'symlink') {
      links += 1;
      if (links > symlinkLimit) return err(`${JSON.stringify(path)} goes through too many symlinks`);
      if (next.target.startsWith('/')) {
        names = [];
        entries = [root];
      }
      todo.push(...next.target.split('/').reverse());
      continue;
    }
    names.push(name);
    entries.push(next);
    if (names.length > longestPath) return err('a path is too long');
  }
  const mount = entries.findIndex((entry) => entry?.kind === 'mount');
  return ok({ path: names, entry: entries.at(-1), mountDepth: mount < 0 ? undefined : mount });
}
