import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../../src/base/log.ts';
import { Trash } from '../../../src/worker/trash.ts';
import { childProcesses } from '../../support/child-processes.ts';

let folder: string;
let trash: Trash;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'icets-trash-'));
  trash = new Trash(join(folder, 'trash'), childProcesses, { warn: () => {} } as unknown as Log);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function directory(name: string, files: number): string {
  const path = join(folder, name);
  mkdirSync(join(path, 'deep/deeper'), { recursive: true });
  for (let at = 0; at < files; at += 1) writeFileSync(join(path, 'deep', String(at)), '');
  return path;
}

const left = () => readdirSync(join(folder, 'trash'));

describe('trash', () => {
  it('removes a small directory at once, and nothing that its links lead to', () => {
    const kept = directory('kept', 3);
    const path = directory('small', 20);
    symlinkSync(kept, join(path, 'link'));
    trash.discard(path);
    expect(existsSync(path)).toBe(false);
    expect(left()).toEqual([]);
    expect(readdirSync(join(kept, 'deep'))).toHaveLength(4);
  });

  it('removes a large one a little later', async () => {
    const path = directory('large', 700);
    trash.discard(path);
    expect(existsSync(path)).toBe(false);
    await trash.emptied();
    expect(left()).toEqual([]);
  });

  it('removes one whose directories were left without rights', async () => {
    const path = directory('locked', 2);
    chmodSync(join(path, 'deep'), 0);
    trash.discard(path);
    await trash.emptied();
    expect(left()).toEqual([]);
  });

  it('removes what an earlier process has left', async () => {
    const before = join(folder, 'before');
    mkdirSync(join(before, 'old/older'), { recursive: true });
    await new Trash(before, childProcesses, { warn: () => {} } as unknown as Log).emptied();
    expect(readdirSync(before)).toEqual([]);
  });

  it('is content when there is nothing to remove', () => {
    trash.discard(join(folder, 'nothing'));
    expect(left()).toEqual([]);
  });
});
