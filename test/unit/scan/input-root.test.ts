import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { emptyTree, type TreeNode } from '../../../src/model/tree.ts';
import { DirectoryWatch } from '../../../src/scan/directory-watch.ts';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { InputRoots, type AssembledRoot } from '../../../src/scan/input-root.ts';
import { DiskInputTrees } from '../../../src/scan/input-tree.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import type { Closure } from '../../../src/scan/scanner.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { SystemTrees } from '../../../src/scan/system-trees.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let digests: StatFileDigests;
let watch: DirectoryWatch;
let roots: InputRoots;
let inc: string;

beforeEach(() => {
  scratch = scratchFolder('roots');
  inc = scratch.folder('inc');
  digests = new StatFileDigests(new PathStats(), new StatCache(undefined));
  watch = new DirectoryWatch({ cookieFolder: `${scratch.path}/cookies` });
  roots = new InputRoots(new DiskInputTrees(digests), new SystemTrees({ digests, watch, spacingMs: 0 }));
  scratch.write('src/a.c', 'int a;');
  scratch.write('inc/direct.h', '1');
  scratch.write('inc/used/u.h', '2');
  scratch.write('inc/used/deep/d.h', '3');
  scratch.write('inc/other/o.h', '4');
});
afterEach(() => {
  watch.close();
  scratch.remove();
});

/** A closure over files of the scratch folder, by name. */
function closureOf(names: readonly string[], more: Partial<Closure> = {}): Closure {
  const files = ['src/a.c', ...names].map((name) => {
    const path = name.startsWith('/') ? name : `${scratch.path}/${name}`;
    const record = digests.file(path);
    if (!record.ok) throw new Error(record.error.message);
    return { path, record: record.value };
  });
  return {
    rung: 'exact',
    files,
    directories: [`${scratch.path}/src`, inc],
    coarse: [inc],
    probes: [],
    dependencies: [],
    dateOrTime: false,
    timestamp: false,
    sourceBytes: 0,
    ...more,
  };
}

async function assembled(closure: Closure, files: readonly string[] = []): Promise<AssembledRoot> {
  const extras = { directories: [`${scratch.path}/src`], files };
  const root = await roots.assemble(emptyTree, closure, extras, performance.now());
  if (!root.ok) throw new Error(`${root.error.path}: ${root.error.message}`);
  return root.value;
}

/** Names of what a directory of the root holds, folders with a slash; undefined when it is not there. */
function entries({ root }: AssembledRoot, path: string): string[] | undefined {
  let node: TreeNode | undefined = root.node;
  for (const name of path.split('/').slice(1)) node = node?.directories.get(name);
  if (node === undefined) return undefined;
  return [
    ...node.files.keys(),
    ...node.symlinks.keys(),
    ...[...node.directories.keys()].map((name) => `${name}/`),
  ].sort();
}

describe('the input root', () => {
  test('has of a search directory what lies directly in it and the subdirectories that the closure uses', async () => {
    const root = await assembled(closureOf(['inc/used/u.h']));
    expect(entries(root, inc)).toEqual(['direct.h', 'used/']);
    expect(entries(root, `${inc}/used`)).toEqual(['deep/', 'u.h']);
  });

  test('has what earlier closures used too, and theirs are still current', async () => {
    const first = await assembled(closureOf(['inc/used/u.h']));
    const second = await assembled(closureOf(['inc/other/o.h']));
    expect(entries(second, inc)).toEqual(['direct.h', 'other/', 'used/']);
    expect([await first.current(), await second.current()]).toEqual([true, true]);
    const third = await assembled(closureOf(['inc/used/u.h']));
    expect(third.base).toBe(second.base);
  });

  test('has a subdirectory in which a probe found something, and not one in which it did not', async () => {
    const found = { path: `${inc}/other/o.h`, exists: true };
    const missed = { path: `${inc}/used/missing.h`, exists: false };
    const root = await assembled(closureOf([], { probes: [found, missed] }));
    expect(entries(root, inc)).toEqual(['direct.h', 'other/']);
  });

  test('has everything when the closure rests on the trees', async () => {
    const root = await assembled(closureOf([], { restsOnTrees: true }));
    expect(entries(root, inc)).toEqual(['direct.h', 'other/', 'used/']);
  });

  test('has a directory that the closure names inside a search directory, complete', async () => {
    const root = await assembled(closureOf([], { directories: [`${inc}/used/deep`] }));
    expect(entries(root, `${inc}/used`)).toEqual(['deep/', 'u.h']);
  });

  test('has what links lead to: of files, of directories, from outside, and through a directory and back', async () => {
    scratch.link('inc/link.h', 'used/u.h');
    const byFile = await assembled(closureOf(['inc/link.h']));
    expect(entries(byFile, inc)).toEqual(['direct.h', 'link.h', 'used/']);
    scratch.write('inc/third/t.h', '5');
    scratch.write('inc/fourth/f.h', '6');
    scratch.link('inc/alias', 'third');
    scratch.link('src/system', '../inc/other');
    const byFolder = await assembled(closureOf(['inc/alias/t.h', 'src/system/o.h', 'inc/fourth/../direct.h']));
    expect(entries(byFolder, inc)).toEqual(['alias', 'direct.h', 'fourth/', 'link.h', 'other/', 'third/', 'used/']);
  });

  test('has search directories inside search directories, each with what was used of it', async () => {
    scratch.write('inc/c++/12/vector', 'v');
    scratch.write('inc/c++/12/bits/v.h', 'b');
    scratch.write('inc/c++/12/tr1/t.h', 't');
    const coarse = [`${inc}/c++/12`, inc];
    const root = await assembled(closureOf(['inc/c++/12/vector', 'inc/c++/12/bits/v.h'], { coarse }));
    expect(entries(root, inc)).toEqual(['c++/', 'direct.h']);
    expect(entries(root, `${inc}/c++/12`)).toEqual(['bits/', 'vector']);
  });

  test('finds a package that was installed after the tree was read', async () => {
    await assembled(closureOf([]));
    scratch.write('inc/package/p.h', 'p');
    expect(entries(await assembled(closureOf(['inc/package/p.h'])), inc)).toEqual(['direct.h', 'package/']);
  });

  test('is not current any more when something in its parts changes', async () => {
    const root = await assembled(closureOf(['inc/used/u.h']));
    scratch.write('inc/other/new.h', 'not used');
    expect(await root.current()).toBe(true);
    scratch.write('inc/used/new.h', 'used');
    expect(await root.current()).toBe(false);
  });

  test('is the same object for the same closure while nothing changes', async () => {
    const closure = closureOf(['inc/used/u.h']);
    const first = await assembled(closure);
    expect(await assembled(closure)).toBe(first);
    scratch.write('inc/used/new.h', 'n');
    expect(await assembled(closure)).not.toBe(first);
  });

  test('is another one for the same closure when a link of the project leads elsewhere or another file changes', async () => {
    scratch.write('one/h.h', 'h');
    scratch.link('lib', 'one');
    const response = scratch.write('src/args.rsp', '-O2');
    const closure = closureOf(['lib/h.h']);
    const first = await assembled(closure, [response]);
    expect(await assembled(closure, [response])).toBe(first);
    scratch.write('src/args.rsp', '-O3');
    const second = await assembled(closure, [response]);
    expect(second.root.digest).not.toEqual(first.root.digest);
    renameSync(`${scratch.path}/one`, `${scratch.path}/two`);
    rmSync(`${scratch.path}/lib`);
    symlinkSync('two', `${scratch.path}/lib`);
    const third = await assembled(closure, [response]);
    expect([entries(third, `${scratch.path}/one`), entries(third, `${scratch.path}/two`)]).toEqual([
      undefined,
      ['h.h'],
    ]);
  });
});
