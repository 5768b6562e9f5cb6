import { renameSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Semaphore } from '../../../src/base/semaphore.ts';
import { CompilerFactsCache, type CompilerFacts } from '../../../src/scan/compiler-facts.ts';
import { StatFileDigests } from '../../../src/scan/file-digests.ts';
import { FileTable } from '../../../src/scan/file-table.ts';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { nameNumber } from '../../../src/scan/preprocessor-tokens.ts';
import { StatCache } from '../../../src/scan/stat-cache.ts';
import { fakeCompiler, fakeUnit, type FakeCompiler } from '../../support/fake-compiler.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let compiler: FakeCompiler;
let cache: CompilerFactsCache;

beforeEach(() => {
  scratch = scratchFolder('facts');
  scratch.folder('w/i');
  scratch.folder('sys');
  compiler = fakeCompiler({ system: [`${scratch.path}/sys`], predefined: ['__GNUC__ 12'] });
  const digests = new StatFileDigests(new PathStats(), new StatCache(undefined));
  cache = new CompilerFactsCache({
    processes: compiler.processes,
    table: new FileTable({ digests }),
    permits: new Semaphore(2),
    folder: `${scratch.path}/probes`,
  });
});
afterEach(() => scratch.remove());

const unit = (...flags: string[]) => fakeUnit(`${scratch.path}/w`, [...flags, '-c', 'a.c']);

async function facts(...flags: string[]): Promise<CompilerFacts> {
  const asked = await cache.of(unit(...flags));
  if (!asked.ok) throw new Error(asked.error.message);
  return asked.value;
}

describe('what a compiler says of itself', () => {
  test('is where it searches, absolute and as it spells it, with its own directories apart', async () => {
    const { search } = await facts('-Ii', '-Inone', '-Ii');
    expect(search).toEqual({
      quote: [],
      angle: [`${scratch.path}/w/i`, `${scratch.path}/sys`],
      spelled: { quote: [], angle: ['i', `${scratch.path}/sys`] },
      duplicates: [`${scratch.path}/w/i`],
      nonexistent: [`${scratch.path}/w/none`],
      coarse: [`${scratch.path}/sys`],
    });
  });

  test('is which macros it predefines, and what it reads before the source', async () => {
    compiler.options = { ...compiler.options, preincluded: 'stdc-predef.h' };
    scratch.write('sys/stdc-predef.h', '');
    const { macros, preincluded } = await facts();
    expect(macros[nameNumber('__GNUC__')]?.text).toBe(' 12');
    expect(preincluded).toEqual([`${scratch.path}/sys/stdc-predef.h`]);
  });

  test('is asked once for flags that decide it, whatever the macros and the source are', async () => {
    const first = await facts('-Ii');
    const runs = compiler.runs.length;
    expect(await facts('-Ii', '-DX=1')).toBe(first);
    expect(compiler.runs.length).toBe(runs);
    expect(await facts('-Ii', '-O2')).not.toBe(first);
  });

  test('is asked once by many units at the same time', async () => {
    const [a, b] = await Promise.all([facts('-Ii'), facts('-Ii')]);
    expect(a).toBe(b);
    expect(compiler.runs.length).toBe(2);
  });

  test('that has no search list is a failure with what it said', async () => {
    const asked = await new CompilerFactsCache({
      processes: {
        run: () => Promise.resolve({ ok: false, error: { reason: 'not-started', message: 'no such file' } }),
      } as never,
      table: new FileTable({ digests: new StatFileDigests(new PathStats(), new StatCache(undefined)) }),
      permits: new Semaphore(1),
      folder: `${scratch.path}/probes`,
    }).of(unit());
    expect(asked).toEqual({ ok: false, error: { reason: 'scan-failed', message: 'no such file' } });
  });
});

describe('answers', () => {
  const question = { kind: 'value', text: '__has_builtin(__builtin_x)' } as const;

  test('come for the questions of all units of one language at once', async () => {
    compiler.options = { ...compiler.options, defined: ['__has_builtin'], values: { [question.text]: 5 } };
    const without = await facts();
    expect(without.defined.get('__has_builtin')).toBe(true);
    expect(without.values.has(question.text)).toBe(false);
    const asked = await cache.of(unit(), undefined, [question]);
    expect(asked.ok && asked.value.values.get(question.text)).toBe(5n);
    // the same core: what was evaluated without the answer still stands
    expect(asked.ok && asked.value.core).toBe(without.core);
    const others = await facts('-O2');
    expect(others.values.get(question.text)).toBe(5n);
  });
});

describe('what was said is void', () => {
  test.each([
    ['a directory that did not exist appears', ['-Inone'], () => scratch.folder('w/none')],
    [
      'a directory leads elsewhere',
      ['-Ii'],
      () => {
        renameSync(`${scratch.path}/w/i`, `${scratch.path}/w/old`);
        scratch.folder('w/i');
      },
    ],
    ['a directory goes', ['-Ii'], () => renameSync(`${scratch.path}/w/i`, `${scratch.path}/w/old`)],
  ] as const)('when %s', async (_, flags, change) => {
    const before = await facts(...flags);
    expect(await facts(...flags)).toBe(before);
    expect(cache.hold(before, performance.now())).toBe(true);
    change();
    expect(cache.hold(before, performance.now())).toBe(false);
    expect(await facts(...flags)).not.toBe(before);
    expect(cache.voided).toBe(1);
  });

  test('when another header comes to be read before the source', async () => {
    compiler.options = { ...compiler.options, preincluded: 'stdc-predef.h' };
    scratch.write('sys/stdc-predef.h', '');
    const before = await facts('-Ii');
    scratch.write('w/i/stdc-predef.h', '');
    expect((await facts('-Ii')).preincluded).not.toEqual(before.preincluded);
  });

  test('but not when a directory merely gets another entry', async () => {
    const before = await facts('-Ii');
    scratch.write('w/i/new.h', '');
    scratch.write('sys/new/new.h', '');
    expect(await facts('-Ii')).toBe(before);
    expect(cache.voided).toBe(0);
  });
});
