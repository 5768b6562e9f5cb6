import {
  chmodSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { whyNotReplaceable, writeResult } from '../../../src/agent/result-writer.ts';
import { WriteJournal } from '../../../src/agent/write-journal.ts';

let folder = '';
let journal: WriteJournal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'icets-result-'));
  journal = new WriteJournal(join(folder, 'journals'), { pid: process.pid, startTicks: '1' }, () => true);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function commit(target: string, umask: number, keepsMode = (_bytes: number) => true): number {
  const written = writeResult([{ target, bytes: Buffer.from('object'), keepsMode }], umask, journal);
  if (!written.ok) throw new Error(written.error);
  for (const rename of written.value.renames) renameSync(rename.from, rename.to);
  written.value.committed();
  return statSync(target).mode & 0o7777;
}

describe('writeResult', () => {
  test('gives a new object the mode that the umask leaves', () => {
    expect(commit(join(folder, 'a.o'), 0o022)).toBe(0o644);
    expect(commit(join(folder, 'b.o'), 0o077)).toBe(0o600);
  });

  test('keeps the mode of a file that exists when the compiler would', () => {
    const target = join(folder, 'a.o');
    writeFileSync(target, 'old');
    chmodSync(target, 0o640);
    expect(commit(target, 0o022, (bytes) => bytes === 3)).toBe(0o640);
    expect(commit(target, 0o022, () => false)).toBe(0o644);
  });

  test('leaves nothing behind when one of the files cannot be written', () => {
    const written = writeResult(
      [
        { target: join(folder, 'a.o'), bytes: Buffer.from('object'), keepsMode: () => true },
        { target: join(folder, 'no/such/folder/a.d'), bytes: Buffer.from('a.o: a.c'), keepsMode: () => true },
      ],
      0o022,
      journal,
    );
    expect(written.ok).toBe(false);
    expect(readdirSync(folder)).toEqual(['journals']);
  });

  test('removes the temporary files of a result that is discarded', () => {
    const written = writeResult(
      [{ target: join(folder, 'a.o'), bytes: Buffer.from('object'), keepsMode: () => true }],
      0o022,
      journal,
    );
    if (!written.ok) throw new Error(written.error);
    written.value.discard();
    expect(existsSync(join(folder, 'a.o'))).toBe(false);
    expect(readdirSync(folder)).toEqual(['journals']);
  });
});

describe('whyNotReplaceable', () => {
  test('accepts a missing and a plain file only', () => {
    const plain = join(folder, 'plain.o');
    writeFileSync(plain, '');
    symlinkSync(plain, join(folder, 'link.o'));
    expect(whyNotReplaceable(join(folder, 'missing.o'))).toBeUndefined();
    expect(whyNotReplaceable(plain)).toBeUndefined();
    expect(whyNotReplaceable(join(folder, 'link.o'))).toMatch(/not a regular file/);
    expect(whyNotReplaceable('/dev/null')).toMatch(/not a regular file/);
    linkSync(plain, join(folder, 'hard.o'));
    expect(whyNotReplaceable(plain)).toMatch(/other hard links/);
  });
});
