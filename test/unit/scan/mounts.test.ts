import { expect, test } from '@jest/globals';
import { digestOf } from '../../../src/model/digest.ts';
import { treeNode, type TreeNode } from '../../../src/model/tree.ts';
import { mountsOf } from '../../../src/scan/mounts.ts';

/** A directory with the files (text) and directories given by name. */
function folder(entries: Readonly<Record<string, string | TreeNode>>): TreeNode {
  const files = new Map<string, { digest: ReturnType<typeof digestOf>; executable: boolean; path: string }>();
  const directories = new Map<string, TreeNode>();
  for (const [name, entry] of Object.entries(entries)) {
    if (typeof entry === 'string')
      files.set(name, { digest: digestOf(Buffer.from(entry)), executable: false, path: name });
    else directories.set(name, entry);
  }
  return treeNode(files as never, directories, new Map());
}

const include = folder({ 'stdio.h': '1', sys: folder({ 'types.h': '2' }) });
const gcc = folder({ cc1: '3' });
const local = folder({ include: folder({ 'l.h': '4' }), lib: folder({}) });
const base = folder({
  usr: folder({ include, lib: folder({ gcc }), local }),
  opt: folder({ tool: folder({ f: '5' }) }),
});

test('what is the base untouched is mounted two directories deep, or three where two are too general', () => {
  expect(mountsOf(base, base)).toEqual(['/opt/tool', '/usr/include', '/usr/lib/gcc', '/usr/local/include']);
});

test('a directory that got an entry is not mounted, those beside it and below it are', () => {
  const changed = folder({ 'stdio.h': '1', 'new.h': '6', sys: include.directories.get('sys')! });
  const root = folder({
    ...Object.fromEntries(base.directories),
    usr: folder({ include: changed, lib: folder({ gcc }), local }),
  });
  expect(mountsOf(root, base)).toEqual(['/opt/tool', '/usr/include/sys', '/usr/lib/gcc', '/usr/local/include']);
});

test('what the root has beside the base is not mounted', () => {
  const root = folder({ ...Object.fromEntries(base.directories), home: folder({ me: folder({ 'a.c': '7' }) }) });
  expect(mountsOf(root, base)).toEqual(mountsOf(base, base));
});

test('a root without what the base has mounts nothing of it', () => {
  expect(mountsOf(folder({}), base)).toEqual([]);
});
