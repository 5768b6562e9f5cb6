import { expect, test } from '@jest/globals';
import { downstreamOf } from '../../../src/buildgraph/criticality.ts';
import type { NinjaEdge } from '../../../src/buildgraph/ninja-manifest.ts';

const edge = (rule: string, output: string, ...inputs: string[]): NinjaEdge => ({ rule, outputs: [output], inputs });

test('what waits for an object is the longest chain of steps behind it', () => {
  const edges = [
    edge('cc', 'base.o', 'base.c'),
    edge('cc', 'top.o', 'top.c'),
    edge('ar', 'base.a', 'base.o'),
    edge('ar', 'top.a', 'top.o', 'base.a'),
    edge('link', 'program', 'top.a', 'base.a'),
    edge('phony', 'all', 'program'),
  ];
  const durations = new Map([
    ['base.a', 100],
    ['top.a', 50],
    ['program', 1000],
  ]);
  expect([...downstreamOf(edges, durations)]).toEqual([
    ['base.o', 1150],
    ['top.o', 1050],
  ]);
});

test('a step that was never seen counts a little, and a compile not the time in which it waited for its turn', () => {
  const edges = [
    edge('cc', 'tool.o', 'tool.c'),
    edge('link', 'tool', 'tool.o'),
    edge('run', 'made.c', 'tool'),
    edge('cc', 'made.o', 'made.c'),
  ];
  const found = downstreamOf(edges, new Map([['made.o', 50_000]]));
  expect([...found]).toEqual([['tool.o', 300 + 300 + 3000]]);
});

test('a circle and a long chain end', () => {
  const circle = [edge('cc', 'a.o', 'b'), edge('x', 'b', 'a.o')];
  expect(downstreamOf(circle, new Map()).get('a.o')).toBeGreaterThan(0);
  const chain = Array.from({ length: 50_000 }, (_, i) => edge('x', `s${i + 1}`, `s${i}`));
  const found = downstreamOf([edge('cc', 'a.o', 'a.c'), edge('x', 's0', 'a.o'), ...chain], new Map());
  expect(found.get('a.o')).toBe(300 * 50_001);
});
