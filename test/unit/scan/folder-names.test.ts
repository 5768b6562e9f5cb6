import { expect, test } from '@jest/globals';
import type { FileVersion } from '../../../src/scan/file-table.ts';
import { FolderNames } from '../../../src/scan/folder-names.ts';

const folders: Readonly<Record<string, string>> = {
  '.': '1',
  '/w': '1',
  src: '2',
  '/w/src': '2',
  'src/../q': '3',
  q: '3',
};

function namesOf() {
  const asked: string[] = [];
  const names = new FolderNames((spelling) => {
    asked.push(spelling);
    return folders[spelling];
  });
  return { names, asked };
}

const file = (ino: number) => ({ record: { stat: { dev: 7, ino } } }) as FileVersion;

test('a directory keeps the first name by which it was looked up', () => {
  const { names } = namesOf();
  names.meet(['/w', '/w/src']);
  expect(names.folderOf('.')).toBe('/w/');
  expect(names.folderOf('src')).toBe('/w/src/');
  expect(names.folderOf('q')).toBe('q/');
  expect(names.folderOf('src/../q')).toBe('q/');
});

test('a directory that is not there gives no name and takes none away', () => {
  const { names } = namesOf();
  expect(names.folderOf('gone')).toBeUndefined();
  names.meet(['gone', 'src']);
  expect(names.folderOf('/w/src')).toBe('src/');
});

test('a file is in the directory through which it was found first', () => {
  const { names } = namesOf();
  expect(names.folderOfFile('src/a.h', file(1))).toBe('src/');
  expect(names.folderOfFile('q/link.h', file(1))).toBe('src/');
  expect(names.folderOfFile('src/../q/b.h', file(2))).toBe('q/');
});

test('a directory is looked up once however often it is named', () => {
  const { names, asked } = namesOf();
  names.meet(['src', 'src', 'q']);
  names.folderOfFile('src/a.h', file(1));
  names.folderOfFile('src/b.h', file(2));
  expect(asked).toEqual(['src', 'q']);
});
