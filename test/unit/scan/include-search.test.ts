import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { FileTable } from '../../../src/scan/file-table.ts';
import { fromBytes, IncludeSearch, newTrail, toBytes } from '../../../src/scan/include-search.ts';
import type { IncludeForm } from '../../../src/scan/include-search.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('search');
});
afterEach(() => scratch.remove());

interface Chain {
  readonly quote?: readonly string[];
  readonly angle?: readonly string[];
  /** the system's among `angle` */
  readonly system?: readonly string[];
  readonly family?: 'gcc' | 'clang';
  readonly real?: Readonly<Record<string, string>>;
  readonly limit?: number;
}

function searchOf({ quote = [], angle = [], system = [], family = 'gcc', real = {}, limit }: Chain) {
  const absolute = (path: string) => (path.startsWith('/') ? path : `${scratch.path}/${path}`);
  const table = new FileTable({ digests: new StatFileDigests(new PathStats(), new StatCache(undefined)) });
  return new IncludeSearch(table, {
    family,
    search: {
      quote: quote.map(absolute),
      angle: angle.map(absolute),
      spelled: { quote, angle },
      duplicates: [],
      nonexistent: [],
      coarse: [],
    },
    cwd: scratch.path,
    projectFolders: new Set(angle.filter((path) => !system.includes(path))),
    canonicalSystemHeaders: Object.keys(real).length > 0,
    realPath: ({ path }) => real[path],
    ...(limit !== undefined && { limit }),
  });
}

/** Name under which a header is found from the source. */
function found(search: IncludeSearch, name: string, form: IncludeForm, from = search.open('a.c'), next = false) {
  return search.find(name, form, next, from, performance.now(), newTrail());
}
const nameOf = (...args: Parameters<typeof found>) => found(...args)?.opened.name;

describe('a header', () => {
  test('in quotes is found beside the includer, then in the quote chain, then in the other', () => {
    const search = searchOf({ quote: ['q'], angle: ['i'] });
    for (const name of ['i/h.h', 'q/h.h', 'h.h']) scratch.write(name, '');
    expect(nameOf(search, 'h.h', 'quote')).toBe('h.h');
    rmSync(`${scratch.path}/h.h`);
    expect(nameOf(search, 'h.h', 'quote')).toBe('q/h.h');
    rmSync(`${scratch.path}/q/h.h`);
    expect(nameOf(search, 'h.h', 'quote')).toBe('i/h.h');
    rmSync(`${scratch.path}/i/h.h`);
    expect(nameOf(search, 'h.h', 'quote')).toBeUndefined();
  });

  test('in angle brackets is found in the second chain only', () => {
    const search = searchOf({ quote: ['q'], angle: ['i'] });
    for (const name of ['q/h.h', 'h.h']) scratch.write(name, '');
    expect(nameOf(search, 'h.h', 'angle')).toBeUndefined();
    scratch.write('i/h.h', '');
    expect(nameOf(search, 'h.h', 'angle')).toBe('i/h.h');
  });

  test('is named as the directory and the include are spelled', () => {
    const search = searchOf({ angle: ['./i/', '../x'] });
    scratch.write('i/d/h.h', '');
    expect(nameOf(search, 'd//../d/h.h', 'angle')).toBe('./i/d//../d/h.h');
    const from = found(search, 'd/h.h', 'angle')!.opened;
    scratch.write('i/d/k.h', '');
    expect(nameOf(search, 'k.h', 'quote', from)).toBe('./i/d/k.h');
  });

  test('by an absolute name is found there and nowhere else', () => {
    const path = scratch.write('abs.h', '');
    const search = searchOf({ angle: ['i'] });
    expect(nameOf(search, path, 'angle')).toBe(path);
    expect(nameOf(search, '/none/abs.h', 'quote')).toBeUndefined();
  });

  test('is not a directory of that name, and what stood in the way is remembered', () => {
    scratch.folder('i/h.h');
    scratch.write('j/h.h', '');
    const looked = newTrail();
    const search = searchOf({ angle: ['i', 'j'] });
    const hit = search.find('h.h', 'angle', false, search.open('a.c'), performance.now(), looked);
    expect(hit?.opened.name).toBe('j/h.h');
    expect([...looked.absent].map(({ path }) => path)).toEqual([`${scratch.path}/i/h.h`]);
    expect([...looked.folders].map(({ folder }) => folder.path)).toEqual([`${scratch.path}/i`, `${scratch.path}/j`]);
  });

  test('with a name beyond ASCII is found by its bytes', () => {
    scratch.write('i/größe.h', '');
    const search = searchOf({ angle: ['i'] });
    const hit = nameOf(search, toBytes('größe.h'), 'angle');
    expect(hit).toBe(toBytes('i/größe.h'));
    expect(fromBytes(hit ?? '')).toBe('i/größe.h');
  });
});

describe('the next header', () => {
  test('is looked for behind the directory of the includer, in either form', () => {
    for (const name of ['h.h', 'i/h.h', 'j/h.h']) scratch.write(name, '');
    const search = searchOf({ angle: ['i', 'j'] });
    const first = found(search, 'h.h', 'angle')!.opened;
    const second = found(search, 'h.h', 'quote', first, true)!.opened;
    expect([first.name, second.name]).toEqual(['i/h.h', 'j/h.h']);
    expect(nameOf(search, 'h.h', 'angle', second, true)).toBeUndefined();
  });

  test('of a file beside its includer starts for gcc at the first directory', () => {
    scratch.write('k.h', '');
    scratch.write('i/k.h', '');
    const search = searchOf({ angle: ['i'] });
    const beside = found(search, 'k.h', 'quote')!.opened;
    expect([beside.name, nameOf(search, 'k.h', 'quote', beside, true)]).toEqual(['k.h', 'i/k.h']);
  });
});

describe('a search that is repeated', () => {
  test('finds what has appeared in an earlier directory, and what has gone', () => {
    const search = searchOf({ angle: ['none', 'i', 'j'] });
    scratch.write('j/s/h.h', '');
    expect(nameOf(search, 's/h.h', 'angle')).toBe('j/s/h.h');
    scratch.folder('i/s');
    expect(nameOf(search, 's/h.h', 'angle')).toBe('j/s/h.h');
    scratch.write('i/s/h.h', '');
    expect(nameOf(search, 's/h.h', 'angle')).toBe('i/s/h.h');
    scratch.write('none/s/h.h', '');
    expect(nameOf(search, 's/h.h', 'angle')).toBe('none/s/h.h');
    rmSync(`${scratch.path}/none`, { recursive: true });
    rmSync(`${scratch.path}/i`, { recursive: true });
    expect(nameOf(search, 's/h.h', 'angle')).toBe('j/s/h.h');
  });

  test('leaves the same trail as the first one', () => {
    scratch.write('i/o.h', '');
    scratch.write('j/h.h', '');
    const search = searchOf({ angle: ['i', 'j'] });
    const [one, two] = [newTrail(), newTrail()];
    for (const looked of [one, two]) search.find('h.h', 'angle', false, search.open('a.c'), performance.now(), looked);
    expect([...two.folders]).toEqual([...one.folders]);
    expect(one.folders.size).toBe(2);
  });
});

test('a search that has become too much is forgotten, and whoever remembers it himself still finds what is there', () => {
  for (const name of ['one.h', 'two.h', 'three.h']) scratch.write(`i/${name}`, '');
  const search = searchOf({ angle: ['i'], limit: 2 });
  const memo = {};
  const remembered = () =>
    search.find('one.h', 'angle', false, search.open('a.c'), performance.now(), newTrail(), memo);
  expect(remembered()?.opened.name).toBe('i/one.h');
  expect(nameOf(search, 'two.h', 'angle')).toBe('i/two.h');
  expect(search.size).toBe(2);
  expect(nameOf(search, 'three.h', 'angle')).toBe('i/three.h');
  expect(search.size).toBe(1);
  expect(remembered()?.opened.name).toBe('i/one.h');
  rmSync(`${scratch.path}/i/one.h`);
  expect([remembered(), found(search, 'one.h', 'angle')]).toEqual([undefined, undefined]);
});

test('gcc takes a directory for one of the system as whoever looked beside himself in it first, in one unit', () => {
  scratch.write('d/h.h', '');
  const entry = `${scratch.path}/d/./h.h`;
  const search = searchOf({ real: { [entry]: `${scratch.path}/d/h.h` } });
  const from = (system: boolean) => ({ ...search.open(`${scratch.path}/d/a.h`), system });
  const names = (...systems: boolean[]) => {
    const looked = newTrail();
    return systems.map(
      (each) => search.find('./h.h', 'quote', false, from(each), performance.now(), looked)?.opened.name,
    );
  };
  const short = `${scratch.path}/d/h.h`;
  expect(names(true, false)).toEqual([short, short]);
  expect(names(false, true)).toEqual([entry, entry]);
});

test('gcc opens a header of the system by its real path where that is shorter, and the entry stays part of it', () => {
  scratch.write('sys/real.h', '');
  scratch.write('long-name/h.h', '');
  const entry = `${scratch.path}/long-name/h.h`;
  const real = { [entry]: `${scratch.path}/sys/real.h` };
  const folder = `${scratch.path}/long-name`;
  const hit = found(searchOf({ angle: [folder], system: [folder], real }), 'h.h', 'angle');
  expect(hit?.opened.name).toBe(`${scratch.path}/sys/real.h`);
  expect(hit?.through?.path).toBe(entry);
  expect(nameOf(searchOf({ angle: [folder], real }), 'h.h', 'angle')).toBe(entry);
});
