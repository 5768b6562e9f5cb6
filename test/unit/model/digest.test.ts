import { describe, expect, test } from '@jest/globals';
import { digestKey, digestOf, emptyDigest, parseDigest, sameDigest } from '../../../src/model/digest.ts';

describe('digest', () => {
  test('is the SHA-256 and the size of the bytes', () => {
    expect(digestKey(digestOf(Buffer.from('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/3',
    );
    expect(emptyDigest.sizeBytes).toBe(0);
  });

  test('two digests are the same only when hash and size are', () => {
    const digest = digestOf(Buffer.from('abc'));
    expect(sameDigest(digest, digestOf(Buffer.from('abc')))).toBe(true);
    expect(sameDigest(digest, { ...digest, sizeBytes: 4 })).toBe(false);
    expect(sameDigest(digest, digestOf(Buffer.from('abd')))).toBe(false);
  });

  test.each([
    ['too short', { hash: 'ab', sizeBytes: 1 }],
    ['upper case', { hash: 'A'.repeat(64), sizeBytes: 1 }],
    ['a path', { hash: `../${'a'.repeat(61)}`, sizeBytes: 1 }],
    ['a negative size', { hash: 'a'.repeat(64), sizeBytes: -1 }],
    ['a fraction of a byte', { hash: 'a'.repeat(64), sizeBytes: 0.5 }],
  ])('refuses a digest from outside with %s', (_, raw) => {
    expect(parseDigest(raw)).toBeUndefined();
  });
});
