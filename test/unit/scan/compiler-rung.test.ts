import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { precompiledShadows } from '../../../src/scan/compiler-rung.ts';
import { fakeCompiler, fakeUnit, type FakeCompiler } from '../../support/fake-compiler.ts';
import { scanParts, type ScanParts } from '../../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let compiler: FakeCompiler;
let parts: ScanParts;
beforeEach(() => {
  scratch = scratchFolder('list');
  compiler = fakeCompiler({ system: [scratch.folder('sys')], listed: ['a.c', 'i/h.h', `${scratch.path}/sys/s.h`] });
  parts = scanParts(scratch.folder('cache'), compiler.processes);
  for (const name of ['w/a.c', 'w/i/h.h', 'sys/s.h']) scratch.write(name, '');
});
afterEach(() => scratch.remove());

const unit = (...flags: string[]) => fakeUnit(`${scratch.path}/w`, [...flags, '-Ii', '-c', 'a.c']);

describe("the compiler's own list", () => {
  test('is the closure, under the names of the list', async () => {
    const found = await parts.compiler.scan(unit());
    expect(found).toMatchObject({
      ok: true,
      value: { rung: 'compiler', dependencies: ['a.c', 'i/h.h', `${scratch.path}/sys/s.h`] },
    });
    expect(found.ok && found.value.files.map(({ path }) => path)).toEqual([
      `${scratch.path}/w/a.c`,
      `${scratch.path}/w/i/h.h`,
      `${scratch.path}/sys/s.h`,
    ]);
  });

  test('is asked for with the flags of the compile and none of its outputs', async () => {
    await parts.compiler.scan(unit('-DX=1', '-MD', '-MF', 'a.d'));
    const asked = compiler.runs.find((argv) => argv.includes('-M'));
    expect(asked?.slice(0, 4)).toEqual(['fake-gcc', '-M', '-MT', 'icets']);
    expect(asked).toEqual(expect.arrayContaining(['-DX=1', '-Ii', 'a.c']));
    expect(asked).not.toContain('-MD');
    expect(asked).not.toContain('a.d');
  });

  test('fails with the first lines of what the compiler says', async () => {
    compiler.options = { ...compiler.options, listed: 'one\ntwo\nthree\nfour\n' };
    expect(await parts.compiler.scan(unit())).toEqual({
      ok: false,
      error: { reason: 'scan-failed', message: "the compiler's -M failed: one; two; three" },
    });
  });

  test('is of no use where a file of it is gone again', async () => {
    compiler.options = { ...compiler.options, listed: ['a.c', 'gone.h'] };
    expect(await parts.compiler.scan(unit())).toMatchObject({ ok: false, error: { reason: 'unshippable-path' } });
  });

  test('is no answer once nobody wants it', async () => {
    const aborted = AbortSignal.abort();
    expect(await parts.compiler.scan(unit(), aborted)).toMatchObject({ ok: false, error: { reason: 'cancelled' } });
  });
});

describe('a precompiled header', () => {
  test('beside a listed one, or where gcc would take it first, keeps the compile here', async () => {
    for (const name of ['w/i/h.h.gch', 'w/h.h.gch']) {
      const path = scratch.write(name, '');
      expect(await parts.compiler.scan(unit())).toMatchObject({ ok: false, error: { reason: 'precompiled-header' } });
      rmSync(path);
    }
    expect(await parts.compiler.scan(unit())).toMatchObject({ ok: true });
  });

  test('could stand in for the first file that is included only', () => {
    const search = { quote: [], angle: ['/i', '/j'], spelled: { quote: [], angle: [] } };
    const all = { ...search, duplicates: [], nonexistent: [], coarse: [] };
    const here = fakeUnit('/w', ['-c', 'a.c']);
    const predef = '/usr/include/stdc-predef.h';
    expect(precompiledShadows(here, all, ['a.c', predef, '/j/s/h.h', '/j/k.h'])).toEqual([
      '/w/s/h.h.gch',
      '/i/s/h.h.gch',
      '/j/s/h.h.gch',
    ]);
    expect(precompiledShadows(here, all, ['a.c'])).toEqual([]);
  });
});
