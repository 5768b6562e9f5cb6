// Which directories of an input root a worker should make once and mount: those that are the base's, untouched.
// Deep enough that a project below /usr/src or /usr/local does not disturb them, and no deeper.

import type { TreeNode } from '../model/tree.ts';

/** Directories of depth two that are too general to be mounted whole. */
const general = new Set([
  '/usr/lib',
  '/usr/lib32',
  '/usr/lib64',
  '/usr/libexec',
  '/usr/local',
  '/usr/share',
  '/usr/src',
]);
const remembered = new WeakMap<TreeNode, Map<string, readonly string[]>>();

/** Sorted absolute paths. */
export function mountsOf(root: TreeNode, base: TreeNode): readonly string[] {
  const mounts: string[] = [];
  const visit = (node: TreeNode, before: TreeNode, path: string) => {
    if (node === before) {
      mounts.push(...intact(node, path));
      return;
    }
    for (const [name, child] of before.directories) {
      const now = node.directories.get(name);
      if (now !== undefined) visit(now, child, `${path}/${name}`);
    }
  };
  visit(root, base, '');
  return mounts.sort();
}

function intact(node: TreeNode, path: string): readonly string[] {
  let byPath = remembered.get(node);
  const known = byPath?.get(path);
  if (known !== undefined) return known;
  const depth = path === '' ? 0 : path.split('/').length - 1;
  const mounts =
    depth >= 3 || (depth === 2 && !general.has(path))
      ? node.files.size + node.directories.size + node.symlinks.size === 0
        ? []
        : [path]
      : [...node.directories].flatMap(([name, child]) => intact(child, `${path}/${name}`));
  if (byPath === undefined) {
    byPath = new Map<string, readonly string[]>();
    remembered.set(node, byPath);
  }
  byPath.set(path, mounts);
  return mounts;
}
