import { mkdirSync, renameSync, rmSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DirectoryWatch, type DirectoryWatchOptions } from '../../../src/scan/directory-watch.ts';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { SystemTrees } from '../../../src/scan/system-trees.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('trees');
});
afterEach(() => scratch.remove());

function trees(options: { entryLimit?: number } = {}): SystemTrees {
  return new SystemTrees({
    digests: new StatFileDigests(new PathStats(), new StatCache(undefined)),
    spacingMs: 0,
    ...options,
  });
}

async function current(of: SystemTrees, path = `${scratch.path}/inc`) {
  const snapshot = await of.current(path);
  if (!snapshot.ok) throw new Error(snapshot.error.message);
  return snapshot.value;
}

describe('a snapshot of a directory', () => {
  test('holds files with their times, folders, empty ones too, and links as links', async () => {
    scratch.write('inc/a.h', 'a');
    scratch.folder('inc/empty');
    scratch.link('inc/l', 'a.h');
    scratch.link('inc/out', '../elsewhere');
    const snapshot = await current(trees());
    expect(snapshot.node.files.get('a.h')?.mtimeNs).toBeGreaterThan(0n);
    expect([...snapshot.node.directories.keys()]).toEqual(['empty']);
    expect([...snapshot.node.symlinks]).toEqual(expect.arrayContaining([['l', 'a.h']]));
    expect(snapshot.escapes).toEqual([`${scratch.path}/elsewhere`]);
    expect(snapshot.hashes.size).toBe(1);
  });

  test('is the same object while nothing changes', async () => {
    scratch.write('inc/sub/a.h', 'a');
    const of = trees();
    expect(await current(of)).toBe(await current(of));
  });

  test('changes with a new, a vanished and a renamed entry, also deep inside', async () => {
    scratch.write('inc/sub/deep/a.h', 'a');
    scratch.write('inc/other/x.h', 'x');
    const of = trees();
    const first = await current(of);
    scratch.write('inc/sub/deep/b.h', 'b');
    const second = await current(of);
    expect(second.node.blob.digest).not.toEqual(first.node.blob.digest);
    expect(second.node.directories.get('other')).toBe(first.node.directories.get('other'));
    unlinkSync(`${scratch.path}/inc/sub/deep/b.h`);
    const third = await current(of);
    expect(third.node.blob.digest).toEqual(first.node.blob.digest);
    renameSync(`${scratch.path}/inc/sub/deep`, `${scratch.path}/inc/sub/depth`);
    expect((await current(of)).node.directories.get('sub')?.directories.has('depth')).toBe(true);
  });

  test('is made anew for a file that changed in place, once somebody says so', async () => {
    const path = scratch.write('inc/sub/a.h', 'a');
    const of = trees();
    const first = await current(of);
    writeFileSync(path, 'b');
    of.suspect(path);
    const second = await current(of);
    expect([...second.hashes]).not.toEqual([...first.hashes]);
  });

  test('is checked once for all who ask before the check starts, and again for who asks later', async () => {
    scratch.write('inc/a.h', 'a');
    const of = trees();
    await Promise.all([current(of), current(of), current(of)]);
    expect(of.checks).toBe(1);
    await current(of);
    expect(of.checks).toBe(2);
  });

  test('fails when the directory is gone or too large', async () => {
    scratch.write('inc/a.h', 'a');
    scratch.write('inc/b.h', 'b');
    expect((await trees({ entryLimit: 1 }).current(`${scratch.path}/inc`)).ok).toBe(false);
    const of = trees();
    await current(of);
    rmSync(`${scratch.path}/inc`, { recursive: true });
    expect((await of.current(`${scratch.path}/inc`)).ok).toBe(false);
  });
});

describe('a snapshot of a watched directory', () => {
  let watch: DirectoryWatch | undefined;
  let stats: PathStats;
  afterEach(() => watch?.close());

  function watched(options: Partial<DirectoryWatchOptions> = {}): SystemTrees {
    watch = new DirectoryWatch({ cookieFolder: `${scratch.path}/cookies`, ...options });
    stats = new PathStats();
    return new SystemTrees({ digests: new StatFileDigests(stats, new StatCache(undefined)), watch, spacingMs: 0 });
  }

  test('is current without another check while nothing happens', async () => {
    scratch.write('inc/sub/a.h', 'a');
    const of = watched();
    const first = await current(of);
    expect(watch?.watched).toBe(2);
    expect(await current(of)).toBe(first);
    expect(await of.holds(first)).toBe(true);
    expect(of.checks).toBe(1);
  });

  test('needs no check either when something happens elsewhere', async () => {
    scratch.write('inc/sub/a.h', 'a');
    const of = watched();
    const first = await current(of);
    watch?.add(scratch.folder('other'));
    scratch.write('other/x', 'x');
    expect(await current(of)).toBe(first);
    expect(of.checks).toBe(1);
  });

  test('shows a file replaced in place with the same size and time, though nobody says so', async () => {
    const path = scratch.write('inc/sub/a.h', 'a');
    const of = watched();
    const first = await current(of);
    const { atime, mtime } = statSync(path);
    writeFileSync(path, 'b');
    utimesSync(path, atime, mtime);
    const second = await current(of);
    expect([...second.hashes]).not.toEqual([...first.hashes]);
    expect(await of.holds(first)).toBe(false);
    expect(await of.holds(second)).toBe(true);
  });

  test('shows a new file, a new directory with what is written into it later, and what vanishes', async () => {
    scratch.write('inc/sub/a.h', 'a');
    const of = watched();
    const first = await current(of);
    scratch.write('inc/sub/b.h', 'b');
    expect((await current(of)).node.directories.get('sub')?.files.has('b.h')).toBe(true);
    mkdirSync(`${scratch.path}/inc/new`);
    expect((await current(of)).node.directories.has('new')).toBe(true);
    scratch.write('inc/new/c.h', 'c');
    expect((await current(of)).node.directories.get('new')?.files.has('c.h')).toBe(true);
    rmSync(`${scratch.path}/inc/new`, { recursive: true });
    unlinkSync(`${scratch.path}/inc/sub/b.h`);
    expect((await current(of)).node.blob.digest).toEqual(first.node.blob.digest);
    expect(await of.holds(first)).toBe(false);
  });

  test('shows that a directory above it was replaced, and watches the new one', async () => {
    scratch.write('above/inc/sub/a.h', 'a');
    const path = `${scratch.path}/above/inc`;
    const of = watched();
    const first = await current(of, path);
    renameSync(`${scratch.path}/above`, `${scratch.path}/gone`);
    scratch.write('above/inc/sub/a.h', 'b');
    const second = await current(of, path);
    expect([...second.hashes]).not.toEqual([...first.hashes]);
    expect(await of.holds(first)).toBe(false);
    scratch.write('above/inc/sub/b.h', 'c');
    expect((await current(of, path)).hashes.size).toBe(2);
  });

  test('is checked by stats when events may have been lost, and watched again', async () => {
    scratch.write('inc/sub/a.h', 'a');
    const of = watched({ burstLimit: 20 });
    const first = await current(of);
    for (let file = 0; file < 40; file += 1) scratch.write(`inc/sub/${file}.h`, 'a');
    const second = await current(of);
    expect(second.node.directories.get('sub')?.files.size).toBe(41);
    expect(await of.holds(first)).toBe(false);
  });

  test('is checked by stats when the watch breaks or cannot begin', async () => {
    scratch.write('inc/sub/a.h', 'a');
    for (const limit of [1, 1000]) {
      const of = watched({ limit });
      const first = await current(of);
      rmSync(`${scratch.path}/cookies`, { recursive: true });
      expect(await current(of)).toBe(first);
      scratch.write(`inc/sub/${limit}.h`, 'b');
      const second = await current(of);
      expect(second).not.toBe(first);
      expect(second.node.directories.get('sub')?.files.has(`${limit}.h`)).toBe(true);
      expect(watch?.watched).toBe(0);
      watch?.close();
    }
  });
});

describe('the used parts of a directory', () => {
  async function partial(of: SystemTrees) {
    const snapshot = await of.partial(`${scratch.path}/inc`);
    if (!snapshot.ok) throw new Error(snapshot.error.message);
    return snapshot.value;
  }

  test('are its own files and links, and subdirectories that were used, each complete', async () => {
    scratch.write('inc/a.h', 'a');
    scratch.link('inc/l', 'a.h');
    scratch.write('inc/used/deep/b.h', 'b');
    scratch.write('inc/unused/c.h', 'c');
    const of = trees();
    const { path } = scratch;
    const first = await partial(of);
    expect([...first.node.files.keys(), ...first.node.symlinks.keys()]).toEqual(['a.h', 'l']);
    expect([...first.unused].sort()).toEqual([`${path}/inc/unused`, `${path}/inc/used`]);
    of.use(`${path}/inc`).add(`${path}/inc/used/deep`);
    const second = await partial(of);
    expect(second.node.directories.get('used')?.directories.get('deep')?.files.size).toBe(1);
    expect([...second.unused]).toEqual([`${path}/inc/unused`]);
    expect(second.hashes.size).toBe(2);
  });

  test('leave the snapshots true that were made when less was used, until something in them changes', async () => {
    scratch.write('inc/a.h', 'a');
    scratch.write('inc/used/b.h', 'b');
    const of = trees();
    const { path } = scratch;
    const first = await partial(of);
    of.use(`${path}/inc`).add(`${path}/inc/used`);
    const second = await partial(of);
    expect(second).not.toBe(first);
    expect([await of.holds(first), await of.holds(second)]).toEqual([true, true]);
    scratch.write('inc/c.h', 'c');
    expect([await of.holds(first), await of.holds(second)]).toEqual([false, false]);
  });

  test('do not change when something is installed into a directory of its own', async () => {
    scratch.write('inc/a.h', 'a');
    const of = trees();
    const first = await partial(of);
    scratch.write('inc/package/p.h', 'p');
    const second = await partial(of);
    expect(second.node.blob.digest).toEqual(first.node.blob.digest);
    expect([...second.unused]).toEqual([`${scratch.path}/inc/package`]);
    expect(await of.holds(first)).toBe(true);
  });

  test('have search directories that lie inside, open as the tree itself', async () => {
    scratch.write('inc/c++/12/vector', 'v');
    scratch.write('inc/c++/12/bits/v.h', 'b');
    scratch.write('inc/c++/11/vector', 'old');
    const of = trees();
    const { path } = scratch;
    of.use(`${path}/inc`).addSearch(`${path}/inc/c++/12`);
    const first = await partial(of);
    expect([...first.unused].sort()).toEqual([`${path}/inc/c++/11`, `${path}/inc/c++/12/bits`]);
    expect(first.node.directories.get('c++')?.directories.get('12')?.files.has('vector')).toBe(true);
    of.use(`${path}/inc`).addAll();
    expect((await partial(of)).unused.size).toBe(0);
  });

  test('fall out when a used directory vanishes', async () => {
    scratch.write('inc/a.h', 'a');
    scratch.write('inc/used/b.h', 'b');
    const of = trees();
    const { path } = scratch;
    of.use(`${path}/inc`).add(`${path}/inc/used`);
    const first = await partial(of);
    rmSync(`${path}/inc/used`, { recursive: true });
    expect((await partial(of)).node.directories.size).toBe(0);
    expect(await of.holds(first)).toBe(false);
  });
});
