import {
  appendFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { DirectoryWatch } from '../../../src/scan/directory-watch.ts';
import { ProvenFiles } from '../../../src/toolchain/proven-files.ts';
import { WatchedFiles } from '../../../src/toolchain/watched-files.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let watch: DirectoryWatch;
beforeEach(() => {
  scratch = scratchFolder('proven');
  scratch.write('usr/lib/cc1', 'compiler');
  scratch.write('usr/bin/gcc-12', 'driver');
  scratch.folder('usr/local/bin');
  scratch.link('usr/bin/gcc', 'gcc-12');
  scratch.link('lib', 'usr/lib');
  watch = new DirectoryWatch({ cookieFolder: `${scratch.path}-cookies` });
});
afterEach(() => {
  watch.close();
  rmSync(`${scratch.path}-cookies`, { recursive: true, force: true });
  scratch.remove();
});

const at = (path: string) => `${scratch.path}/${path}`;
const paths = () => ['usr/bin/gcc', 'lib/cc1', 'usr/local/bin/as', 'opt/bin/as', 'usr/local'].map(at);

const changes: Readonly<Record<string, () => void>> = {
  'a file is written to': () => appendFileSync(at('usr/lib/cc1'), 'x'),
  'a file is replaced': () => {
    writeFileSync(at('usr/lib/new'), 'COMPILER');
    renameSync(at('usr/lib/new'), at('usr/lib/cc1'));
  },
  'a file is deleted': () => unlinkSync(at('usr/bin/gcc-12')),
  'a file that was not there appears': () => writeFileSync(at('usr/local/bin/as'), ''),
  'one appears with the folder it lies in': () => {
    mkdirSync(at('opt/bin'), { recursive: true });
    writeFileSync(at('opt/bin/as'), '');
  },
  'a link to a file leads elsewhere': () => {
    writeFileSync(at('usr/bin/gcc-13'), 'driver');
    unlinkSync(at('usr/bin/gcc'));
    symlinkSync('gcc-13', at('usr/bin/gcc'));
  },
  'a link to a folder leads elsewhere': () => {
    scratch.write('other/cc1', 'compiler');
    unlinkSync(at('lib'));
    symlinkSync('other', at('lib'));
  },
  'a folder above is replaced': () => {
    renameSync(at('usr'), at('usr.old'));
    scratch.write('usr/lib/cc1', 'compiler');
  },
  'an entry comes into a folder of the set': () => writeFileSync(at('usr/local/new'), ''),
};

/** Until a check looks at no file: others make entries in the folder for temporary files, too. */
async function untilWatched(proven: ProvenFiles): Promise<void> {
  const looks = jest.spyOn(proven.files, 'unchanged');
  let before: number;
  do {
    before = looks.mock.calls.length;
    expect(await proven.unchanged()).toBe(true);
  } while (looks.mock.calls.length > before);
}

describe('files that are proven unchanged', () => {
  test.each(Object.keys(changes))('are not, with and without a watch, when %s', async (name) => {
    const watched = new ProvenFiles(WatchedFiles.now(paths()), watch, 0);
    const plain = new ProvenFiles(WatchedFiles.now(paths()));
    await untilWatched(watched);
    expect(await plain.unchanged()).toBe(true);
    changes[name]?.();
    expect(await watched.unchanged()).toBe(false);
    expect(await plain.unchanged()).toBe(false);
    expect(await watched.unchanged()).toBe(false);
  });

  test('are looked at when something else happens in a folder, and stay what they were', async () => {
    const proven = new ProvenFiles(WatchedFiles.now([at('usr/bin/gcc')]), watch, 0);
    await untilWatched(proven);
    const looks = jest.spyOn(proven.files, 'unchanged').mockClear();
    scratch.write('usr/bin/unrelated', '');
    expect(await proven.unchanged()).toBe(true);
    expect(looks).toHaveBeenCalled();
    await untilWatched(proven);
  });

  test('are looked at when they have another name, which nobody watches', async () => {
    mkdirSync(`${scratch.path}-cookies`);
    linkSync(at('usr/lib/cc1'), `${scratch.path}-cookies/elsewhere`);
    const outside = scratchFolder('proven-elsewhere');
    renameSync(`${scratch.path}-cookies/elsewhere`, `${outside.path}/elsewhere`);
    const proven = new ProvenFiles(WatchedFiles.now(paths()), watch, 0);
    for (let check = 0; check < 3; check++) expect(await proven.unchanged()).toBe(true);
    appendFileSync(`${outside.path}/elsewhere`, 'x');
    expect(await proven.unchanged()).toBe(false);
    outside.remove();
  });

  test('are not asked for again by who is content with an older answer', async () => {
    const proven = new ProvenFiles(WatchedFiles.now(paths()), watch, 0);
    await proven.unchanged();
    const beforeMs = performance.now();
    expect(await proven.unchanged()).toBe(true);
    appendFileSync(at('usr/lib/cc1'), 'x');
    expect(await proven.unchanged(beforeMs)).toBe(true);
    expect(await proven.unchanged()).toBe(false);
  });
});
