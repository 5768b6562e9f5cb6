import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readElfHeader, isScript } from '../../../src/toolchain/elf.ts';
import { findProgram, isFile, linkChain } from '../../../src/toolchain/program-path.ts';
import { WatchedFiles } from '../../../src/toolchain/watched-files.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('programs');
});
afterEach(() => scratch.remove());

function program(name: string, content = '#!/bin/sh\n'): string {
  const path = scratch.write(name, content);
  chmodSync(path, 0o755);
  return path;
}

describe('findProgram', () => {
  test('takes the first executable file of the path, not a folder and not a plain file', () => {
    scratch.folder('a/cc');
    scratch.write('b/cc', 'no program');
    const found = program('c/cc');
    program('d/cc');
    const path = ['a', 'b', 'c', 'd'].map((name) => `${scratch.path}/${name}`).join(':');
    expect(findProgram('cc', '/', path)).toBe(found);
    expect(findProgram('none', '/', path)).toBeUndefined();
  });

  test('reads names with a slash and relative parts of the path from the working directory', () => {
    program('bin/cc');
    expect(findProgram('bin/cc', scratch.path, '/nowhere')).toBe(`${scratch.path}/bin/cc`);
    expect(findProgram('cc', scratch.path, 'bin')).toBe(`${scratch.path}/bin/cc`);
    expect(findProgram('cc', `${scratch.path}/bin`, '')).toBe(`${scratch.path}/bin/cc`);
  });
});

describe('links to a program', () => {
  test('are listed one by one', () => {
    const real = program('lib/real');
    scratch.link('alternatives/cc', '../lib/real');
    scratch.link('bin/cc', `${scratch.path}/alternatives/cc`);
    expect(linkChain(`${scratch.path}/bin/cc`)).toEqual([
      `${scratch.path}/bin/cc`,
      `${scratch.path}/alternatives/cc`,
      real,
    ]);
  });

  test('that are watched show a new target, a new content and a file that appears', () => {
    program('one');
    program('two');
    const link = scratch.link('cc', 'one');
    const watch = WatchedFiles.now([link, `${scratch.path}/none`]);
    expect(watch.unchanged()).toBe(true);
    scratch.write('one', 'longer content');
    expect(watch.unchanged()).toBe(false);
    const again = WatchedFiles.now([link, `${scratch.path}/none`]);
    scratch.write('none', 'now there is one');
    expect(again.unchanged()).toBe(false);
  });

  test('that are watched are not looked at again for who is content with an older look', () => {
    const path = program('one');
    const watch = WatchedFiles.now([path]);
    const before = performance.now();
    expect(watch.unchanged()).toBe(true);
    scratch.write('one', 'longer content');
    expect(watch.unchanged(before)).toBe(true);
    expect(watch.unchanged(performance.now())).toBe(false);
  });
});

describe('a program file', () => {
  test('tells its machine and its loader when it is ELF', () => {
    const header = readElfHeader(process.execPath);
    expect(header?.arch).toBe(process.arch === 'x64' ? 'x86_64' : process.arch === 'arm64' ? 'aarch64' : header?.arch);
    expect(isFile(header?.interpreter ?? '')).toBe(true);
  });

  test('is a script when it begins with #!', () => {
    expect(isScript(program('script'))).toBe(true);
    expect(readElfHeader(program('script'))).toBeUndefined();
    expect(isScript(process.execPath)).toBe(false);
    expect(readElfHeader(scratch.write('short', '\x7fELF'))).toBeUndefined();
  });
});
