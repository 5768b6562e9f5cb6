import { renameSync, rmSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { FileTable, type DirectoryEvents } from '../../../src/scan/file-table.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let stats: PathStats;
beforeEach(() => {
  scratch = scratchFolder('table');
  stats = new PathStats();
});
afterEach(() => scratch.remove());

/** A watch whose events the test makes; `catchUp` says that there are no others up to now. */
class FakeWatch implements DirectoryEvents {
  events = 0;
  provenMs = -Infinity;
  readonly watched: string[] = [];

  add(path: string): boolean {
    this.watched.push(path);
    return true;
  }

  caughtUp(): Promise<void> {
    this.catchUp();
    return Promise.resolve();
  }

  catchUp(): void {
    this.provenMs = performance.now();
  }
}

const table = (watch?: DirectoryEvents, limit?: number) =>
  new FileTable({
    digests: new StatFileDigests(stats, new StatCache(undefined)),
    ...(watch !== undefined && { watch }),
    ...(limit !== undefined && { limit }),
  });
const now = () => performance.now();

describe('a file', () => {
  test('is the same version as long as its content and its time are', () => {
    const path = scratch.write('h.h', 'one');
    const file = table().file(path);
    const first = file.at(now());
    expect(first.record?.digest.sizeBytes).toBe(3);
    expect(file.at(now())).toBe(first);
    scratch.write('h.h', 'two');
    const second = file.at(now());
    expect(second).not.toBe(first);
    utimesSync(path, 1_000_000, 1_000_000);
    const third = file.at(now());
    expect(third).not.toBe(second);
    expect(third.record?.digest).toEqual(second.record?.digest);
  });

  test('is not looked at again for a moment that was looked at already', () => {
    const path = scratch.write('h.h', 'one');
    const file = table().file(path);
    const momentMs = now();
    const first = file.at(momentMs);
    scratch.write('h.h', 'other');
    expect(file.at(momentMs)).toBe(first);
    expect(file.current).toBe(first);
    expect(file.at(now())).not.toBe(first);
  });

  test('is absent where there is nothing, a directory or a link to nowhere, and one absence is like another', () => {
    const files = table();
    scratch.folder('d');
    scratch.link('l', 'nowhere');
    for (const name of ['none', 'd', 'l', 'none/h.h']) {
      const file = files.file(`${scratch.path}/${name}`);
      const first = file.at(now());
      expect(first.record).toBeUndefined();
      expect(file.at(now())).toBe(first);
    }
  });

  test('by a link is another version when the link leads elsewhere', () => {
    scratch.write('a', 'same');
    scratch.write('b', 'same');
    for (const name of ['a', 'b']) utimesSync(`${scratch.path}/${name}`, 1_000_000, 1_000_000);
    scratch.link('l', 'a');
    const file = table().file(`${scratch.path}/l`);
    const first = file.at(now());
    rmSync(`${scratch.path}/l`);
    scratch.link('l', 'b');
    expect(file.at(now())).not.toBe(first);
  });
});

describe('a directory', () => {
  test('keeps one object for its answers until one of them changes', () => {
    scratch.write('i/h.h', '');
    const folder = table().folder(`${scratch.path}/i`);
    expect([folder.has('h.h', now()), folder.has('k.h', now())]).toEqual([true, false]);
    const answers = folder.at(now());
    scratch.write('i/other.h', '');
    expect(folder.at(now())).toBe(answers);
    scratch.write('i/k.h', '');
    expect(folder.at(now())).not.toBe(answers);
    expect(folder.has('k.h', now())).toBe(true);
  });

  test('that does not exist has nothing, and something once it does', () => {
    const folder = table().folder(`${scratch.path}/i`);
    expect(folder.has('h.h', now())).toBe(false);
    const answers = folder.at(now());
    scratch.folder('i');
    expect(folder.at(now())).toBe(answers);
    scratch.write('i/h.h', '');
    expect(folder.at(now())).not.toBe(answers);
    expect(folder.has('h.h', now())).toBe(true);
  });

  test('that another one takes the place of is read again', () => {
    scratch.write('i/h.h', '');
    scratch.folder('j');
    const folder = table().folder(`${scratch.path}/i`);
    expect(folder.has('h.h', now())).toBe(true);
    renameSync(`${scratch.path}/i`, `${scratch.path}/old`);
    renameSync(`${scratch.path}/j`, `${scratch.path}/i`);
    expect(folder.has('h.h', now())).toBe(false);
  });
});

describe('below a watched root', () => {
  test('nothing is looked at while no event has come, and everything after one', () => {
    const watch = new FakeWatch();
    const files = table(watch);
    const path = scratch.write('sys/in/h.h', 'one');
    files.watchBelow([`${scratch.path}/sys`]);
    watch.catchUp();
    const file = files.file(path);
    const first = file.at(now());
    expect(watch.watched).toEqual([`${scratch.path}/sys`, `${scratch.path}/sys/in`]);
    expect(file.shownByEvents).toBe(true);
    scratch.write('sys/in/h.h', 'two');
    watch.catchUp();
    expect(file.at(now() - 1000)).toBe(first); // as if nothing had happened: the watch has told of nothing
    watch.events += 1;
    expect(file.shownByEvents).toBe(false);
    watch.catchUp();
    expect(file.at(now())).not.toBe(first);
  });

  test('everything is looked at again when something above may have changed', () => {
    const watch = new FakeWatch();
    const files = table(watch);
    const file = files.file(scratch.write('sys/h.h', 'one'));
    files.watchBelow([`${scratch.path}/sys`]);
    const first = file.at(now());
    scratch.write('sys/h.h', 'two');
    files.voidProofs();
    watch.catchUp();
    expect(file.at(watch.provenMs)).not.toBe(first);
  });

  test('a watch proves nothing for what lies outside, or is reached by .. or by a link', () => {
    const watch = new FakeWatch();
    const files = table(watch);
    files.watchBelow([`${scratch.path}/sys`]);
    scratch.write('sys/in/h.h', '');
    scratch.write('project/h.h', '');
    scratch.link('sys/l.h', '../project/h.h');
    for (const name of ['project/h.h', 'sys/in/../../project/h.h', 'sys/l.h']) {
      const file = files.file(`${scratch.path}/${name}`);
      expect(file.at(now()).record).toBeDefined();
      expect([name, file.shownByEvents]).toEqual([name, false]);
    }
  });
});

test('a table that has become too large forgets everything between units', () => {
  const files = table(undefined, 2);
  const first = files.file(`${scratch.path}/a`);
  files.trim();
  expect(files.file(`${scratch.path}/a`)).toBe(first);
  files.file(`${scratch.path}/b`);
  files.folder(`${scratch.path}/c`);
  files.trim();
  expect(files.file(`${scratch.path}/a`)).not.toBe(first);
});
