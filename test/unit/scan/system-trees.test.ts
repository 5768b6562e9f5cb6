import { renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
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
