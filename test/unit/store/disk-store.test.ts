import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../../src/base/log.ts';
import type { Result } from '../../../src/base/result.ts';
import { digestOf, emptyDigest, type Digest } from '../../../src/model/digest.ts';
import {
  blobMtimeSeconds,
  openDiskStore,
  type DiskStore,
  type DiskStoreOptions,
} from '../../../src/store/disk-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const block = 4096;

function value<T>(result: Result<T, { readonly reason: string; readonly message: string }>): T {
  if (!result.ok) throw new Error(`${result.error.reason}: ${result.error.message}`);
  return result.value;
}

function reason(result: Result<unknown, { readonly reason: string }>): string {
  return result.ok ? 'no failure' : result.error.reason;
}

function blob(size: number): { digest: Digest; bytes: Uint8Array } {
  const bytes = randomBytes(size);
  return { digest: digestOf(bytes), bytes };
}

describe('the disk store', () => {
  let dir: string;
  let clock: FakeClock;
  let store: DiskStore;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'icets-store-'));
    clock = new FakeClock();
    store = await open();
  });

  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });

  async function open(options: Partial<DiskStoreOptions> = {}): Promise<DiskStore> {
    return value(await openDiskStore({ dir, limitBytes: 1e9, clock, log: silentLog, ...options }));
  }

  async function reopen(options: Partial<DiskStoreOptions> = {}): Promise<void> {
    await store.close();
    store = await open(options);
  }

  async function put(size: number): Promise<Digest> {
    const { digest, bytes } = blob(size);
    value(await store.write(digest, bytes));
    return digest;
  }

  async function missing(...digests: Digest[]): Promise<readonly Digest[]> {
    return value(await store.findMissing(digests));
  }

  async function file(digest: Digest): Promise<string> {
    return value(await store.pathFor(digest, { executable: false }));
  }

  test('keeps blobs for the next process', async () => {
    const digest = await put(10_000);
    await reopen();
    expect(await missing(digest)).toEqual([]);
    expect(digestOf(value(await store.read(digest)))).toEqual(digest);
  });

  test('gives files that are read-only and have a constant mtime, whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      const digest = await put(10);
      const plain = await stat(await file(digest));
      expect([plain.mode & 0o7777, plain.mtimeMs]).toEqual([0o444, blobMtimeSeconds * 1000]);
      const executable = value(await store.pathFor(digest, { executable: true }));
      const status = await stat(executable);
      expect([status.mode & 0o7777, status.mtimeMs]).toEqual([0o555, blobMtimeSeconds * 1000]);
      expect(status.ino).not.toBe(plain.ino);
      expect(digestOf(await readFile(executable))).toEqual(digest);
    } finally {
      process.umask(before);
    }
  });

  test('gives a file for the empty blob', async () => {
    expect((await stat(await file(emptyDigest))).size).toBe(0);
    expect((await stat(value(await store.pathFor(emptyDigest, { executable: true })))).mode & 0o777).toBe(0o555);
  });

  test('makes one executable file for many that ask at once, and keeps it', async () => {
    const digest = await put(100_000);
    const paths = await Promise.all([1, 2, 3].map(() => store.pathFor(digest, { executable: true })));
    expect(new Set(paths.map(value)).size).toBe(1);
    const { ino } = await stat(value(paths[0] as Result<string, never>));
    await reopen();
    expect((await stat(value(await store.pathFor(digest, { executable: true })))).ino).toBe(ino);
  });

  test('makes a damaged executable file anew', async () => {
    const digest = await put(100);
    const path = value(await store.pathFor(digest, { executable: true }));
    await store.close();
    await chmod(path, 0o755);
    await writeFile(path, randomBytes(100));
    store = await open();
    const again = value(await store.pathFor(digest, { executable: true }));
    expect(digestOf(await readFile(again))).toEqual(digest);
  });

  test('has no path for a blob that is missing', async () => {
    expect(reason(await store.pathFor(blob(5).digest, { executable: false }))).toBe('missing-blob');
  });

  test('copies a file of any size in', async () => {
    const { digest, bytes } = blob(3_000_000);
    const source = join(dir, '..', `source-${process.pid}`);
    await writeFile(source, bytes);
    try {
      value(await store.writeFile(digest, source));
      expect(await missing(digest)).toEqual([]);
      expect(reason(await store.writeFile(blob(3_000_000).digest, source))).toBe('invalid-request');
    } finally {
      await rm(source);
    }
    expect(reason(await store.writeFile(digest, source))).toBe('store-failed');
    expect(await readdir(join(dir, 'tmp'))).toEqual([]);
  });

  describe('after a crash', () => {
    async function damage(digest: Digest, how: (path: string) => Promise<void>): Promise<void> {
      const path = await file(digest);
      await store.close();
      await chmod(path, 0o644);
      await how(path);
      store = await open();
    }

    test('counts a short blob as missing', async () => {
      const digest = await put(10_000);
      await damage(digest, (path) => truncate(path, 9_999));
      expect(await missing(digest)).toEqual([digest]);
      expect(reason(await store.read(digest))).toBe('missing-blob');
    });

    test.each(['read', 'readChunk', 'pathFor'] as const)('removes a corrupt blob at the first %s', async (how) => {
      const digest = await put(10_000);
      await damage(digest, (path) => writeFile(path, randomBytes(10_000)));
      const uses = {
        read: () => store.read(digest),
        readChunk: () => store.readChunk(digest, 5_000, 10),
        pathFor: () => store.pathFor(digest, { executable: false }),
      };
      expect(reason(await uses[how]())).toBe('missing-blob');
      expect(await missing(digest)).toEqual([digest]);
      expect(store.figures()).toMatchObject({ blobs: 0, bytes: 0 });
    });

    test('takes a corrupt blob anew before anybody has noticed', async () => {
      const { digest, bytes } = blob(5_000);
      value(await store.write(digest, bytes));
      await damage(digest, (path) => writeFile(path, randomBytes(5_000)));
      value(await store.write(digest, bytes));
      expect(digestOf(value(await store.read(digest)))).toEqual(digest);
    });

    test('notices a file that somebody removed', async () => {
      const digest = await put(100);
      await unlink(await file(digest));
      expect(reason(await store.read(digest))).toBe('missing-blob');
      expect(await missing(digest)).toEqual([digest]);
    });

    test('removes temporary files and strangers among the blobs', async () => {
      const digest = await put(100);
      await store.close();
      await mkdir(join(dir, 'tmp'), { recursive: true });
      await writeFile(join(dir, 'tmp', 'half'), 'half a blob');
      await mkdir(join(dir, 'blobs', '00'), { recursive: true });
      await writeFile(join(dir, 'blobs', 'notes'), 'not even a folder');
      await writeFile(join(dir, 'blobs', '00', 'README'), 'who put this here');
      await writeFile(join(dir, 'blobs', '00', `${digest.hash}-${digest.sizeBytes}`), 'in the wrong place');
      store = await open();
      expect(await readdir(join(dir, 'tmp'))).toEqual([]);
      expect(await readdir(join(dir, 'blobs', '00'))).toEqual(
        digest.hash.startsWith('00') ? [`${digest.hash}-${digest.sizeBytes}`] : [],
      );
      expect(await missing(digest)).toEqual([]);
    });
  });

  describe('with a limit', () => {
    test('gives up the least recently used blobs and their files', async () => {
      await reopen({ limitBytes: 100 * block });
      const digests: Digest[] = [];
      for (let n = 0; n < 100; n += 1) digests.push(await put(10));
      value(await store.read(digests[0] as Digest));
      await put(10);
      const gone = await missing(...digests);
      expect(gone).toEqual(digests.slice(1, 3));
      expect(store.figures().bytes).toBeLessThanOrEqual(100 * block);
      await reopen({ limitBytes: 100 * block });
      expect(await missing(...digests)).toEqual(gone);
    });

    test('remembers the order of use over a restart', async () => {
      const digests: Digest[] = [];
      for (let n = 0; n < 50; n += 1) digests.push(await put(10));
      value(await store.read(digests[0] as Digest));
      await reopen({ limitBytes: 51 * block });
      await put(10);
      await put(10);
      expect(await missing(digests[0] as Digest, digests[1] as Digest)).toEqual([digests[1]]);
    });

    test('takes what a killed process had not put in order for the newest', async () => {
      const old = await put(10);
      await reopen();
      const { bytes } = blob(10);
      const recent = digestOf(bytes);
      const saved = await readFile(join(dir, 'order'));
      value(await store.write(recent, bytes));
      await store.close();
      await writeFile(join(dir, 'order'), saved);
      store = await open({ limitBytes: 3 * block });
      await put(10);
      await put(10);
      expect(await missing(old, recent)).toEqual([old]);
    });

    test('keeps pinned blobs, and fails when nothing else is left to give up', async () => {
      await reopen({ limitBytes: 10 * block });
      const digests: Digest[] = [];
      for (let n = 0; n < 9; n += 1) digests.push(await put(block));
      const pin = store.pin(digests);
      await put(block);
      const { digest, bytes } = blob(2 * block);
      expect(reason(await store.write(digest, bytes))).toBe('store-failed');
      expect(await missing(...digests)).toEqual([]);
      pin.release();
      value(await store.write(digest, bytes));
    });

    test('keeps what findMissing has found, for a while', async () => {
      await reopen({ limitBytes: 10 * block, protectMs: 1000 });
      const found = await put(10);
      await missing(found);
      const later = await put(10);
      for (let n = 0; n < 20; n += 1) await put(10);
      expect(reason(await store.read(later))).toBe('missing-blob');
      expect(reason(await store.read(found))).toBe('no failure');
      await clock.advance(1000);
      for (let n = 0; n < 20; n += 1) await put(10);
      expect(reason(await store.read(found))).toBe('missing-blob');
    });

    test('refuses a blob that is larger than all of it', async () => {
      await reopen({ limitBytes: 10 * block });
      expect(reason(await store.openWrite(blob(11 * block).digest))).toBe('limit-exceeded');
      const huge: Digest = { hash: emptyDigest.hash, sizeBytes: Number.MAX_SAFE_INTEGER };
      expect(reason(await store.openWrite(huge))).toBe('limit-exceeded');
    });

    test('counts uploads that are not complete yet', async () => {
      await reopen({ limitBytes: 10 * block });
      const first = value(await store.openWrite(blob(6 * block).digest));
      expect(reason(await store.openWrite(blob(6 * block).digest))).toBe('store-failed');
      await first.abort();
      await value(await store.openWrite(blob(6 * block).digest)).abort();
    });

    test('shrinks at the start when the limit has become smaller', async () => {
      for (let n = 0; n < 20; n += 1) await put(10);
      await reopen({ limitBytes: 10 * block });
      expect(store.figures().bytes).toBeLessThanOrEqual(10 * block);
    });

    test('can take a blob back while its old file is being removed', async () => {
      await reopen({ limitBytes: 10 * block });
      const { digest, bytes } = blob(10);
      value(await store.write(digest, bytes));
      for (let n = 0; n < 9; n += 1) await put(10);
      const other = blob(10);
      const writes = [store.write(other.digest, other.bytes), store.write(digest, bytes)];
      for (const write of await Promise.all(writes)) value(write);
      expect(digestOf(value(await store.read(digest)))).toEqual(digest);
    });
  });

  describe('its folder', () => {
    test('belongs to one process at a time', async () => {
      const second = await openDiskStore({ dir, limitBytes: 1e9, clock, log: silentLog });
      expect(second).toMatchObject({ ok: false, error: { reason: 'locked', pid: process.pid } });
      const digest = await put(10);
      expect(await missing(digest)).toEqual([]);
    });

    test('is not touched when it holds something else', async () => {
      const foreign = await mkdtemp(join(tmpdir(), 'icets-foreign-'));
      await mkdir(join(foreign, 'blobs'));
      await writeFile(join(foreign, 'blobs', 'thesis.txt'), 'years of work');
      const opened = await openDiskStore({ dir: foreign, limitBytes: 1e9, clock, log: silentLog });
      expect(reason(opened)).toBe('not-a-store');
      expect(await readdir(foreign)).toEqual(['blobs']);
      expect(await readFile(join(foreign, 'blobs', 'thesis.txt'), 'utf8')).toBe('years of work');
      await rm(foreign, { recursive: true });
    });

    test('is emptied when it has another version', async () => {
      const digest = await put(10);
      await store.close();
      await writeFile(join(dir, 'VERSION'), 'icets-store 99\n');
      store = await open();
      expect(await missing(digest)).toEqual([digest]);
      expect(store.figures().blobs).toBe(0);
      await put(10);
    });

    test('that cannot be written is a failure of the store', async () => {
      const { digest, bytes } = blob(10);
      const large = blob(10);
      await rm(join(dir, 'tmp'), { recursive: true });
      expect(reason(await store.write(digest, bytes))).toBe('store-failed');
      expect(reason(await store.openWrite(large.digest))).toBe('store-failed');
      await mkdir(join(dir, 'tmp'));
      value(await store.write(digest, bytes));
    });

    test('that cannot be made is a failure of the store', async () => {
      const below = join(dir, 'VERSION', 'store');
      expect(reason(await openDiskStore({ dir: below, limitBytes: 1e9, clock, log: silentLog }))).toBe('store-failed');
    });
  });

  test('gives up what a limit of bytes or of age rules out, but nothing that is in use', async () => {
    const [old, pinned, found, used, last] = [
      await put(100),
      await put(100),
      await put(100),
      await put(100),
      await put(100),
    ];
    const pin = store.pin([pinned]);
    await clock.advance(100_000);
    await missing(found);
    value(await store.read(used));
    expect(await store.trim({ unusedForMs: 50_000 })).toEqual({ entries: 2, bytes: 2 * block });
    expect(await readdir(join(dir, 'tmp'))).toEqual([]);
    expect(reason(await store.read(old))).toBe('missing-blob');
    expect(reason(await store.read(last))).toBe('missing-blob');
    expect(await store.trim({ maxBytes: 0 })).toEqual({ entries: 1, bytes: block });
    expect(await missing(pinned, found, used)).toEqual([used]);
    pin.release();
    await clock.advance(400_000);
    expect(await store.trim({ maxBytes: block })).toEqual({ entries: 1, bytes: block });
    await reopen();
    expect(store.figures()).toMatchObject({ blobs: 1, bytes: block });
  });
});
