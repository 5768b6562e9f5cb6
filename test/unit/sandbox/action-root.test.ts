import {
  mkdtempSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/model/digest.ts';
import { ActionRoot, type BlobPath } from '../../../src/sandbox/action-root.ts';
import { SpareDirectories } from '../../../src/sandbox/spare-directories.ts';
import { rootTree, type Plain } from '../../support/root-trees.ts';

let folder: string;
let root: ActionRoot;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'action-root-'));
  mkdirSync(join(folder, 'root'));
  mkdirSync(join(folder, 'blobs'));
  root = new ActionRoot(join(folder, 'root'), 1, new SpareDirectories(join(folder, 'spare')));
  for (const text of ['a', 'b', 'c']) put(text);
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const blobPath: BlobPath = (digest, executable) => join(folder, 'blobs', digest.hash + (executable ? '.x' : ''));

function put(text: string): void {
  for (const executable of [false, true]) {
    const path = blobPath(digestOf(Buffer.from(text)), executable);
    writeFileSync(path, text, { mode: executable ? 0o555 : 0o444 });
    utimesSync(path, 1, 1);
  }
}

async function become(plain: Plain, mounts: string[] = []) {
  const change = root.plan(rootTree(plain, mounts));
  await root.apply(change, blobPath);
  return change;
}

function found(path = join(folder, 'root')): Plain {
  const plain: Record<string, string | Plain> = {};
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const here = join(path, entry.name);
    if (entry.isDirectory()) plain[entry.name] = found(here);
    else plain[entry.name] = entry.isSymbolicLink() ? `-> ${readlinkSync(here)}` : readFileSync(here, 'utf8');
  }
  return plain;
}

const inode = (path: string) => statSync(join(folder, 'root', path)).ino;

describe('ActionRoot', () => {
  test('becomes any tree from any other', async () => {
    const trees: Plain[] = [
      { d: { f: 'a', e: { g: 'b' } }, l: '-> d' },
      { d: 'c', l: { f: 'a' } },
      { d: { f: 'b', e: {} }, l: '-> x', 'tool.x': 'a' },
      {},
    ];
    for (const from of trees) {
      for (const to of trees) {
        await become(from);
        await become(to);
        expect(found()).toEqual(to);
      }
    }
  });

  test('asks only for the blobs that are new', async () => {
    await become({ d: { f: 'a' }, e: { f: 'b' } });
    const change = await become({ d: { f: 'a' }, e: { f: 'b', g: 'c' } });
    expect(change.files.map(({ digest }) => digest)).toEqual([digestOf(Buffer.from('c'))]);
    expect((await become({ d: { f: 'a' }, e: { f: 'b', g: 'c' } })).steps).toEqual([]);
  });

  test('links a blob once and copies it for every further path, over all changes', async () => {
    const stored = statSync(blobPath(digestOf(Buffer.from('a')), false)).ino;
    await become({ one: 'a', two: 'a', deep: { three: 'a' } });
    const inodes = () =>
      Object.keys(found())
        .filter((name) => name !== 'deep')
        .map(inode);
    expect(new Set([...inodes(), inode('deep/three')]).size).toBe(3);
    expect(inode('one')).toBe(stored);
    await become({ two: 'a', four: 'a', five: 'a' });
    expect(new Set(inodes()).size).toBe(3);
    expect(inodes().filter((ino) => ino === stored)).toHaveLength(1);
    for (const name of ['two', 'four', 'five']) expect(statSync(join(folder, 'root', name)).mtimeMs).toBe(1000);
  });

  test('a mount is an empty directory, also where a full one was', async () => {
    await become({ m: { f: 'a' } });
    await become({ m: { f: 'a' } }, ['/m']);
    expect(found()).toEqual({ m: {} });
    await become({ m: { f: 'a' } });
    expect(found()).toEqual({ m: { f: 'a' } });
  });

  test('is not intact after a change that failed', async () => {
    await become({ f: 'a' });
    const change = root.plan(rootTree({ f: 'never stored' }));
    await expect(root.apply(change, blobPath)).rejects.toThrow(/ENOENT/);
    expect(root.intact).toBe(false);
  });
});
