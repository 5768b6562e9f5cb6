import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fakeCompiler, fakeUnit, type FakeCompiler } from '../../support/fake-compiler.ts';
import { scanParts, type ScanParts } from '../../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let compiler: FakeCompiler;
let parts: ScanParts;

beforeEach(() => {
  scratch = scratchFolder('ladder');
  compiler = fakeCompiler({ system: [scratch.folder('sys')], listed: ['a.c', 'h.h'] });
  parts = scanParts(scratch.folder('cache'), compiler.processes);
  scratch.write('w/h.h', '');
});
afterEach(() => scratch.remove());

const scan = async () => {
  const found = await parts.scanner.scan(fakeUnit(`${scratch.path}/w`, ['-c', 'a.c']));
  if (!found.ok) return found.error;
  return found.value;
};
const askedForList = () => compiler.runs.filter((argv) => argv.includes('-M')).length;

describe('the ladder', () => {
  test('stops at the first rung that answers', async () => {
    scratch.write('w/a.c', '#include "h.h"\n');
    expect(await scan()).toMatchObject({ rung: 'exact', dependencies: ['a.c', 'h.h'] });
    expect(askedForList()).toBe(0);
  });

  test('has the compiler list what is not evaluated, and says why', async () => {
    scratch.write('w/a.c', '#include "h.h"\n#assert x\n');
    const made = await scan();
    expect(made).toMatchObject({
      rung: 'compiler',
      dependencies: ['a.c', 'h.h'],
      whyNotExact: { reason: 'unsupported-directive', detail: 'a.c:2: #assert' },
    });
    expect('files' in made && made.files.map(({ path }) => path)).toEqual([
      `${scratch.path}/w/a.c`,
      `${scratch.path}/w/h.h`,
    ]);
  });

  test('fails with what the compiler says when no rung answers', async () => {
    scratch.write('w/a.c', '#include "none.h"\n');
    compiler.options = { ...compiler.options, listed: 'a.c:1: none.h: No such file' };
    const failure = await scan();
    expect(failure).toMatchObject({ reason: 'scan-failed' });
    expect('message' in failure && failure.message).toContain('none.h: No such file');
  });

  test('goes one rung down for good when a result does not agree', async () => {
    scratch.write('w/a.c', '#include "h.h"\n');
    const first = await scan();
    if (!('rung' in first)) throw new Error(first.message);
    parts.scanner.distrust(first);
    expect(await scan()).toMatchObject({ rung: 'compiler', whyNotExact: { reason: 'unproven-before' } });
    const second = await scan();
    expect(second).toMatchObject({ rung: 'compiler' });
    expect(askedForList()).toBe(2);
  });

  test('asks the rung that made a closure whether it still holds', async () => {
    scratch.write('w/a.c', '#include "h.h"\n');
    const exact = await scan();
    scratch.write('w/a.c', '#include "h.h"\n#assert x\n');
    const listed = await scan();
    if (!('rung' in exact) || !('rung' in listed)) throw new Error('no closure');
    expect([await parts.scanner.unchanged(exact), await parts.scanner.unchanged(listed)]).toEqual([false, true]);
    scratch.write('w/h.h', 'int changed;\n');
    expect(await parts.scanner.unchanged(listed)).toBe(false);
  });
});
