import { describe, expect, test } from '@jest/globals';
import { depfilePrerequisites, parseDepfile } from '../../../src/compiler/depfile.ts';

describe('parseDepfile', () => {
  test('joins continued lines and keeps paths as written', () => {
    expect(parseDepfile('a.o: a.c ./x.h \\\n /usr/include/../y.h\n')).toEqual([
      { targets: ['a.o'], prerequisites: ['a.c', './x.h', '/usr/include/../y.h'] },
    ]);
  });

  test.each([
    ['a.o: my\\ file.c', ['my file.c']],
    ['a.o: cost$$.h', ['cost$.h']],
    ['a.o: no\\#1.h', ['no#1.h']],
    ['a.o: back\\\\\\ slash.h', ['back\\ slash.h']],
    ['a.o: end\\\\ next.h', ['end\\', 'next.h']],
    ['a.o: in\\side.h', ['in\\side.h']],
    ['a.o: c:d.h', ['c:d.h']],
    ['a.o: c\\:d.h', ['c:d.h']],
    ['a.o: tab\\\there.h', ['tab\there.h']],
    ['a.o:\ta.c\tb.h', ['a.c', 'b.h']],
    ['a.o: a.c \\\r\n b.h\r\n', ['a.c', 'b.h']],
    ['a.o: a.c', ['a.c']],
    ['a.o : a.c', ['a.c']],
    ['a.o: $x', ['$x']],
  ])('reads %j', (text, expected) => {
    expect(depfilePrerequisites(text)).toEqual(expected);
  });

  test('keeps several targets and several rules apart', () => {
    expect(parseDepfile('a.o b\\ c.o: a.c\n\nx.h:\n\ny.h:\n')).toEqual([
      { targets: ['a.o', 'b c.o'], prerequisites: ['a.c'] },
      { targets: ['x.h'], prerequisites: [] },
      { targets: ['y.h'], prerequisites: [] },
    ]);
  });

  test('names each file once in the order of first mention', () => {
    expect(depfilePrerequisites('a.o: b.h a.c\nb.o: a.c c.h\na.c:\n')).toEqual(['b.h', 'a.c', 'c.h']);
  });

  test('finds nothing in an empty or foreign text', () => {
    expect(parseDepfile('')).toEqual([]);
    expect(parseDepfile('hello\nworld\n')).toEqual([]);
    expect(parseDepfile(': a.c')).toEqual([]);
  });
});
