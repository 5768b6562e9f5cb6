import { linkSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { FileTable } from '../../../src/scan/file-table.ts';
import type { DirectoryEvents } from '../../../src/scan/path-watch.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { FakeDirectoryEvents } from '../../support/fake-directory-events.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let stats: PathStats;
beforeEach(() => {
  scratch = scratchFolder('table');
  stats = new PathStats();
});
afterEach(() => scratch.remove());

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

describe('with a watch', () => {
  let watch: FakeDirectoryEvents;
  let files: FileTable;
  beforeEach(() => {
    watch = new FakeDirectoryEvents();
    files = table(watch);
  });
  const caughtUp = async () => {
    const momentMs = now();
    await files.caughtUp(momentMs);
    return momentMs;
  };

  test('a file is not looked at while no event has come, and looked at after one', async () => {
    const file = files.file(scratch.write('in/h.h', 'one'));
    const first = file.at(now());
    expect(file.shownUntilMs).toBeGreaterThan(now());
    scratch.write('in/h.h', 'two');
    expect(file.at(await caughtUp())).toBe(first); // as if nothing had happened: the watch has told of nothing
    watch.tell(`${scratch.path}/in`, 'h.h', 'content');
    expect(file.shownUntilMs).toBe(-Infinity);
    expect(file.at(await caughtUp())).not.toBe(first);
  });

  test('a file is looked at again after two seconds all the same, one of the system after thirty', async () => {
    const project = files.file(scratch.write('p/h.h', ''));
    project.at(now());
    expect(project.shownUntilMs).toBeLessThan(now() + 2001);
    files.addSystemRoots([`${scratch.path}/sys`]);
    const header = files.file(scratch.write('sys/h.h', ''));
    header.at(now());
    expect(header.shownUntilMs).toBeGreaterThan(now() + 20_000);
    expect(await caughtUp()).toBeLessThan(now());
  });

  test('an event beside what is known changes nothing', () => {
    const file = files.file(scratch.write('in/h.h', 'one'));
    const folder = files.folder(`${scratch.path}/in`);
    file.at(now());
    folder.has('k.h', now());
    const { changes } = files;
    watch.tell(`${scratch.path}/in`, 'object.o', 'place');
    watch.tell(`${scratch.path}/in`, 'object.o', 'content');
    expect(files.changes).toBe(changes);
    expect([file.shownUntilMs > now(), folder.isShown]).toEqual([true, true]);
    watch.tell(`${scratch.path}/in`, 'k.h', 'place');
    expect(files.changes).toBeGreaterThan(changes);
    expect([file.shownUntilMs > now(), folder.isShown]).toEqual([true, false]);
  });

  test('a name that nobody had asked for is found when it has come in the meantime', async () => {
    scratch.write('in/h.h', '');
    const folder = files.folder(`${scratch.path}/in`);
    expect(folder.has('h.h', now())).toBe(true);
    const answers = folder.at(now());
    scratch.write('in/new.h', '');
    watch.tell(`${scratch.path}/in`, 'new.h', 'place');
    expect(folder.has('new.h', await caughtUp())).toBe(true);
    expect(folder.at(await caughtUp())).toBe(answers);
    rmSync(`${scratch.path}/in/new.h`);
    watch.tell(`${scratch.path}/in`, 'new.h', 'place');
    expect(folder.has('new.h', await caughtUp())).toBe(false);
    expect(folder.at(await caughtUp())).not.toBe(answers);
  });

  test('everything is looked at again when something may have changed that no event tells', async () => {
    const file = files.file(scratch.write('in/h.h', 'one'));
    const first = file.at(now());
    scratch.write('in/h.h', 'two');
    files.voidProofs();
    expect(file.at(await caughtUp())).not.toBe(first);
  });

  test('a file with two hard links is always looked at', () => {
    linkSync(scratch.write('h.h', ''), `${scratch.path}/twin.h`);
    const file = files.file(`${scratch.path}/h.h`);
    file.at(now());
    expect(file.shownUntilMs).toBe(-Infinity);
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
