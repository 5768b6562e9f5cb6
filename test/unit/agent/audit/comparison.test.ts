import { describe, expect, test } from '@jest/globals';
import { differences, judge, type Compiled, type LocalRun } from '../../../../src/agent/audit/comparison.ts';

const bytes = (text: string) => Buffer.from(text);

function compiled(object: string, more: { depfile?: string; stderr?: string } = {}): Compiled {
  return {
    stdout: bytes(''),
    stderr: bytes(more.stderr ?? ''),
    files: new Map([
      ['object' as const, bytes(object)],
      ...(more.depfile === undefined ? [] : [['depfile' as const, bytes(more.depfile)] as const]),
    ]),
  };
}

/** Runs in the order in which an audit makes them: first, second, first, second folder. */
function runs(...objects: string[]): LocalRun[] {
  return objects.map((object, at) => ({ folder: at % 2 === 0 ? 'first' : 'second', compiled: compiled(object) }));
}

describe('a comparison', () => {
  test('names everything that is not the same, files that one side lacks included', () => {
    expect(differences(compiled('x'), compiled('x'))).toEqual([]);
    const a = compiled('x', { depfile: 'a.o: a.c', stderr: 'warning' });
    expect(differences(a, compiled('y', { depfile: 'a.o: a.c h.h' }))).toEqual(['depfile', 'object', 'standard error']);
    expect(differences(a, compiled('x', { stderr: 'warning' }))).toEqual(['depfile']);
    expect(differences(compiled(''), { ...compiled(''), files: new Map() })).toEqual(['object']);
  });
});

describe('a judgement', () => {
  test('needs one run where it agrees with the result', () => {
    expect(judge(compiled('x'), runs('x'))).toEqual({ kind: 'equal' });
  });

  test('holds against the result only when this machine always says the same', () => {
    expect(judge(compiled('wrong'), runs('x', 'x', 'x', 'x'))).toEqual({ kind: 'differs', differing: ['object'] });
    const judgement = { kind: 'not-reproducible', differing: ['object'] };
    expect(judge(compiled('wrong'), runs('x', 'x', 'x', 'y'))).toEqual(judgement);
    expect(judge(compiled('x'), runs('y', 'x', 'x', 'x'))).toEqual(judgement);
    expect(judge(compiled('a'), runs('b', 'c', 'd', 'e'))).toEqual(judgement);
  });

  test('is none where the folder of the outputs shows in the bytes', () => {
    expect(judge(compiled('/x/a.o'), runs('one', 'other', 'one', 'other'))).toEqual({ kind: 'output-path' });
  });
});
