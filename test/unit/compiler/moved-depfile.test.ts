import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { moveDepfile } from '../../../src/compiler/moved-depfile.ts';
import { PathMove } from '../../../src/model/path-move.ts';
import { installedCompilers, runCompiler } from '../../support/compilers.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'icets-depfile-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const headers = ['h.h', 'with space.h', 'sharp#and$dollar.h', `${'long'.repeat(20)}.h`, 'last.h'];

async function listIn(program: string, root: string, options: readonly string[]): Promise<string> {
  mkdirSync(join(root, 'include'), { recursive: true });
  for (const header of headers) writeFileSync(join(root, 'include', header), '');
  writeFileSync(join(root, 'a.c'), headers.map((header) => `#include "${header}"\n`).join(''));
  const argv = [...options.map((option) => option.replaceAll('ROOT', root)), '-MF', 'a.d', `-I${root}/include`];
  const ran = await runCompiler(program, [...argv, '-c', `${root}/a.c`, '-o', `${root}/a.o`], root);
  expect(ran.stderr).toBe('');
  return readFileSync(join(root, 'a.d'), 'latin1');
}

describe.each(installedCompilers().filter(({ driverLanguage }) => driverLanguage === 'c'))(
  'moveDepfile for $program',
  ({ program, family }) => {
    test.each([
      [['-MD']],
      [['-MMD', '-MP']],
      [['-MD', '-MP', '-MT', 'ROOT/x.o', '-MQ', 'y$z', '-MT', `${'target'.repeat(12)}.o`, '-MT', 'ROOT/last.o']],
    ])('lays the list out as the compiler does in the other place: %j', async (options) => {
      const places = ['one', 'x/y/z', 'a-much-longer-name-of-a-folder/in/which/everything/lies'].map((place) =>
        join(folder, place),
      );
      const lists = new Map<string, string>();
      for (const place of places) lists.set(place, await listIn(program, place, options));
      for (const from of places) {
        for (const to of places) {
          const move = new PathMove(from, to);
          expect(moveDepfile(lists.get(from)!, family.kind, (word) => move.there(word))).toBe(lists.get(to));
        }
      }
    });

    test('leaves a list alone that another program has laid out', () => {
      const same = (word: string) => word;
      const { kind } = family;
      expect(moveDepfile('a.o: a.c b.h\n', kind, same)).toBe('a.o: a.c b.h\n');
      for (const text of [
        'a.o: a.c  b.h\n',
        'a.o: a.c \\\n b.h\n',
        'a.o a.c b.h\n',
        'a.o: a.c b.h',
        '',
        'a.o: a.c\nb.h: c.h\n',
      ]) {
        expect({ text, moved: moveDepfile(text, kind, same) }).toEqual({ text, moved: undefined });
      }
    });
  },
);
