import { rmSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isDirectory, isRegular, isSymlink, PathStats } from '../../../src/scan/path-stats.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('path-stats');
});
afterEach(() => scratch.remove());

describe('stats by path', () => {
  test('are made again unless an old one will do', () => {
    const stats = new PathStats();
    const path = scratch.write('f', '1');
    const first = stats.lstat(path);
    scratch.write('f', '12');
    const asked = performance.now();
    expect(stats.lstat(path, 0)).toBe(first);
    expect(stats.lstat(path, asked)?.sizeBytes).toBe(2);
    scratch.write('f', '123');
    expect(stats.lstat(path, asked)?.sizeBytes).toBe(2);
    expect(stats.lstat(path)?.sizeBytes).toBe(3);
  });

  test('remember too that something is not there', () => {
    const stats = new PathStats();
    expect(stats.stat(`${scratch.path}/f`)).toBeUndefined();
    const path = scratch.write('f', '');
    expect(stats.stat(path, 0)).toBeUndefined();
    expect(stats.stat(path)).toBeDefined();
  });

  test('follow links or not, and tell kinds apart', () => {
    const stats = new PathStats();
    const file = scratch.write('f', '');
    const link = scratch.link('l', 'f');
    const kinds = (path: string, stat = stats.lstat(path)!) => [isRegular(stat), isDirectory(stat), isSymlink(stat)];
    expect([kinds(file), kinds(scratch.path), kinds(link)]).toEqual([
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
    expect(stats.stat(link)?.ino).toBe(statSync(file).ino);
    expect(stats.target(link, stats.lstat(link)!)).toBe('f');
    rmSync(file);
    expect(stats.stat(link)).toBeUndefined();
    expect(stats.lstat(link)).toBeDefined();
  });

  test('take what cannot be reached for absent', () => {
    const stats = new PathStats();
    scratch.write('f', '');
    scratch.link('loop', 'loop');
    for (const name of ['f/below', 'loop/x', 'x'.repeat(300)])
      expect(stats.stat(`${scratch.path}/${name}`)).toBeUndefined();
  });

  test('are all forgotten when they are too many', () => {
    const stats = new PathStats(2);
    const path = scratch.write('f', '1');
    stats.lstat(path);
    stats.lstat(`${scratch.path}/a`);
    scratch.write('f', '12');
    expect(stats.lstat(path, 0)?.sizeBytes).toBe(1);
    stats.lstat(`${scratch.path}/b`);
    expect(stats.lstat(path, 0)?.sizeBytes).toBe(2);
  });
});
