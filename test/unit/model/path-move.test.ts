import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { commonDirectory, PathMove } from '../../../src/model/path-move.ts';

const name = fc.constantFrom('a', 'b', 'ab', '..', 'x y');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`);

describe('PathMove', () => {
  const move = new PathMove('/home/one', '/there');

  test('renames the directory and what is below it, and nothing else', () => {
    expect(
      ['/home/one', '/home/one/a.c', '/home/one/../b', '/home/one2/a.c', '/home', 'a.c', ''].map((each) =>
        move.there(each),
      ),
    ).toEqual(['/there', '/there/a.c', '/there/../b', '/home/one2/a.c', '/home', 'a.c', '']);
  });

  test('goes back to where it came from', () => {
    fc.assert(
      fc.property(path, path, (from, other) => {
        const any = new PathMove(from, '/there');
        expect(any.back(any.there(other))).toBe(other);
        expect(any.there(other) !== other).toBe(any.moves(other));
      }),
    );
  });
});

describe('commonDirectory', () => {
  test.each([
    ['/a/b/c', '/a/b/d', '/a/b'],
    ['/a/b', '/a/b', '/a/b'],
    ['/a/b', '/a/b/c/d', '/a/b'],
    ['/a/bc', '/a/b', '/a'],
    ['/a', '/b', '/'],
    ['/', '/b', '/'],
  ])('of %s and %s is %s', (a, b, common) => {
    expect(commonDirectory(a, b)).toBe(common);
    expect(commonDirectory(b, a)).toBe(common);
  });
});
