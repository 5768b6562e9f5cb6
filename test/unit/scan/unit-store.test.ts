import {
  appendFileSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CompilerFamily } from '../../../src/compiler/compiler-family.ts';
import type { ExactAttempt } from '../../../src/scan/exact-rung.ts';
import type { ScanUnit } from '../../../src/scan/scanner.ts';
import { UnitStore } from '../../../src/scan/unit-store.ts';
import { fakeCompiler, fakeUnit, type FakeCompiler } from '../../support/fake-compiler.ts';
import { scanParts } from '../../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let compiler: FakeCompiler;

beforeEach(() => {
  scratch = scratchFolder('units');
  compiler = fakeCompiler({
    system: [scratch.folder('sys')],
    predefined: ['__GNUC__ 12'],
    defined: ['__has_include', '__has_builtin'],
    values: { '__has_builtin(f)': 1 },
  });
  scratch.write('w/a.c', '#include "h.h"\n#include <s.h>\n');
  scratch.write('w/i/h.h', '#define H\n');
  scratch.write('sys/s.h', '#if __has_builtin(f) && !__has_include("gone.h")\n#endif\n');
});
afterEach(() => scratch.remove());

const clang: CompilerFamily = { kind: 'clang', version: '14.0.6', major: 14, target: 'x86_64-linux-gnu' };
const unit = (flags: readonly string[] = ['-Ii'], family?: CompilerFamily) =>
  fakeUnit(`${scratch.path}/w`, [...flags, '-c', 'a.c'], family);

/** What an agent says that starts now and ends then, and how many units it knew. */
async function agent(...units: ScanUnit[]): Promise<{ attempts: ExactAttempt[]; restored: number }> {
  const parts = scanParts(scratch.folder('cache'), compiler.processes);
  const attempts: ExactAttempt[] = [];
  for (const each of units) attempts.push(await parts.exact.attempt({ ...each, arrivedMs: performance.now() }));
  await parts.end();
  return { attempts, restored: parts.exact.restored };
}
const units = () => `${scratch.path}/cache/units/units`;
const edit = (name: string, text: string) => () => void scratch.write(name, text);

describe('an agent that starts again', () => {
  test.each(['gcc', 'clang'])(
    'knows a unit of %s of which nothing has changed, as one that evaluates it',
    async (kind) => {
      const asked = unit(['-Ii'], kind === 'clang' ? clang : undefined);
      const before = await agent(asked);
      const after = await agent(asked);
      expect(after.restored).toBe(1);
      expect(after.attempts).toEqual(before.attempts);
      expect(before.attempts[0]?.kind).toBe('closure');
    },
  );

  test('asks the compiler at once what was asked before', async () => {
    await agent(unit());
    const runs = compiler.runs.length;
    await agent(unit());
    expect([runs, compiler.runs.length]).toEqual([4, 6]);
  });

  test.each<[string, () => void]>([
    ['a header has other text', edit('w/i/h.h', '#define I\n')],
    ['a header has another time', () => utimesSync(`${scratch.path}/w/i/h.h`, 1_000_000, 1_000_000)],
    [
      'a header has other text of the same size and time',
      () => {
        const { atime, mtime } = statSync(`${scratch.path}/w/i/h.h`);
        utimesSync(scratch.write('w/i/h.h', '#define G\n'), atime, mtime);
      },
    ],
    ['a header appears in an earlier place', edit('w/h.h', '')],
    ['a header of the system is shadowed', edit('w/i/s.h', '')],
    ['a header goes', () => rmSync(`${scratch.path}/w/i/h.h`)],
    ['what __has_include asks for appears', edit('w/i/gone.h', '')],
    ['a precompiled header appears', edit('w/i/h.h.gch', '')],
    ['the compiler answers otherwise', () => (compiler.options = { ...compiler.options, values: {} })],
    ['a macro is another one', () => (compiler.options = { ...compiler.options, predefined: ['__GNUC__ 13'] })],
    [
      'the compiler searches elsewhere',
      () => (compiler.options = { ...compiler.options, system: [`${scratch.path}/sys`, `${scratch.path}/w`] }),
    ],
    [
      'a directory is replaced by an equal one',
      () => {
        renameSync(`${scratch.path}/w/i`, `${scratch.path}/w/j`);
        scratch.write('w/i/h.h', '#define H\n');
      },
    ],
  ])('evaluates a unit when %s', async (_, change) => {
    await agent(unit());
    change();
    expect((await agent(unit())).restored).toBe(0);
  });

  test('evaluates a unit when a file comes in the place of a directory that has a name of a header', async () => {
    scratch.folder('w/h.h');
    await agent(unit());
    rmSync(`${scratch.path}/w/h.h`, { recursive: true });
    scratch.write('w/h.h', '');
    const { attempts, restored } = await agent(unit());
    expect(restored).toBe(0);
    expect(attempts[0]).toMatchObject({ closure: { dependencies: ['a.c', 'h.h', `${scratch.path}/sys/s.h`] } });
  });

  test('evaluates a unit for clang when a link becomes a directory with the same files', async () => {
    scratch.link('w/l', 'i');
    scratch.write('w/a.c', '#include "i/h.h"\n#include "l/h.h"\n');
    await agent(unit([], clang));
    expect((await agent(unit([], clang))).restored).toBe(1);
    rmSync(`${scratch.path}/w/l`);
    scratch.folder('w/l');
    linkSync(`${scratch.path}/w/i/h.h`, `${scratch.path}/w/l/h.h`);
    expect((await agent(unit([], clang))).restored).toBe(0);
  });

  test('evaluates a unit when the real path of a header of the system is another one', async () => {
    rmSync(`${scratch.path}/sys/s.h`);
    scratch.write('r/a.h', '');
    scratch.link('sys/s.h', '../r/a.h');
    const shorter = await agent(unit());
    expect(shorter.attempts[0]).toMatchObject({ closure: { dependencies: ['a.c', 'i/h.h', `${scratch.path}/r/a.h`] } });
    expect((await agent(unit())).restored).toBe(1);
    linkSync(`${scratch.path}/r/a.h`, `${scratch.path}/r/b.h`);
    rmSync(`${scratch.path}/sys/s.h`);
    scratch.link('sys/s.h', '../r/b.h');
    const { attempts, restored } = await agent(unit());
    expect(restored).toBe(0);
    expect(attempts[0]).toMatchObject({ closure: { dependencies: ['a.c', 'i/h.h', `${scratch.path}/r/b.h`] } });
  });

  test('finds again what was edited and stored since, and nothing else', async () => {
    await agent(unit());
    scratch.write('w/i/h.h', '#define I 1\n');
    const edited = await agent(unit());
    const after = await agent(unit(), unit(['-Ii', '-DX']));
    expect(after.restored).toBe(1);
    expect(after.attempts[0]).toEqual(edited.attempts[0]);
  });

  test('is not misled by names that others have asked for in the same directories', async () => {
    scratch.write('w/b.c', '#if __has_include("other.h")\n#endif\n');
    const other = fakeUnit(`${scratch.path}/w`, ['-Ii', '-c', 'b.c']);
    await agent(unit());
    await agent(other);
    scratch.write('w/other.h', '');
    expect((await agent(unit())).restored).toBe(1);
    expect((await agent(other)).restored).toBe(0);
  });

  test('evaluates what a result did not agree with', async () => {
    const parts = scanParts(scratch.folder('cache'), compiler.processes);
    const attempt = await parts.exact.attempt(unit());
    if (attempt.kind === 'closure') parts.exact.distrust(attempt.closure);
    await parts.end();
    expect((await agent(unit())).restored).toBe(0);
    expect((await agent(unit())).restored).toBe(1);
  });

  test('evaluates what another version has stored', async () => {
    await agent(unit());
    const file = readFileSync(units(), 'latin1');
    writeFileSync(units(), file.replace(' test\n', ' tesT\n'), 'latin1');
    expect((await agent(unit())).restored).toBe(0);
    expect((await agent(unit())).restored).toBe(1);
  });

  test('evaluates what is damaged on disk, and goes on storing behind a torn end', async () => {
    await agent(unit());
    const file = readFileSync(units());
    file.write('[', file.length - 4, 'latin1');
    writeFileSync(units(), file);
    expect((await agent(unit())).restored).toBe(0);
    expect((await agent(unit())).restored).toBe(1);
    appendFileSync(units(), 'torn');
    const all = await agent(unit(), unit(['-Ii', '-DX']));
    expect(all.restored).toBe(1);
    expect((await agent(unit(), unit(['-Ii', '-DX']))).restored).toBe(2);
    expect(readdirSync(`${scratch.path}/cache/units`).sort()).toEqual(['units', 'units.old']);
  });
});

describe('what is stored', () => {
  test('is written once', async () => {
    await agent(unit());
    const { size } = statSync(units());
    await agent(unit());
    expect(statSync(units()).size).toBe(size);
  });

  test('stays below twice the limit', async () => {
    const folder = scratch.folder('cache/units');
    const options = { folder, version: 'test', limitBytes: 1000 };
    await agent(unit());
    for (let at = 0; at < 50; at += 1) {
      const store = new UnitStore(options);
      store.forget(String(at).padStart(64, '0'));
      store.flush();
    }
    const sizes = readdirSync(folder).map((name) => statSync(`${folder}/${name}`).size);
    expect(sizes.length).toBe(2);
    for (const size of sizes) expect(size).toBeLessThan(1500);
  });

  test('that cannot be written is no failure', () => {
    const store = new UnitStore({ folder: scratch.write('file', ''), version: 'test' });
    store.forget('0'.repeat(64));
    expect(() => store.flush()).not.toThrow();
  });
});
