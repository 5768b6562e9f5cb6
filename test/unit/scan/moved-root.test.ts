import { describe, expect, test } from '@jest/globals';
import type { InputRoot } from '../../../src/model/inputs.ts';
import { PathMove } from '../../../src/model/path-move.ts';
import { treeBlobs, type TreeNode } from '../../../src/model/tree.ts';
import { moveDirectory } from '../../../src/scan/moved-root.ts';
import { InputRootBuilder } from '../../support/input-root.ts';

const move = new PathMove('/home/me/one', '/there');

function rootOf(node: TreeNode): InputRoot {
  const blobs = treeBlobs(node);
  return { digest: node.blob.digest, node, blobs, mounts: [], fileCount: 0, fileBytes: 0, holds: () => true };
}

/** Paths of everything in a tree, directories without entries included. */
function listing(node: TreeNode, path = ''): string[] {
  const list = [...node.files.keys()].map((name) => `${path}/${name}`);
  for (const [name, target] of node.symlinks) list.push(`${path}/${name} -> ${target}`);
  for (const [name, child] of node.directories) list.push(...listing(child, `${path}/${name}`));
  return list.length === 0 ? [`${path}/`] : list.sort();
}

function project(): InputRootBuilder {
  return new InputRootBuilder()
    .file('/usr/bin/cc', 'cc')
    .symlink('/bin', 'usr/bin')
    .file('/home/me/one/src/a.c', 'a')
    .directory('/home/me/one/build');
}

function moved(builder: InputRootBuilder, base = new InputRootBuilder().tree()): string[] | string {
  const result = moveDirectory(rootOf(builder.tree()), base, move);
  return result.ok ? listing(result.value.node) : result.error;
}

describe('moveDirectory', () => {
  test('puts the directory in another place and leaves no empty parents', () => {
    expect(moved(project())).toEqual(['/bin -> usr/bin', '/there/build/', '/there/src/a.c', '/usr/bin/cc']);
    expect(moved(project().file('/home/me/x.h', ''))).toContain('/home/me/x.h');
  });

  test('makes equal roots of checkouts in different places, with all blobs that they need', () => {
    const one = moveDirectory(rootOf(project().tree()), new InputRootBuilder().tree(), move);
    const other = new InputRootBuilder()
      .file('/usr/bin/cc', 'cc')
      .symlink('/bin', 'usr/bin')
      .file('/srv/two/src/a.c', 'a')
      .directory('/srv/two/build');
    const two = moveDirectory(rootOf(other.tree()), new InputRootBuilder().tree(), new PathMove('/srv/two', '/there'));
    if (!one.ok || !two.ok) throw new Error('not moved');
    expect(one.value.digest).toEqual(two.value.digest);
    const hashes = (root: InputRoot) => new Set(root.blobs.map(({ digest }) => digest.hash));
    const needed = new Set(treeBlobs(one.value.node).map(({ digest }) => digest.hash));
    expect(hashes(one.value)).toEqual(needed);
    expect(hashes(two.value)).toEqual(needed);
  });

  test.each([
    ['/home/me/one/src/b.h', '../include/b.h', true],
    ['/home/me/one/src/b.h', 'sub/b.h', true],
    ['/home/me/one/src/b.h', '../../b.h', false],
    ['/home/me/one/src/b.h', 'sub/../../b.h', false],
    ['/home/me/one/src/b.h', '/usr/include/b.h', false],
    ['/home/me/one/src/b.h', '/home/me/one/b.h', false],
    ['/home/me/link', 'one/src', false],
    ['/home/you', '/home/me', false],
    ['/opt/link', '/home/me/one', false],
    ['/opt/link', '/home/me/other', true],
  ])('%s -> %s: allowed is %s', (path, target, allowed) => {
    const result = moved(project().symlink(path, target));
    if (allowed) expect(result).toBeInstanceOf(Array);
    else expect(result).toBe(`${path} leads into ${move.from}, or out of it`);
  });

  test('says so when the directory is not there or the new name is taken', () => {
    expect(moved(new InputRootBuilder().file('/home/me/x', ''))).toMatch(/is not in the root/);
    expect(moved(project().file('/there', ''))).toMatch(/no free name/);
  });
});
