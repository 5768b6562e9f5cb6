import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { PathWatch } from '../../../src/scan/path-watch.ts';
import { FakeDirectoryEvents } from '../../support/fake-directory-events.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let events: FakeDirectoryEvents;
let paths: PathWatch;
let told: number;
const leaf = { changed: () => void (told += 1) };
beforeEach(() => {
  scratch = scratchFolder('paths');
  events = new FakeDirectoryEvents();
  paths = new PathWatch(events, new PathStats());
  told = 0;
});
afterEach(() => scratch.remove());
const at = (path: string) => `${scratch.path}/${path}`;
/** Whether it voids everything that an entry is another one (it stays so for as long as that is asked). */
const voids = (directory: string, entry: string) => {
  const before = paths.voided;
  const path = `${directory}/${entry}`;
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (isThere) renameSync(path, `${path}.away`);
  else mkdirSync(path);
  events.tell(directory, entry);
  if (isThere) renameSync(`${path}.away`, path);
  else rmSync(path, { recursive: true });
  return paths.voided > before;
};

describe('a file that is followed', () => {
  test('is told of events of its own entry only', () => {
    scratch.write('a/b/h.h', '');
    expect(paths.followFile(at('a/b/h.h'), leaf)).toBeDefined();
    events.tell(at('a/b'), 'other.h');
    events.tell(at('a'), 'h.h');
    expect(told).toBe(0);
    events.tell(at('a/b'), 'h.h', 'content');
    expect(told).toBe(1);
    expect(paths.voided).toBe(0);
  });

  test.each(['a', 'b'])('is void when directory %s on its way is replaced', (name) => {
    scratch.write('a/b/h.h', '');
    expect(paths.followFile(at('a/b/h.h'), leaf)).toBeDefined();
    expect(voids(name === 'a' ? scratch.path : at('a'), name)).toBe(true);
  });

  test('is void by the event of a replaced directory although the new one was passed before it came', () => {
    scratch.write('a/h.h', '');
    expect(paths.followFile(at('a/h.h'), leaf)).toBeDefined();
    renameSync(at('a'), at('old'));
    mkdirSync(at('a/b'), { recursive: true });
    scratch.write('a/b/other.h', '');
    expect(paths.followFile(at('a/b/other.h'), leaf)).toBeDefined();
    expect(paths.followFolder(at('a/b'), { entryChanged: () => false })).toBe(true);
    expect(paths.voided).toBe(0);
    events.tell(scratch.path, 'a');
    expect(paths.voided).toBe(1);
  });

  test('is what it was when a directory on its way was only touched, and void when it got another mode', () => {
    scratch.write('a/h.h', '');
    expect(paths.followFile(at('a/h.h'), leaf)).toBeDefined();
    utimesSync(at('a'), 1_000_000, 1_000_000);
    events.tell(scratch.path, 'a');
    expect(paths.voided).toBe(0);
    chmodSync(at('a'), 0o700);
    events.tell(scratch.path, 'a');
    expect(paths.voided).toBe(1);
  });

  test('that does not exist is told when it comes, and void when a directory on its way does', () => {
    scratch.folder('a');
    expect(paths.followFile(at('a/h.h'), leaf)).toBeDefined();
    events.tell(at('a'), 'h.h');
    expect(told).toBe(1);
    expect(paths.followFile(at('a/c/d/h.h'), leaf)).toBeDefined();
    expect(voids(at('a'), 'c')).toBe(true);
  });

  test('below a file in the place of a directory is void when that changes', () => {
    scratch.write('a', '');
    expect(paths.followFile(at('a/h.h'), leaf)).toBeDefined();
    expect(voids(scratch.path, 'a')).toBe(true);
  });

  test('through links is void when one of them changes, and told of the file that they lead to', () => {
    scratch.write('real/deep/h.h', '');
    scratch.link('one', 'two/deep');
    scratch.link('two', at('real'));
    const follow = () => paths.followFile(at('one/h.h'), leaf);
    expect(follow()).toBeDefined();
    events.tell(at('real/deep'), 'h.h', 'content');
    expect(told).toBe(1);
    for (const [directory, entry] of [
      ['', 'one'],
      ['', 'two'],
      ['', 'real'],
      ['/real', 'deep'],
    ]) {
      expect([entry, voids(`${scratch.path}${directory}`, entry ?? '')]).toEqual([entry, true]);
      expect(follow()).toBeDefined();
    }
  });

  test('that is a link is void when it leads elsewhere, and told when its target changes', () => {
    scratch.write('real/h.h', '');
    scratch.folder('a');
    scratch.link('a/l.h', '../real/h.h');
    const follow = () => paths.followFile(at('a/l.h'), leaf);
    expect(follow()).toBeDefined();
    events.tell(at('real'), 'h.h', 'content');
    expect(told).toBe(1);
    expect(voids(at('a'), 'l.h')).toBe(true);
  });

  test('by .. is followed to where the kernel goes, not to where the text does', () => {
    scratch.write('real/deep/x', '');
    scratch.write('real/h.h', '');
    scratch.link('l', 'real/deep');
    expect(paths.followFile(at('l/../h.h'), leaf)).toBeDefined();
    events.tell(scratch.path, 'h.h');
    expect(told).toBe(0);
    events.tell(at('real'), 'h.h');
    expect(told).toBe(1);
  });

  test('is known by its physical path, and not followed where it is mounted over another', () => {
    scratch.write('real/h.h', '');
    scratch.link('l', 'real');
    expect(paths.followFile(at('l/h.h'), leaf)).toBe(at('real/h.h'));
    expect(paths.followFile(at('l/none.h'), leaf)).toBe(at('real/none.h'));
    events.mountPoints.add(at('real/h.h'));
    expect(paths.followFile(at('l/h.h'), leaf)).toBeUndefined();
  });

  test('in a circle of links is not shown', () => {
    scratch.link('x', 'y');
    scratch.link('y', 'x');
    expect(paths.followFile(at('x/h.h'), leaf)).toBeUndefined();
    expect(paths.followFile(at('x'), leaf)).toBeUndefined();
  });

  test('below a directory that cannot be watched is not shown, until it is tried again', async () => {
    scratch.write('a/h.h', '');
    events.refused.add(at('a'));
    expect(paths.followFile(at('a/h.h'), leaf)).toBeUndefined();
    events.refused.clear();
    expect(paths.followFile(at('a/h.h'), leaf)).toBeUndefined();
    events.caughtUp = () => {
      events.provenMs = performance.now() + 20_000;
      return Promise.resolve();
    };
    await paths.caughtUp(performance.now() + 11_000);
    expect(paths.followFile(at('a/h.h'), leaf)).toBeDefined();
  });
});

describe('a directory that is followed', () => {
  const listing = (known: readonly string[]) => ({ entryChanged: (name: string) => known.includes(name) });

  test('is told of what comes and goes, and only what it knows counts', () => {
    scratch.folder('a');
    expect(paths.followFolder(at('a'), listing(['h.h']))).toBe(true);
    const { changes } = paths;
    events.tell(at('a'), 'object.o');
    events.tell(at('a'), 'h.h', 'content');
    expect(paths.changes).toBe(changes);
    events.tell(at('a'), 'h.h');
    expect(paths.changes).toBeGreaterThan(changes);
  });

  test('that does not exist is void when it comes', () => {
    expect(paths.followFolder(at('a'), listing([]))).toBe(true);
    expect(voids(scratch.path, 'a')).toBe(true);
  });
});

describe('below a directory where everybody writes', () => {
  beforeEach(() => {
    mkdirSync(at('tmp'));
    chmodSync(at('tmp'), 0o1777);
    scratch.write('tmp/mine/h.h', '');
  });

  test('that directory is not watched, and what is mine in it is void once another one takes its place', async () => {
    expect(paths.followFile(at('tmp/mine/h.h'), leaf)).toBeDefined();
    expect(events.watched).not.toContain(at('tmp'));
    expect(events.watched).toContain(at('tmp/mine'));
    await paths.caughtUp(performance.now());
    expect(paths.voided).toBe(0);
    renameSync(at('tmp/mine'), at('tmp/old'));
    mkdirSync(at('tmp/mine'));
    await paths.caughtUp(performance.now());
    expect(paths.voided).toBe(1);
  });

  test('files, links and what is not there are not shown', () => {
    scratch.write('tmp/h.h', '');
    symlinkSync('mine', at('tmp/l'));
    for (const path of ['tmp/h.h', 'tmp/l/h.h', 'tmp/none/h.h']) {
      expect([path, paths.followFile(at(path), leaf)]).toEqual([path, undefined]);
    }
    expect(paths.followFolder(at('tmp'), { entryChanged: () => true })).toBe(false);
  });

  test('one that is removed is void too', async () => {
    expect(paths.followFile(at('tmp/mine/h.h'), leaf)).toBeDefined();
    rmSync(at('tmp/mine'), { recursive: true });
    await paths.caughtUp(performance.now());
    expect(paths.voided).toBe(1);
  });
});

test('a directory with many events that matter to nobody is watched no more: what is in it is looked at', async () => {
  scratch.write('build/gen/h.h', '');
  scratch.write('build/h.h', '');
  expect(paths.followFile(at('build/h.h'), leaf)).toBeDefined();
  for (let i = 0; i < 100; i += 1) events.tell(at('build'), `${i}.o`);
  expect(paths.voided).toBe(1);
  expect(events.watched).not.toContain(at('build'));
  expect(paths.followFile(at('build/h.h'), leaf)).toBeUndefined();
  expect(paths.followFile(at('build/gen/h.h'), leaf)).toBeDefined();
  renameSync(at('build/gen'), at('build/old'));
  await paths.caughtUp(performance.now());
  expect(paths.voided).toBe(2);
});

test('nothing in the root directory is shown where that cannot be watched', () => {
  events.refused.add('/');
  expect(paths.followFolder('/', { entryChanged: () => true })).toBe(false);
  expect(paths.followFile('/none.h', leaf)).toBeUndefined();
});

test('lost events and names that are not UTF-8 void everything', () => {
  scratch.write('h.h', '');
  expect(paths.followFile(at('h.h'), leaf)).toBeDefined();
  events.tell(undefined);
  expect(paths.voided).toBe(1);
  events.tell(scratch.path, 'x\uFFFD');
  expect(paths.voided).toBe(2);
});

test('nothing is proven when the watch does not catch up', async () => {
  events.caughtUp = () => Promise.resolve();
  await paths.caughtUp(performance.now());
  expect(paths.provenMs).toBe(-Infinity);
});
