import { rmSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ClosureBuilder, closureUnchanged } from '../../../src/scan/closure-builder.ts';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import type { Closure } from '../../../src/scan/scanner.ts';
import type { SearchPaths } from '../../../src/scan/search-paths.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { fakeUnit } from '../../support/fake-compiler.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let stats: PathStats;
let digests: StatFileDigests;
beforeEach(() => {
  scratch = scratchFolder('closure');
  stats = new PathStats();
  digests = new StatFileDigests(stats, new StatCache(undefined));
  scratch.write('a.c', 'int a;\n');
  scratch.folder('i');
  scratch.folder('sys');
});
afterEach(() => scratch.remove());

function builder(flags: readonly string[] = [], search: Partial<SearchPaths> = {}): ClosureBuilder {
  const angle = [`${scratch.path}/i`, `${scratch.path}/sys`];
  const all: SearchPaths = {
    quote: [],
    angle,
    spelled: { quote: [], angle },
    duplicates: [],
    nonexistent: [],
    coarse: [`${scratch.path}/sys`],
    ...search,
  };
  return new ClosureBuilder(fakeUnit(scratch.path, [...flags, '-c', 'a.c']), all, digests, stats);
}
const below = (path: string) => path.replace(`${scratch.path}/`, '');
const filesOf = ({ files }: Closure) => files.map(({ path }) => below(path));
const probesOf = ({ probes }: Closure) =>
  probes.map(({ path, exists }) => `${below(path)} ${exists ? 'is' : 'is not'}`);

describe('a closure', () => {
  test('has each file once, with the sum of their sizes', () => {
    scratch.write('h.h', 'x');
    const parts = builder();
    for (const name of ['a.c', 'h.h', `${scratch.path}/h.h`]) expect(parts.addSource(name).ok).toBe(true);
    const closure = parts.finish('compiler', ['a.c', 'h.h']);
    expect(filesOf(closure)).toEqual(['a.c', 'h.h']);
    expect(closure.sourceBytes).toBe(8);
  });

  test('names what cannot be read', () => {
    expect(builder().addSource('none.h')).toMatchObject({ ok: false, error: { reason: 'unshippable-path' } });
  });

  test('has the files behind what a text asks for, and every place that was looked at', () => {
    scratch.write('i/x.h', '');
    scratch.write('a.c', '#if __has_include(<x.h>) || __has_include("y.h")\n#endif\n');
    const parts = builder();
    parts.addSource('a.c');
    const closure = parts.finish('compiler', []);
    expect(filesOf(closure)).toEqual(['a.c', 'i/x.h']);
    expect(probesOf(closure)).toEqual(['i/x.h is', 'sys/x.h is not', 'y.h is not', 'i/y.h is not', 'sys/y.h is not']);
  });

  test('has what only the assembler reads', () => {
    scratch.write('i/d.bin', '123');
    scratch.write('a.c', '__asm__(".incbin \\"d.bin\\"");\n');
    const parts = builder();
    parts.addSource('a.c');
    const closure = parts.finish('exact', []);
    expect(filesOf(closure)).toEqual(['a.c', 'i/d.bin']);
    expect(probesOf(closure)).toContain('d.bin is not');
  });

  test('cannot be told where a macro makes the name; in a tree of the system the result rests on the tree', () => {
    scratch.write('a.c', '#if __has_include(NAME)\n#endif\n');
    expect(builder().addSource('a.c')).toMatchObject({ ok: false, error: { reason: 'computed-probe' } });
    scratch.write('sys/s.h', '#if __has_include(NAME)\n#endif\n');
    const parts = builder();
    expect(parts.addSource(`${scratch.path}/sys/s.h`).ok).toBe(true);
    expect(parts.finish('compiler', []).restsOnTrees).toBe(true);
  });

  test('takes definitions of the command line for text of the source', () => {
    const parts = builder(['-DHAS=__has_include(<x.h>)', '-DWHEN=__DATE__']);
    expect(parts.addMacros('a.c').ok).toBe(true);
    const closure = parts.finish('compiler', []);
    expect(probesOf(closure)).toEqual(['i/x.h is not', 'sys/x.h is not']);
    expect(closure.dateOrTime).toBe(true);
  });

  test('has the first file that an -include finds, and the places before it', () => {
    scratch.write('sys/p.h', '');
    const parts = builder();
    parts.addForcedInclude('p.h');
    const closure = parts.finish('compiler', []);
    expect(filesOf(closure)).toEqual(['sys/p.h']);
    expect(probesOf(closure)).toEqual(['p.h is not', 'i/p.h is not']);
  });

  test('has the directories that exist, the files in their place, and those that must go on missing', () => {
    scratch.write('f', '');
    const nonexistent = [`${scratch.path}/none`];
    const closure = builder(['-Ii', '-If', '-Inone'], { nonexistent }).finish('exact', []);
    expect(closure.directories.map(below)).toEqual([scratch.path, 'i', 'sys']);
    expect(filesOf(closure)).toEqual(['f']);
    expect(probesOf(closure)).toEqual(['none is not']);
  });

  test('tells which directories are one, by their places in the command', () => {
    scratch.link('s', 'sys');
    const duplicates = [`${scratch.path}/s`, `${scratch.path}/i`];
    const closure = builder(['-Ii', '-Is'], { duplicates }).finish('exact', []);
    expect(probesOf(closure)).toEqual(['directory 1 is 1 is not', 'directory 0 is 0 is not']);
  });
});

describe('a closure is unchanged', () => {
  const made = () => {
    scratch.write('h.h', 'x');
    const parts = builder([], { nonexistent: [`${scratch.path}/none`] });
    parts.addSource('a.c');
    parts.addSource('h.h');
    parts.existsAgainstHope('gone.h');
    return parts.finish('compiler', []);
  };
  const unchanged = (closure: Closure) => closureUnchanged(closure, digests, stats, performance.now());

  test('while its files, directories and probes are what they were', () => {
    const closure = made();
    scratch.write('other.h', '');
    expect(unchanged(closure)).toBe(true);
  });

  test.each<[string, () => void]>([
    ['a file has other text', () => scratch.write('h.h', 'y')],
    ['a file has another time', () => utimesSync(`${scratch.path}/h.h`, 1_000_000, 1_000_000)],
    ['a file is gone', () => rmSync(`${scratch.path}/h.h`)],
    ['a directory is gone', () => rmSync(`${scratch.path}/i`, { recursive: true })],
    ['a directory appears', () => scratch.folder('none')],
    ['a probe has another answer', () => scratch.write('gone.h', '')],
  ])('not when %s', (_, change) => {
    const closure = made();
    change();
    expect(unchanged(closure)).toBe(false);
  });
});
