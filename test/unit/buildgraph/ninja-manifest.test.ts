import { describe, expect, test } from '@jest/globals';
import { canonical, parseManifest, type NinjaManifest } from '../../../src/buildgraph/ninja-manifest.ts';

function parsed(text: string, files: Readonly<Record<string, string>> = {}): NinjaManifest {
  const running = parseManifest(text, (path) => files[path]);
  for (;;) {
    const step = running.next();
    if (step.done === true) return step.value;
  }
}
const edges = (text: string, files?: Readonly<Record<string, string>>) => parsed(text, files).edges;

describe('a manifest', () => {
  test('has edges with explicit, implicit and order-only inputs, and implicit outputs', () => {
    expect(edges('build a.o | a.d: cc a.c | a.h b.h || dir gen |@ check\n  flags = -O2\n')).toEqual([
      { rule: 'cc', outputs: ['a.o', 'a.d'], inputs: ['a.c', 'a.h', 'b.h', 'dir', 'gen'] },
    ]);
  });

  test('has escaped blanks, colons and dollars in its names, and variables of the file', () => {
    const text = 'root = out/x\nbuild ${root}/a$ b$:c.o: cc $root/in$$1.c\n';
    expect(edges(text)).toEqual([{ rule: 'cc', outputs: ['out/x/a b:c.o'], inputs: ['out/x/in$1.c'] }]);
  });

  test('continues lines behind a dollar, but not behind two', () => {
    expect(edges('build a.o: cc $\n    a.c $\n  b.c\nbuild b.o: cc x$$\nbuild c.o: cc y\n')).toEqual([
      { rule: 'cc', outputs: ['a.o'], inputs: ['a.c', 'b.c'] },
      { rule: 'cc', outputs: ['b.o'], inputs: ['x$'] },
      { rule: 'cc', outputs: ['c.o'], inputs: ['y'] },
    ]);
  });

  test('has the edges of the files that it includes, and does without those that cannot be read', () => {
    const text = 'x = 1\ninclude rules.ninja\nsubninja sub/$x.ninja\ninclude none.ninja\nbuild all: phony a.o b.o\n';
    const files = {
      'rules.ninja': 'rule cc\n  command = build it: now\nbuild a.o: cc a.c\n',
      'sub/1.ninja': 'build b.o: cc b.c',
    };
    expect(edges(text, files).map(({ outputs }) => outputs[0])).toEqual(['a.o', 'b.o', 'all']);
  });

  test('that includes itself ends', () => {
    expect(edges('include me.ninja\n', { 'me.ninja': 'build a: cc b\ninclude me.ninja\n' }).length).toBeGreaterThan(0);
  });

  test('says where Ninja keeps its own files', () => {
    expect(parsed('top = out\nbuilddir = $top/files\n').buildFolder).toBe('out/files');
    expect(parsed('').buildFolder).toBe('');
  });

  test('is passed over where a line is no statement', () => {
    expect(edges('build\nbuild : cc x\nbuild a.o cc a.c\n# build c.o: cc c.c\n\r\nbuild d.o: cc d.c\r\n')).toEqual([
      { rule: 'cc', outputs: ['d.o'], inputs: ['d.c'] },
    ]);
  });

  test('of many lines pauses on the way', () => {
    const running = parseManifest('build a: cc b\n'.repeat(5000), () => undefined);
    expect(running.next().done).toBe(false);
  });
});

test.each([
  ['a/b.o', 'a/b.o'],
  ['./a//b/../c.o', 'a/c.o'],
  ['../x/./y', '../x/y'],
  ['a..b/c.', 'a..b/c.'],
  ['dir/', 'dir'],
])('the canonical form of %s is %s', (path, expected) => {
  expect(canonical(path)).toBe(expected);
});
