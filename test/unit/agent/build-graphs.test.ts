import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { BuildGraphs } from '../../../src/agent/build-graphs.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('graphs');
});
afterEach(() => scratch.remove());

const manifest = 'include rules.ninja\nbuild lib.a: ar obj/a.o\nbuild obj/a.o: cc a.c\nbuild obj/b.o: cc b.c\n';

test('the first compile of a build is told nothing, and the next ones how long the build goes on after them', async () => {
  scratch.write('build.ninja', manifest);
  scratch.write('rules.ninja', 'build program: link lib.a\n');
  scratch.write('.ninja_log', '# ninja log v5\n0\t700\t1\tlib.a\tff\n0\t2000\t1\tprogram\tff\n');
  const graphs = new BuildGraphs();
  expect(graphs.downstreamMs(scratch.path, 'obj/a.o')).toBe(0);
  await graphs.settled();
  for (const output of ['obj/a.o', './obj/../obj/a.o', `${scratch.path}/obj/a.o`]) {
    expect([output, graphs.downstreamMs(scratch.path, output)]).toEqual([output, 2700]);
  }
  expect(graphs.downstreamMs(scratch.path, 'obj/b.o')).toBe(0);
});

test('a folder without a manifest has no graph', async () => {
  const graphs = new BuildGraphs();
  expect(graphs.downstreamMs(scratch.path, 'a.o')).toBe(0);
  await graphs.settled();
  expect(graphs.downstreamMs(scratch.path, 'a.o')).toBe(0);
});

test('of many folders the last ones are remembered', async () => {
  scratch.write('build.ninja', manifest);
  const graphs = new BuildGraphs();
  graphs.downstreamMs(scratch.path, 'obj/a.o');
  await graphs.settled();
  expect(graphs.downstreamMs(scratch.path, 'obj/a.o')).toBe(300);
  for (let i = 0; i < 20; i += 1) graphs.downstreamMs(scratch.folder(`f${i}`), 'a.o');
  await graphs.settled();
  expect(graphs.downstreamMs(scratch.path, 'obj/a.o')).toBe(0);
  await graphs.settled();
  expect(graphs.downstreamMs(scratch.path, 'obj/a.o')).toBe(300);
});
