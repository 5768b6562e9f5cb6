import { describe, expect, test } from '@jest/globals';
import { DependencyProofs, proveDependencies } from '../../../src/agent/proof.ts';

const predicted = new Set(['a.c', 'a.h', '/usr/include/stdio.h']);

describe('proveDependencies', () => {
  test('accepts the same list in another order and with repetitions', () => {
    expect(proveDependencies(predicted, ['/usr/include/stdio.h', 'a.h', 'a.c', 'a.h'], true).ok).toBe(true);
  });

  test('refuses a list that lacks a predicted file', () => {
    expect(proveDependencies(predicted, ['a.c', 'a.h'], true).ok).toBe(false);
  });

  test('refuses a list with a file that was not predicted', () => {
    expect(proveDependencies(predicted, [...predicted, 'b.h'], true).ok).toBe(false);
    expect(proveDependencies(predicted, ['b.h'], false).ok).toBe(false);
  });

  test('accepts a list without system headers when the compile was asked for one', () => {
    expect(proveDependencies(predicted, ['a.c', 'a.h'], false).ok).toBe(true);
  });
});

describe('DependencyProofs', () => {
  const prediction = { dependencies: ['a.c', 'a.h'] };
  const complete = Buffer.from('a.o: a.c a.h\n');
  const partial = Buffer.from('a.o: a.c\n');

  test('proves a depfile as often as it comes, and no other one because of that', () => {
    const proofs = new DependencyProofs();
    expect(proofs.prove(prediction, complete, true).ok).toBe(true);
    expect(proofs.prove(prediction, complete, true).ok).toBe(true);
    expect(proofs.prove(prediction, partial, true).ok).toBe(false);
    expect(proofs.prove(prediction, partial, false).ok).toBe(true);
    expect(proofs.prove(prediction, partial, true).ok).toBe(false);
  });

  test('asks again for another prediction', () => {
    const proofs = new DependencyProofs();
    expect(proofs.prove(prediction, complete, true).ok).toBe(true);
    expect(proofs.prove({ dependencies: ['a.c'] }, complete, true).ok).toBe(false);
  });
});
