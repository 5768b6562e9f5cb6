import { statSync, writeFileSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/model/digest.ts';
import { noFacts } from '../../../src/scan/file-facts.ts';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('digests');
});
afterEach(() => scratch.remove());

const later = () => Date.now() + 60_000;
const hashOf = (text: string) => digestOf(Buffer.from(text)).hash;

function parts(nowMs: () => number, file?: string) {
  const cache = new StatCache(file, 1_000, nowMs);
  return { cache, digests: new StatFileDigests(new PathStats(), cache, nowMs) };
}

function value<T>(result: { ok: true; value: T } | { ok: false; error: { message: string } }): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

describe('digests of files', () => {
  test('are those of the content, whatever the size', async () => {
    const { digests } = parts(later);
    for (const size of [0, 1, 5_000, 1 << 20, (1 << 20) + 1, 3_000_000]) {
      const text = 'x'.repeat(size);
      const path = scratch.write(`of-${size}`, text);
      if (size > 2_000_000) await digests.warm([path]);
      expect(value(digests.file(path)).digest).toEqual(digestOf(Buffer.from(text)));
    }
  });

  test('find a macro that lies across the boundary of two chunks', () => {
    const { digests } = parts(later);
    const path = scratch.write('long', `${' '.repeat((1 << 20) - 3)}__DATE__${' '.repeat(5_000)}`);
    expect(value(digests.file(path)).facts.dateOrTime).toBe(true);
  });

  test('of a program come without a search for facts, those of a text that begins a little like one with it', async () => {
    const { digests } = parts(later);
    const header = Buffer.alloc(64);
    header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    const program = scratch.write('program', '');
    const large = scratch.write('library.so', '');
    writeFileSync(program, Buffer.concat([header, Buffer.from('__DATE__')]));
    writeFileSync(large, Buffer.concat([header, Buffer.from('__DATE__'.repeat(300_000))]));
    await digests.warm([large]);
    for (const path of [program, large]) expect(value(digests.file(path)).facts).toBe(noFacts);
    const text = scratch.write('text.h', '\x7fELF is no header, but text with __DATE__');
    expect(value(digests.file(text)).facts.dateOrTime).toBe(true);
  });

  test('of a file hashed while it was young are not trusted: same size, same times, new content', () => {
    const young = parts(Date.now);
    const path = scratch.write('a.h', 'one');
    const { mtime, atime } = statSync(path);
    expect(value(young.digests.file(path)).digest.hash).toBe(hashOf('one'));
    writeFileSync(path, 'two');
    utimesSync(path, atime, mtime);
    expect(value(young.digests.file(path)).digest.hash).toBe(hashOf('two'));
  });

  test('of a settled file come from its stat', () => {
    const { digests, cache } = parts(later);
    const path = scratch.write('a.h', 'one');
    const first = value(digests.file(path));
    expect(value(digests.file(path))).toBe(first);
    expect(cache.get(first.stat)).toBe(first);
  });

  test('of a file with an old modification time but a young change time are not trusted', () => {
    const { digests, cache } = parts(Date.now);
    const path = scratch.write('a.h', 'one');
    utimesSync(path, 1_000_000, 1_000_000);
    expect(cache.get(value(digests.file(path)).stat)).toBeUndefined();
  });

  test('survive a restart, facts included', async () => {
    const file = `${scratch.path}/cache/digests`;
    const before = parts(later, file);
    const plain = scratch.write('plain.h', 'int x;');
    const odd = scratch.write('odd.h', '#if __has_include(<a.h>)\n#endif __TIMESTAMP__');
    const written = [plain, odd].map((path) => value(before.digests.file(path)));
    await before.cache.save();
    const after = parts(later, file);
    expect(after.cache.size).toBe(2);
    expect(written.map(({ stat }) => after.cache.get(stat))).toEqual(written);
    // and once more, from entries that were loaded only
    value(after.digests.file(scratch.write('more.h', 'int y;')));
    await after.cache.save();
    const third = parts(later, file);
    expect(written.map(({ stat }) => third.cache.get(stat))).toEqual(written);
  });

  test('are gathered anew when the cache file is damaged or of another version', async () => {
    const file = `${scratch.path}/digests`;
    const { cache, digests } = parts(later, file);
    value(digests.file(scratch.write('a.h', 'one')));
    await cache.save();
    const bytes = Buffer.from(await import('node:fs').then((fs) => fs.readFileSync(file)));
    bytes[70] = (bytes[70] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    expect(parts(later, file).cache.size).toBe(0);
    writeFileSync(file, 'icets file digests 9\n');
    expect(parts(later, file).cache.size).toBe(0);
  });

  test('forget the excess when there are too many', () => {
    const cache = new StatCache(undefined, 10, later);
    const digests = new StatFileDigests(new PathStats(), cache, later);
    for (let at = 0; at < 25; at += 1) value(digests.file(scratch.write(`${at}`, `${at}`)));
    expect(cache.size).toBeLessThanOrEqual(10);
  });

  test('fail for what is no regular file', () => {
    const { digests } = parts(later);
    expect(digests.file(scratch.path)).toMatchObject({ ok: false, error: { reason: 'unshippable-path' } });
    expect(digests.file(`${scratch.path}/none`)).toMatchObject({ ok: false, error: { reason: 'unshippable-path' } });
  });

  test('guard an upload: bytes that changed are not read', async () => {
    const { digests } = parts(later);
    const path = scratch.write('a.h', 'one');
    const { digest } = value(digests.file(path));
    expect(Buffer.from(value(await digests.read(path, digest))).toString()).toBe('one');
    writeFileSync(path, 'two');
    expect(await digests.read(path, digest)).toMatchObject({ ok: false, error: { reason: 'input-changed' } });
  });
});
