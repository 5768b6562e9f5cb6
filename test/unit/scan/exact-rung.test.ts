import { renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Closure } from '../../../src/scan/scanner.ts';
import { fakeCompiler, fakeUnit, type FakeCompiler } from '../../support/fake-compiler.ts';
import { scanParts, type ScanParts } from '../../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let compiler: FakeCompiler;
let parts: ScanParts;

beforeEach(() => {
  scratch = scratchFolder('exact');
  compiler = fakeCompiler({ system: [scratch.folder('sys')], defined: ['__has_include'] });
  parts = scanParts(scratch.folder('cache'), compiler.processes);
  scratch.write('w/a.c', '#include "h.h"\n#include <s.h>\n');
  scratch.write('w/i/h.h', '#define H\n');
  scratch.write('sys/s.h', '');
});
afterEach(() => scratch.remove());

const unit = (...flags: string[]) => fakeUnit(`${scratch.path}/w`, [...flags, '-c', 'a.c']);

async function closure(...flags: string[]): Promise<Closure> {
  const attempt = await parts.exact.attempt(unit(...flags));
  if (attempt.kind !== 'closure') throw new Error(JSON.stringify(attempt));
  return attempt.closure;
}
const unclear = async (...flags: string[]) => {
  const attempt = await parts.exact.attempt(unit(...flags));
  return attempt.kind === 'unclear' ? attempt.why.reason : attempt.kind;
};

describe('an exact closure', () => {
  test('has every file that is read, source first, under the names that the compiler lists', async () => {
    const made = await closure('-Ii');
    expect(made.rung).toBe('exact');
    expect(made.files.map(({ path }) => path)).toEqual([
      `${scratch.path}/w/a.c`,
      `${scratch.path}/w/i/h.h`,
      `${scratch.path}/sys/s.h`,
    ]);
    expect(made.dependencies).toEqual(['a.c', 'i/h.h', `${scratch.path}/sys/s.h`]);
    expect(made.directories).toContain(`${scratch.path}/w/i`);
    expect(made.coarse).toEqual([`${scratch.path}/sys`]);
  });

  test('is the same object as long as nothing has changed, without asking the compiler', async () => {
    const first = await closure('-Ii');
    const runs = compiler.runs.length;
    expect(await closure('-Ii')).toBe(first);
    expect(await parts.exact.unchanged(first)).toBe(true);
    expect(compiler.runs.length).toBe(runs);
  });

  test('goes on when a file appears that decides nothing', async () => {
    const first = await closure('-Ii');
    scratch.write('w/other.h', '');
    scratch.write('w/i/other.h', '');
    scratch.write('sys/other.h', '');
    expect(await closure('-Ii')).toBe(first);
  });

  test.each<[string, () => void]>([
    ['a header has other text', () => scratch.write('w/i/h.h', '#define I\n')],
    ['a header has another time', () => utimesSync(`${scratch.path}/w/i/h.h`, 1_000_000, 1_000_000)],
    ['a header appears in an earlier place', () => scratch.write('w/h.h', '')],
    ['a header of the system is shadowed', () => scratch.write('w/i/s.h', '')],
    [
      'a header is replaced by one of the same size and time',
      () => {
        const { mtime } = statSync(`${scratch.path}/w/i/h.h`);
        utimesSync(scratch.write('w/new', '#define G\n'), mtime, mtime);
        renameSync(`${scratch.path}/w/new`, `${scratch.path}/w/i/h.h`);
      },
    ],
    [
      'a directory is renamed and another takes its place',
      () => {
        scratch.write('w/j/h.h', '#define J\n');
        renameSync(`${scratch.path}/w/i`, `${scratch.path}/w/old`);
        renameSync(`${scratch.path}/w/j`, `${scratch.path}/w/i`);
      },
    ],
  ])('ends when %s', async (_, change) => {
    const first = await closure('-Ii');
    change();
    expect(await parts.exact.unchanged(first)).toBe(false);
    const second = await closure('-Ii');
    expect(second).not.toBe(first);
    expect(await parts.exact.unchanged(second)).toBe(true);
  });

  test('ends when a header goes, and is another one when it comes back', async () => {
    const first = await closure('-Ii');
    rmSync(`${scratch.path}/w/i/h.h`);
    expect(await parts.exact.unchanged(first)).toBe(false);
    expect(await unclear('-Ii')).toBe('include-not-found');
    scratch.write('w/i/h.h', '#define H\n');
    expect((await closure('-Ii')).dependencies).toEqual(first.dependencies);
  });

  test('ends when what __has_include asks for appears, in a directory that was not there too', async () => {
    scratch.write('w/a.c', '#if __has_include(<o/x.h>)\n#include <o/x.h>\n#endif\n');
    const first = await closure('-Ii', '-Inone');
    expect(first.probes).toContainEqual({ path: '<o/x.h', exists: false });
    scratch.write('w/i/o/x.h', '');
    expect(await parts.exact.unchanged(first)).toBe(false);
    expect((await closure('-Ii', '-Inone')).dependencies).toEqual(['a.c', 'i/o/x.h']);
    scratch.write('w/none/o/x.h', '');
    expect((await closure('-Ii', '-Inone')).dependencies).toEqual(['a.c', 'i/o/x.h']);
    scratch.write('w/a.c', '#if __has_include(<p.h>)\n#include <p.h>\n#endif\n');
    expect((await closure('-Inone', '-Ii')).dependencies).toEqual(['a.c']);
    scratch.write('w/none/p.h', '');
    expect((await closure('-Inone', '-Ii')).dependencies).toEqual(['a.c', 'none/p.h']);
  });

  test('tells which directories are one under two names, so that results are not mistaken for each other', async () => {
    scratch.link('w/s', 'i');
    const apart = await closure('-Ii');
    const twice = await closure('-Ii', '-Ii');
    const words = ({ probes }: Closure) =>
      probes.map(({ path }) => path).filter((path) => path.startsWith('directory'));
    expect(words(apart)).toEqual([]);
    expect(words(twice)).toEqual(['directory 0 is 0']);
  });

  test('asks the compiler for what only it knows, once', async () => {
    compiler.options = { ...compiler.options, defined: ['__has_builtin'], values: { '__has_builtin(f)': 1 } };
    scratch.write('w/a.c', '#if __has_builtin(f)\n#include "h.h"\n#endif\n');
    expect((await closure('-Ii')).dependencies).toEqual(['a.c', 'i/h.h']);
    const runs = compiler.runs.length;
    await closure('-Ii');
    scratch.write('w/a.c', '#if __has_builtin(f)\n#endif\n');
    await closure('-Ii');
    expect(compiler.runs.length).toBe(runs);
  });
});

describe('the exact rung gives up', () => {
  test('under options that change how text is read', async () => {
    expect(await unclear('-Ii', '-undef')).toBe('unsupported-option');
  });

  test('what a result has once disagreed with, and only that command', async () => {
    const made = await closure('-Ii');
    parts.exact.distrust(made);
    expect(await unclear('-Ii')).toBe('unproven-before');
    expect((await closure('-Ii', '-DX')).rung).toBe('exact');
  });

  test('a missing header', async () => {
    expect(await unclear()).toBe('include-not-found');
  });

  test('nothing that is local for another reason: a precompiled header fails', async () => {
    scratch.write('w/i/h.h.gch', '');
    const attempt = await parts.exact.attempt(unit('-Ii'));
    expect(attempt).toMatchObject({ kind: 'failed', failure: { reason: 'precompiled-header' } });
  });
});
