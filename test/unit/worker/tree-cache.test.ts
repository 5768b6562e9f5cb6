import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../../src/base/log.ts';
import type { Digest } from '../../../src/model/digest.ts';
import { openDiskStore, type DiskStore } from '../../../src/store/disk-store.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { BlobFetcher } from '../../../src/worker/blob-fetcher.ts';
import { InputLoader } from '../../../src/worker/input-loader.ts';
import { Trash } from '../../../src/worker/trash.ts';
import { TreeCache, type HeldTree } from '../../../src/worker/tree-cache.ts';
import { childProcesses } from '../../support/child-processes.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { InputRootBuilder } from '../../support/input-root.ts';

let folder: string;
let store: DiskStore;
let far: MemoryStore;
let trash: Trash;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tree-cache-'));
  const clock = new FakeClock();
  const opened = await openDiskStore({ dir: join(folder, 'store'), limitBytes: 1e9, clock, log: silentLog });
  if (!opened.ok) throw new Error(opened.error.message);
  store = opened.value;
  far = new MemoryStore({ clock, limitBytes: 1e9 });
  trash = new Trash(join(folder, 'trash'), childProcesses, silentLog);
});

afterEach(async () => {
  await trash.emptied();
  await store.close();
  rmSync(folder, { recursive: true });
});

const cacheOf = (limitBytes: number) =>
  new TreeCache({
    directory: join(folder, 'trees'),
    limitBytes,
    inputMtimeSeconds: 1,
    fetcher: new BlobFetcher(store),
    loader: new InputLoader(),
    trash,
  });

async function tree(text: string): Promise<Digest> {
  const root = new InputRootBuilder().file('/d/f.h', text).file('/d/g.h', text).symlink('/l', 'd/f.h');
  const { digest } = root.tree().blob;
  await root.storeIn(far);
  return digest;
}

async function hold(cache: TreeCache, digest: Digest, copy = 0): Promise<HeldTree> {
  const held = await cache.hold({ digest, copy, path: '/usr/tree' }, far, new AbortController().signal);
  if (!held.ok) throw new Error(held.error.message);
  return held.value;
}

describe('TreeCache', () => {
  test('a tree is made once for all who want it, with files of its own', async () => {
    const cache = cacheOf(1e9);
    const digest = await tree('text');
    const [a, b] = await Promise.all([hold(cache, digest), hold(cache, digest)]);
    expect(a.path).toBe(b.path);
    expect(readFileSync(join(a.path, 'l'), 'utf8')).toBe('text');
    const other = await hold(cache, digest, 1);
    const inodes = [join(a.path, 'd/f.h'), join(a.path, 'd/g.h'), join(other.path, 'd/f.h')].map((path) =>
      statSync(path),
    );
    expect(new Set(inodes.map(({ ino }) => ino)).size).toBe(3);
    for (const { nlink, mtimeMs } of inodes) expect([nlink, mtimeMs]).toEqual([1, 1000]);
  });

  test('the least recently used tree goes when the space is used up, never one in use', async () => {
    const cache = cacheOf(3 * 2 * 4096);
    const digests = [await tree('one'), await tree('two'), await tree('three'), await tree('four')];
    const [one, two, three, four] = await Promise.all(digests.map((digest) => hold(cache, digest)));
    expect([one, two, three, four].map((held) => existsSync(held!.path))).toEqual([true, true, true, true]);
    two!.release();
    expect([one, two, three, four].map((held) => existsSync(held!.path))).toEqual([true, false, true, true]);
    three!.release();
    one!.release();
    expect(cache.bytes).toBe(3 * 2 * 4096);
    expect(existsSync((await hold(cache, digests[1]!)).path)).toBe(true);
  });

  test('a tree that could not be made leaves nothing, and is made when its blobs have come', async () => {
    const cache = cacheOf(1e9);
    const root = new InputRootBuilder().file('/f', 'late');
    const { digest, bytes } = root.tree().blob;
    await far.write(digest, bytes);
    const missing = await cache.hold({ digest, copy: 0, path: '/usr/tree' }, far, new AbortController().signal);
    expect(missing).toMatchObject({ ok: false, error: { reason: 'missing-blob' } });
    expect(readdirSync(join(folder, 'trees'))).toEqual([]);
    await root.storeIn(far);
    expect(readFileSync(join((await hold(cache, digest)).path, 'f'), 'utf8')).toBe('late');
  });
});
