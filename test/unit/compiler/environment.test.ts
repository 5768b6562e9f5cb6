import { describe, expect, test } from '@jest/globals';
import {
  environmentDirectories,
  findLocalVariable,
  isCompilerVariable,
  remoteEnvironment,
} from '../../../src/compiler/environment.ts';

describe('remoteEnvironment', () => {
  const env = {
    HOME: '/h',
    PATH: '/bin',
    LC_ALL: 'C',
    LANG: '',
    TERM: 'xterm',
    CPATH: 'a:',
    COLUMNS: '80',
    ICETS_X: '1',
  };

  test('sends what changes the compiler, sorted, and nothing else', () => {
    expect(Object.entries(remoteEnvironment(env, false))).toEqual([
      ['CPATH', 'a:'],
      ['LANG', ''],
      ['LC_ALL', 'C'],
    ]);
  });

  test('adds the terminal only for a terminal', () => {
    expect(Object.keys(remoteEnvironment(env, true))).toEqual(['COLUMNS', 'CPATH', 'LANG', 'LC_ALL', 'TERM']);
  });
});

describe('findLocalVariable', () => {
  test.each(['GCC_EXEC_PREFIX', 'COMPILER_PATH', 'DEPENDENCIES_OUTPUT', 'SUNPRO_DEPENDENCIES', 'CCC_OVERRIDE_OPTIONS'])(
    '%s keeps a compile here, even when empty',
    (name) => {
      expect(findLocalVariable({ PATH: '/bin', [name]: '' })).toBe(name);
      expect(isCompilerVariable(name)).toBe(true);
    },
  );

  test('ordinary variables do not', () => {
    expect(findLocalVariable({ PATH: '/bin', CPATH: 'x', LANG: 'C', MAKEFLAGS: '-j' })).toBeUndefined();
    expect(isCompilerVariable('MAKEFLAGS')).toBe(false);
  });
});

describe('environmentDirectories', () => {
  const env = { CPATH: ':a', C_INCLUDE_PATH: 'c::', CPLUS_INCLUDE_PATH: 'd' };

  test('reads the list of the language, an empty element being the working directory', () => {
    expect(environmentDirectories(env, 'c', 'gcc').map(({ path, after }) => `${path} ${after}`)).toEqual([
      '. I',
      'a I',
      'c isystem',
      '. isystem',
      '. isystem',
    ]);
    expect(environmentDirectories(env, 'c++', 'clang').map(({ path }) => path)).toEqual(['.', 'a', 'd']);
  });

  test('an empty variable adds nothing', () => {
    expect(environmentDirectories({ CPATH: '' }, 'c', 'gcc')).toEqual([]);
  });
});
