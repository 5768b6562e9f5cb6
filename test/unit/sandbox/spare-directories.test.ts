import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SpareDirectories } from '../../../src/sandbox/spare-directories.ts';

let folder: string;
let spares: SpareDirectories;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spare-directories-'));
  spares = new SpareDirectories(join(folder, 'spare'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test('a directory that was given serves again elsewhere, empty', () => {
  mkdirSync(join(folder, 'a'));
  const { ino } = statSync(join(folder, 'a'));
  spares.give(join(folder, 'a'));
  expect(existsSync(join(folder, 'a'))).toBe(false);
  spares.take(join(folder, 'b'));
  expect(statSync(join(folder, 'b')).ino).toBe(ino);
  spares.take(join(folder, 'c'));
  expect([readdirSync(join(folder, 'b')), readdirSync(join(folder, 'c'))]).toEqual([[], []]);
});

test('a directory that is not empty is removed with what is in it and never serves again', () => {
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  writeFileSync(join(folder, 'a/left'), '');
  spares.give(join(folder, 'a'));
  expect(readdirSync(folder)).toEqual([]);
  spares.take(join(folder, 'c'));
  expect(readdirSync(join(folder, 'c'))).toEqual([]);
});

test('no more are kept than a few hundred', () => {
  for (let i = 0; i < 300; i++) mkdirSync(join(folder, `d${i}`));
  for (let i = 0; i < 300; i++) spares.give(join(folder, `d${i}`));
  expect(readdirSync(join(folder, 'spare'))).toHaveLength(256);
  expect(readdirSync(folder)).toEqual(['spare']);
});

test('a path that is taken already is an error', () => {
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  mkdirSync(join(folder, 'x'));
  spares.give(join(folder, 'x'));
  expect(() => spares.take(join(folder, 'a'))).toThrow();
});
