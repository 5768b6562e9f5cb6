// An input root in which one directory lies elsewhere. Pure: works on merkle trees; unaware of why it is moved.

import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { InputBlob, InputRoot } from '../model/inputs.ts';
import type { PathMove } from '../model/path-move.ts';
import { emptyTree, treeNode, type TreeNode } from '../model/tree.ts';

/**
 * The root with `move.from` at `move.to`, a new name in the root directory; parents that nothing else is in are gone.
 * The error names a symbolic link that leads across the directory's edge, or says that the directory is not there.
 * @param base what the root starts from: its own links lead nowhere else
 */
export function moveDirectory(root: InputRoot, base: TreeNode, move: PathMove): Result<InputRoot, string> {
  const name = move.to.slice(1);
  if (name.includes('/') || root.node.directories.has(name) || root.node.files.has(name)) {
    return err(`${move.to} is no free name in the root`);
  }
  const way = move.from.slice(1).split('/');
  const chain = [root.node];
  for (const step of way) {
    const next = chain.at(-1)?.directories.get(step);
    if (next === undefined) return err(`${move.from} is not in the root as a directory`);
    chain.push(next);
  }
  const link = linkAcross(root.node, base, '', move);
  if (link !== undefined) return err(`${link} leads into ${move.from}, or out of it`);

  let below: TreeNode | undefined;
  const made: TreeNode[] = [];
  for (let at = way.length - 1; at >= 0; at -= 1) {
    const node = chain[at]!;
    const directories = new Map(node.directories);
    if (below === undefined) directories.delete(way[at]!);
    else directories.set(way[at]!, below);
    if (at === 0) directories.set(name, chain.at(-1)!);
    const empty = directories.size === 0 && node.files.size === 0 && node.symlinks.size === 0;
    below = empty ? undefined : treeNode(node.files, directories, node.symlinks);
    if (below !== undefined) made.push(below);
  }
  const node = below ?? emptyTree;
  const gone = new Set(chain.slice(0, -1).map(({ blob }) => blob.digest.hash));
  const blobs: InputBlob[] = root.blobs.filter(({ digest }) => !gone.has(digest.hash));
  for (const { blob } of made) blobs.push({ kind: 'bytes', ...blob });
  return ok({ ...root, digest: node.blob.digest, node, blobs });
}

/** A link whose target may be another one when the directory has moved. */
function linkAcross(node: TreeNode, base: TreeNode | undefined, path: string, move: PathMove): string | undefined {
  if (node === base) return undefined;
  const inside = move.moves(path);
  for (const [name, target] of node.symlinks) {
    const crosses = inside ? !staysBelow(target, path, move) : leadsInto(target, path, move);
    if (crosses) return `${path}/${name}`;
  }
  for (const [name, child] of node.directories) {
    const found = linkAcross(child, base?.directories.get(name), `${path}/${name}`, move);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Relative, first up and then down, and not above the directory: then it is right whatever other links are on the way. */
function staysBelow(target: string, folder: string, move: PathMove): boolean {
  const names = target.split('/').filter((name) => name !== '' && name !== '.');
  const down = names.findIndex((name) => name !== '..');
  const windsBack = down >= 0 && names.includes('..', down);
  return !target.startsWith('/') && !windsBack && move.moves(posix.join(folder, target));
}

function leadsInto(target: string, folder: string, move: PathMove): boolean {
  const led = posix.resolve(folder === '' ? '/' : folder, target);
  return move.moves(led) || move.from.startsWith(`${led === '/' ? '' : led}/`);
}
