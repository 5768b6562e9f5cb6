import { describe, expect, test } from '@jest/globals';
import { parseCommandName } from '../../../src/compiler/command-name.ts';

describe('parseCommandName', () => {
  test.each([
    ['gcc', 'gcc', 'c', undefined, undefined],
    ['/usr/bin/g++', 'gcc', 'c++', undefined, undefined],
    ['cc', undefined, 'c', undefined, undefined],
    ['../bin/c++', undefined, 'c++', undefined, undefined],
    ['clang++-14', 'clang', 'c++', undefined, '14'],
    ['gcc-12', 'gcc', 'c', undefined, '12'],
    ['aarch64-linux-gnu-gcc-12', 'gcc', 'c', 'aarch64-linux-gnu', '12'],
    ['x86_64-pc-linux-gnu-clang++', 'clang', 'c++', 'x86_64-pc-linux-gnu', undefined],
    ['arm-none-eabi-g++-12.2', 'gcc', 'c++', 'arm-none-eabi', '12.2'],
  ])('%s may be a compiler', (program, family, driverLanguage, targetPrefix, versionSuffix) => {
    expect(parseCommandName(program)).toEqual({
      kind: 'compiler',
      family,
      driverLanguage,
      targetPrefix,
      versionSuffix,
    });
  });

  test.each([
    ['ar', 'archiver'],
    ['gcc-ar-12', 'archiver'],
    ['llvm-ranlib', 'archiver'],
    ['ld', 'linker'],
    ['ld.gold', 'linker'],
    ['aarch64-linux-gnu-ld.bfd', 'linker'],
    ['as', 'assembler'],
    ['clang-tidy', 'other'],
    ['clang-format-14', 'other'],
    ['clang-cpp-14', 'other'],
    ['gcc-nm', 'other'],
    ['distcc', 'other'],
    ['icecc', 'other'],
    ['c99-gcc', 'other'],
    ['tar', 'other'],
    ['false', 'other'],
    ['', 'other'],
  ])('%s is none (%s)', (program, kind) => {
    expect(parseCommandName(program)).toEqual({ kind });
  });
});
