import { describe, expect, test } from '@jest/globals';
import { resolvePath } from '../../../src/sandbox/root-path.ts';
import { rootTree } from '../../support/root-trees.ts';

const tree = rootTree(
  {
    a: { b: { file: 'f' }, up: '-> ../c', abs: '-> /c/d' },
    c: { d: { file: 'g' } },
    loop: '-> loop',
    out: '-> ../../etc',
    m: { inner: {} },
  },
  ['/m'],
);
const at = (from: string[], path: string) => {
  const found = resolvePath(tree, from, path);
  return found.ok ? found.value.path.join('/') : `error: ${found.error}`;
};

describe('resolvePath', () => {
  test('plain names, dots and double slashes lead where the kernel would', () => {
    expect(at([], 'a/b/file')).toBe('a/b/file');
    expect(at(['a'], './/b/../b/')).toBe('a/b');
    expect(at(['a', 'b'], '/c')).toBe('c');
  });

  test('links are followed, relative ones from their own directory, absolute ones from the root', () => {
    expect(at([], 'a/up/d')).toBe('c/d');
    expect(at(['a'], 'abs/../x')).toBe('c/x');
  });

  test('names that do not exist are taken as they are', () => {
    expect(at(['a'], 'new/deep/../name')).toBe('a/new/name');
  });

  test('leaving the root, going through a file and going in circles are errors', () => {
    expect(at([], '../x')).toMatch(/^error: .*leaves the root/);
    expect(at([], 'out')).toMatch(/^error: .*leaves the root/);
    expect(at([], 'a/b/file/x')).toMatch(/^error: .*no directory/);
    expect(at([], 'loop')).toMatch(/^error: .*too many symlinks/);
    expect(at([], 'a\0b')).toMatch(/^error/);
  });

  test('a path through a mount tells how far the mount is', () => {
    expect(resolvePath(tree, [], 'm/inner/x')).toMatchObject({ ok: true, value: { mountDepth: 1, entry: undefined } });
    expect(resolvePath(tree, [], 'a/b')).toMatchObject({ ok: true, value: { mountDepth: undefined } });
  });
});
