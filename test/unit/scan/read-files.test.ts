import { utimesSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { FileTable } from '../../../src/scan/file-table.ts';
import type { Found } from '../../../src/scan/include-search.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { includeWay, ReadFiles } from '../../../src/scan/read-files.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let table: FileTable;
beforeEach(() => {
  scratch = scratchFolder('read-files');
  table = new FileTable({ digests: new StatFileDigests(new PathStats(), new StatCache(undefined)) });
});
afterEach(() => scratch.remove());

/** A file of the scratch folder, found by its name there. Those of one text are twins: their times are equal. */
function found(name: string, text = name): Found {
  const path = scratch.write(name, text);
  utimesSync(path, 1_000_000, 1_000_000);
  const file = table.file(path);
  const version = file.at(performance.now());
  if (version.record === undefined) throw new Error(name);
  return { opened: { file, name, folder: '', nextFrom: undefined, system: false }, version };
}

test('a file is listed under each of its names, and is one file', () => {
  const files = new ReadFiles('gcc');
  const { opened, version } = found('a.h');
  files.enter(opened, version);
  files.enter({ ...opened, name: './a.h' }, version);
  expect(files.dependencies).toEqual(['a.h', './a.h']);
  expect(files.versions).toEqual([version]);
  expect(files.hasEntered(opened, version)).toBe(true);
});

test('an import of a file that was read by another name is passed over: clang goes by the inode, gcc by text and time', () => {
  for (const family of ['gcc', 'clang'] as const) {
    const files = new ReadFiles(family);
    const { opened, version } = found('a.h');
    files.enter(opened, version);
    const file = table.file(`${scratch.folder('other')}/../a.h`);
    const again = file.at(performance.now());
    if (again.record === undefined) throw new Error('a.h');
    const other = { ...opened, file, name: 'other/../a.h' };
    expect(files.passesOverImport(other, again, includeWay('quote', other.name, ''))).toBe(true);
    expect(files.dependencies).toEqual(family === 'clang' ? ['a.h', 'other/../a.h'] : ['a.h']);
  }
});

test('what was opened by its real path has the entry that led there behind all others', () => {
  const files = new ReadFiles('gcc');
  const [link, real, last] = [found('link.h'), found('real.h'), found('last.h')];
  files.through({ ...real, through: link.version });
  files.read(real.opened, real.version, true);
  files.read(last.opened, last.version, true);
  expect(files.versions).toEqual([real.version, last.version, link.version]);
  expect(files.dependencies).toEqual(['real.h', 'last.h']);
});

test.each(['gcc', 'clang'] as const)('%s passes over a file that is to be read once', (family) => {
  const files = new ReadFiles(family);
  const [one, twin] = [found('one.h', 'text'), found('twin.h', 'text')];
  files.enter(one.opened, one.version);
  expect(files.passesOver(one.opened, one.version)).toBe(false);
  files.addOnce(one.version);
  expect(files.passesOver(one.opened, one.version)).toBe(true);
  expect(files.passesOver(twin.opened, twin.version)).toBe(family === 'gcc');
  expect(files.dependencies).toEqual(['one.h']);
});

test('what a condition has found is listed by clang alone', () => {
  for (const family of ['gcc', 'clang'] as const) {
    const files = new ReadFiles(family);
    const asked = found('a.h');
    files.meetInCondition(asked, includeWay('angle', 'a.h', ''));
    expect([files.versions, files.dependencies]).toEqual([[asked.version], family === 'gcc' ? [] : ['a.h']]);
  }
});

test('an import of what a condition may have opened in another way is given up for gcc, and entered once in the same way', () => {
  const files = new ReadFiles('gcc');
  const { opened, version } = found('a.h');
  files.meetInCondition({ opened, version }, includeWay('angle', 'a.h', ''));
  expect(() => files.passesOverImport(opened, version, includeWay('quote', 'a.h', ''))).toThrow('may have opened');
  expect(files.passesOverImport(opened, version, includeWay('angle', 'a.h', ''))).toBe(false);
  expect(files.passesOverImport(opened, version, includeWay('angle', 'a.h', ''))).toBe(true);
});

test('an import of the twin of a file that was read is passed over by gcc', () => {
  for (const family of ['gcc', 'clang'] as const) {
    const files = new ReadFiles(family);
    const [one, twin] = [found('one.h', 'text'), found('twin.h', 'text')];
    files.enter(one.opened, one.version);
    expect(files.passesOverImport(twin.opened, twin.version, includeWay('quote', 'twin.h', ''))).toBe(family === 'gcc');
  }
});
