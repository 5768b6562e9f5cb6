import { rmSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { isUntouched, TreeReader, type ReadDirectory, type TreeReaderOptions } from '../../../src/scan/tree-reader.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let digests: StatFileDigests;
beforeEach(() => {
  scratch = scratchFolder('reader');
  digests = new StatFileDigests(new PathStats(), new StatCache(undefined));
  scratch.write('t/a', '1');
  scratch.write('t/d/b', '2');
  scratch.write('t/e/c', '3');
});
afterEach(() => scratch.remove());

function reader(options: Partial<TreeReaderOptions> = {}): TreeReader {
  return new TreeReader({
    digests,
    watch: undefined,
    suspects: new Set(),
    entryLimit: 1000,
    wanted: () => 'whole',
    ...options,
  });
}
const root = () => `${scratch.path}/t`;
async function read(before?: ReadDirectory, options: Partial<TreeReaderOptions> = {}): Promise<ReadDirectory> {
  const made = await reader(options).read(root(), before);
  if (made === undefined) throw new Error('no tree');
  return made;
}

describe('a tree', () => {
  test('has files, links and directories, and says what it leaves out', async () => {
    scratch.link('t/l', '../far/x');
    const tree = await read(undefined, {
      wanted: (path) => (path === root() ? 'open' : path.endsWith('/d') ? 'whole' : 'unused'),
    });
    expect([...tree.node.files.keys()]).toEqual(['a']);
    expect([...tree.node.symlinks]).toEqual([['l', '../far/x']]);
    expect([...tree.node.directories.keys()]).toEqual(['d']);
    expect(tree.unused).toEqual([`${root()}/e`]);
    expect(tree.listing.escapes).toEqual([`${scratch.path}/far/x`]);
  });

  test('read again keeps the very nodes of what has not changed', async () => {
    const before = await read();
    scratch.write('t/d/new', '4');
    const after = await read(before);
    expect(after.node).not.toBe(before.node);
    expect(after.node.directories.get('e')).toBe(before.node.directories.get('e'));
    expect(after.node.directories.get('d')?.files.size).toBe(2);
  });

  test('that was only touched keeps its node', async () => {
    const before = await read();
    utimesSync(`${root()}/d`, 1_000_000, 1_000_000);
    const after = await read(before);
    expect(after.node).toBe(before.node);
  });

  test('says when what was read before is different, but not when more is wanted', async () => {
    const wanted = (path: string) => (path === root() ? 'open' : 'unused');
    const part = await read(undefined, { wanted });
    const more = reader();
    await more.read(root(), part);
    expect(more.different).toBe(false);
    rmSync(`${root()}/a`);
    const less = reader({ wanted });
    await less.read(root(), part);
    expect(less.different).toBe(true);
  });

  test('that is too large or cannot be read is none, with the reason', async () => {
    const limited = reader({ entryLimit: 2 });
    await limited.read(root(), undefined);
    expect(limited.complaint).toBe('has more than 2 entries');
    expect(await reader().read(`${scratch.path}/none`, undefined)).toBeUndefined();
  });
});

test('a young directory is not taken for untouched by its stat alone', async () => {
  const tree = await read();
  expect(isUntouched(tree, digests, undefined)).toBe(false);
});
