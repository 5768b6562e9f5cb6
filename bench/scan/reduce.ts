// Makes a failing include tree small: takes away files, links, arguments and lines as long as it goes on failing.

import type { IncludeTree } from '../../test/support/include-tree.ts';

/** @param fails whether a tree still shows the fault; asked at most `limit` times */
export async function reduceTree(
  tree: IncludeTree,
  fails: (tree: IncludeTree) => Promise<boolean>,
  limit: number,
): Promise<IncludeTree> {
  let best = tree;
  let asked = 0;
  const attempt = async (smaller: IncludeTree): Promise<boolean> => {
    if (asked >= limit) return false;
    asked += 1;
    if (!(await fails(smaller))) return false;
    best = smaller;
    return true;
  };
  /** Takes away runs of items, long ones first; `put` makes the tree of the items that are left. */
  const thin = async <T>(items: readonly T[], put: (left: readonly T[]) => IncludeTree): Promise<boolean> => {
    let left = items;
    for (let size = Math.max(1, Math.ceil(left.length / 2)); ; size = Math.ceil(size / 2)) {
      for (let at = 0; at < left.length && asked < limit;) {
        const shorter = [...left.slice(0, at), ...left.slice(at + size)];
        if (await attempt(put(shorter))) left = shorter;
        else at += size;
      }
      if (size === 1) return left.length < items.length;
    }
  };
  for (let again = true; again && asked < limit;) {
    again = await thin(best.files.slice(0, -1), (left) => ({ ...best, files: [...left, ...best.files.slice(-1)] }));
    again = (await thin(best.links, (links) => ({ ...best, links }))) || again;
    again =
      (await thin(best.argv.slice(0, -1), (left) => ({ ...best, argv: [...left, ...best.argv.slice(-1)] }))) || again;
    for (const [at, file] of best.files.entries()) {
      const put = (lines: readonly string[]): IncludeTree => ({
        ...best,
        files: best.files.map((each, index) => (index === at ? { ...each, content: lines.join('') } : each)),
      });
      again = (await thin(file.content.split(/(?<=\n)/), put)) || again;
    }
  }
  return best;
}
