import { linkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { InputTreeBuilder, TreeBase } from '../../../src/model/inputs.ts';
import { emptyTree, treeBlobs, type TreeNode } from '../../../src/model/tree.ts';
import { scanParts, type ScanParts } from '../../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let parts: ScanParts;
beforeEach(() => {
  scratch = scratchFolder('tree');
  parts = scanParts(`${scratch.path}/cache`);
});
afterEach(() => scratch.remove());

const nothing: TreeBase = { root: emptyTree, coarse: [] };
const project = (base: TreeBase = nothing): InputTreeBuilder => parts.trees.builder(base, { style: 'project' });

function at(root: TreeNode, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const name of path.split('/').filter((part) => part !== '')) node = node?.directories.get(name);
  return node;
}

describe('an input tree', () => {
  test('has a file at its path, and folders that a path only passes through', () => {
    scratch.folder('a/b');
    scratch.write('a/c.h', 'c');
    const builder = project();
    expect(builder.addFile(`${scratch.path}/a/b/../c.h`).ok).toBe(true);
    const { node, fileCount } = builder.finish();
    expect(at(node, `${scratch.path}/a`)?.files.has('c.h')).toBe(true);
    expect(at(node, `${scratch.path}/a/b`)).toBeDefined();
    expect(fileCount).toBe(1);
  });

  test('keeps every link on the way, relative and absolute, of folders and of files', () => {
    scratch.write('real/deep/x.h', 'x');
    scratch.link('one', 'real');
    scratch.link('two', `${scratch.path}/one/deep`);
    scratch.link('real/deep/y.h', '../deep/x.h');
    const builder = project();
    expect(builder.addFile(`${scratch.path}/two/y.h`).ok).toBe(true);
    const { node } = builder.finish();
    const root = at(node, scratch.path);
    expect([...(root?.symlinks ?? [])].sort()).toEqual([
      ['one', 'real'],
      ['two', `${scratch.path}/one/deep`],
    ]);
    expect(at(node, `${scratch.path}/real/deep`)?.symlinks.get('y.h')).toBe('../deep/x.h');
    expect(at(node, `${scratch.path}/real/deep`)?.files.has('x.h')).toBe(true);
  });

  test('fails for two names of one inode: in the sandbox they would be two files', () => {
    scratch.write('a.h', 'x');
    linkSync(`${scratch.path}/a.h`, `${scratch.path}/b.h`);
    scratch.link('c.h', 'a.h');
    const builder = project();
    expect(builder.addFile(`${scratch.path}/a.h`).ok).toBe(true);
    expect(builder.addFile(`${scratch.path}/c.h`).ok).toBe(true);
    expect(builder.addFile(`${scratch.path}/b.h`)).toMatchObject({ ok: false, error: { reason: 'unshippable-path' } });
  });

  test('fails for what is missing, for sockets, for loops and for relative paths', async () => {
    scratch.link('loop', 'loop');
    const server = createServer().listen(`${scratch.path}/socket`);
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      for (const name of ['none', 'none/x', 'loop', 'loop/x', 'socket', 'socket/x']) {
        expect(project().addFile(`${scratch.path}/${name}`)).toMatchObject({
          ok: false,
          error: { reason: 'unshippable-path' },
        });
      }
      expect(project().addFile('relative').ok).toBe(false);
      expect(project().addFile(`${scratch.path}/\ud800`).ok).toBe(false);
    } finally {
      server.close();
    }
  });

  test('gives times only to files that #pragma once or __TIMESTAMP__ could tell apart', () => {
    const paths = [
      scratch.write('a/once.h', '#pragma once\n'),
      scratch.write('b/once.h', '#pragma once\n'),
      scratch.write('stamp.h', '__TIMESTAMP__'),
      scratch.write('plain.h', 'int plain;'),
    ];
    const builder = project();
    for (const path of paths) builder.addFile(path);
    const { node } = builder.finish();
    const time = (folder: string, name: string) => at(node, `${scratch.path}/${folder}`)?.files.get(name)?.mtimeNs;
    expect(time('a', 'once.h')).toBeDefined();
    expect(time('b', 'once.h')).toBeDefined();
    expect(time('', 'stamp.h')).toBeDefined();
    expect(time('', 'plain.h')).toBeUndefined();
  });

  test('names only the blobs that the base does not have, and mounts what it left alone', async () => {
    scratch.write('base/include/deep/sys.h', 'sys');
    scratch.write('base/other/o.h', 'o');
    const include = await parts.snapshots.current(`${scratch.path}/base/include`);
    if (!include.ok) throw new Error(include.error.message);
    const first = parts.trees.builder(nothing, { style: 'toolchain' });
    first.addSnapshot(include.value);
    first.addFile(`${scratch.path}/base/other/o.h`);
    const base: TreeBase = { root: first.finish().node, coarse: [include.value] };

    const builder = project(base);
    expect(builder.addFile(`${scratch.path}/base/include/deep/sys.h`).ok).toBe(true);
    expect(builder.addFile(scratch.write('src/m.c', 'int m;')).ok).toBe(true);
    const root = builder.finish();
    expect(root.mounts).toEqual([`${scratch.path}/base`]);
    expect(root.blobs.filter(({ kind }) => kind === 'file')).toHaveLength(1);
    const known = new Set(treeBlobs(base.root).map(({ digest }) => digest.hash));
    expect(root.blobs.some(({ digest }) => known.has(digest.hash))).toBe(false);
    const all = new Set([...known, ...root.blobs.map(({ digest }) => digest.hash)]);
    expect(treeBlobs(root.node).every(({ digest }) => all.has(digest.hash))).toBe(true);
  });

  test('expands only the part of the base that is added to', () => {
    scratch.write('p/q/one/a', 'a');
    scratch.write('p/q/two/b', 'b');
    scratch.write('p/q/two/c', 'c');
    const first = parts.trees.builder(nothing, { style: 'toolchain' });
    first.addFile(`${scratch.path}/p/q/one/a`);
    first.addFile(`${scratch.path}/p/q/two/b`);
    const base: TreeBase = { root: first.finish().node, coarse: [] };
    const builder = project(base);
    builder.addFile(`${scratch.path}/p/q/two/c`);
    const root = builder.finish();
    expect(root.mounts).toEqual([`${scratch.path}/p/q/one`]);
    expect([...(at(root.node, `${scratch.path}/p/q/two`)?.files.keys() ?? [])].sort()).toEqual(['b', 'c']);
    expect(at(root.node, `${scratch.path}/p/q/one`)).toBe(at(base.root, `${scratch.path}/p/q/one`));
  });

  test('refuses what a complete tree does not have, or has otherwise', async () => {
    const sys = scratch.write('include/sys.h', 'sys');
    const include = await parts.snapshots.current(`${scratch.path}/include`);
    if (!include.ok) throw new Error(include.error.message);
    const first = parts.trees.builder(nothing, { style: 'toolchain' });
    first.addSnapshot(include.value);
    const base: TreeBase = { root: first.finish().node, coarse: [include.value] };
    const fresh = scratch.write('include/new.h', 'new');
    expect(project(base).addFile(fresh)).toMatchObject({ ok: false, error: { reason: 'unshippable-path' } });
    writeFileSync(sys, 'SYS');
    const record = parts.digests.file(sys);
    if (!record.ok) throw new Error('no record');
    expect(project(base).addFile(sys, record.value)).toMatchObject({ ok: false, error: { reason: 'input-changed' } });
  });

  test('has the same digest for the same content in another checkout', () => {
    const digestOf = (checkout: string) => {
      scratch.write(`${checkout}/src/a.c`, 'a');
      scratch.write(`${checkout}/src/a.h`, 'h');
      const builder = project();
      builder.addFile(`${scratch.path}/${checkout}/src/a.c`);
      builder.addFile(`${scratch.path}/${checkout}/src/a.h`);
      return at(builder.finish().node, `${scratch.path}/${checkout}`)?.blob.digest;
    };
    expect(digestOf('one')).toEqual(digestOf('two'));
  });
});
