import { describe, expect, test } from '@jest/globals';
import { readCommandWords } from '../../../src/ipc/command-word.ts';

describe('the words after icets', () => {
  test('may begin with --no-cache, for a compiler and for a command of icets', () => {
    expect(readCommandWords(['--no-cache', 'g++', '-c', 'a.cc'])).toEqual({
      kind: 'compile',
      argv: ['g++', '-c', 'a.cc'],
      masqueraded: false,
      noCache: true,
    });
    expect(readCommandWords(['icets', '--no-cache', 'ninja', '-j4'])).toEqual({
      kind: 'own',
      args: ['ninja', '-j4'],
      noCache: true,
    });
  });

  test('are taken as they are otherwise', () => {
    expect(readCommandWords(['g++', '--no-cache'])).toMatchObject({ kind: 'compile', noCache: false });
    expect(readCommandWords(['--no-cache'])).toEqual({ kind: 'own', args: ['--no-cache'], noCache: false });
    expect(readCommandWords(['--as', '/usr/lib/icets/g++', '--no-cache'])).toMatchObject({
      argv: ['g++', '--no-cache'],
      noCache: false,
    });
  });
});
