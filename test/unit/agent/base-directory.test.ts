import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { inPlaceReasons, placeCanonically } from '../../../src/agent/base-directory.ts';
import { stuckReasons } from '../../../src/agent/moved-result.ts';
import { compileCommand } from '../../../src/agent/compile-action.ts';
import { resultKey } from '../../../src/agent/result-key.ts';
import { digestKey, digestOf } from '../../../src/model/digest.ts';
import { canonicalPlace } from '../../../src/model/path-move.ts';
import { inPlaceCompile, type Sketch } from '../../support/in-place-compile.ts';
import { InputRootBuilder } from '../../support/input-root.ts';

function placed(base: string, sketch?: Sketch): string {
  const result = placeCanonically(inPlaceCompile('/w/one', sketch), base);
  return result.ok ? `from ${result.value.move.from}` : `${result.error.reason}: ${result.error.detail}`;
}

describe('placeCanonically', () => {
  test('moves the innermost directory that holds what the command names', () => {
    expect(placed('/w/one')).toBe('from /w/one');
    expect(placed('/w')).toBe('from /w/one');
    expect(placed('/w', { cwd: '/w/build' })).toBe('from /w');
    const files = ['/w/one/src/a.c', '/w/one/build/../../common/c.h'];
    expect(placed('/w', { files })).toBe('from /w');
    expect(placed('/w/one', { files })).toBe('leaves: /w/one/build/../../common/c.h');
    expect(placed('/w/one/build')).toBe('prefix-map: /w/one=.');
  });

  test('gives checkouts in different places one command and one key', () => {
    const keyOf = (root: string) => {
      const here = inPlaceCompile(root);
      const result = placeCanonically(here, root);
      if (!result.ok) throw new Error(result.error.detail);
      const { move, argv } = result.value;
      expect(argv.join(' ')).not.toContain(root);
      const command = compileCommand({
        argv,
        env: here.env,
        cwd: move.there(here.cwd),
        outputs: [],
        stderrTerminal: undefined,
      });
      const parts = { toolchain: digestOf(Buffer.from('t')), command: command.blob.digest, extras: [] };
      const key = digestKey(resultKey({ ...parts, closure: here.closure, move }));
      // the same closure object in another place is another key
      expect(digestKey(resultKey({ ...parts, closure: here.closure }))).not.toBe(key);
      expect(digestKey(resultKey({ ...parts, closure: here.closure, move }))).toBe(key);
      return key;
    };
    expect(keyOf('/w/one')).toBe(keyOf('/srv/deeper/two'));
  });

  test.each<[string, string, Sketch, RegExp]>([
    ['a base directory that is the root', '/', {}, /^unusable/],
    ['one that is relative', 'w', {}, /^unusable/],
    ['a working directory elsewhere', '/w/two', {}, /^outside/],
    ['a working directory that is named by a link', '/w/one', { env: { PWD: '/link/build' } }, /^outside: \/link/],
    ['response files that are sent', '/w/one', { responseFiles: ['a.rsp'] }, /^response-file/],
    ['a variable that names it', '/w/one', { env: { LD_LIBRARY_PATH: '/x:/w/one/lib' } }, /^environment: LD_LIB/],
    ['header directories in the environment', '/w/one', { env: { CPATH: 'include' } }, /^environment: CPATH/],
    ['a compiler in it', '/w/one', { compiler: '/w/one/bin/gcc' }, /^directory: \/w\/one\/bin/],
    ['search directories in it', '/w/one', { closure: { coarse: ['/w/one/sysroot'] } }, /^directory: \/w\/one\/sys/],
    ['search directories around it', '/w/one', { closure: { coarse: ['/w'] } }, /^directory: \/w/],
    ['other inputs in it', '/w/one', { extraFiles: ['/w/one/ignore.txt'] }, /^directory/],
    [
      'files of the compiler in it',
      '/w/one',
      { toolchainRoot: new InputRootBuilder().file('/w/one/lib/x.so', '').tree() },
      /^directory/,
    ],
    ['a name of the canonical place', '/w/one', { files: [`${canonicalPlace}/a.h`] }, /^argument/],
    [
      'a probe by a name that may not move',
      '/w/one',
      { facts: { computedProbe: true }, closure: { probes: [{ path: '/w/one/x.h', exists: true }] } },
      /^probe/,
    ],
    [
      'a probe by an absolute name',
      '/w/one',
      {
        facts: { probes: [{ kind: 'include', operand: '"/w/one/x.h"' }] },
        closure: { probes: [{ path: '/w/one/x.h', exists: true }] },
      },
      /^probe/,
    ],
  ])('keeps a compile in its place for %s', (_, base, sketch, why) => {
    expect(placed(base, sketch)).toMatch(why);
  });

  test('lets sources ask for what is not there, or is there by a name that moves', () => {
    expect(placed('/w/one', { facts: { computedProbe: true } })).toBe('from /w/one');
    const probes = [{ path: '/w/one/include/x.h', exists: true }];
    expect(placed('/w/one', { facts: { probes: [{ kind: 'include', operand: '"x.h"' }] }, closure: { probes } })).toBe(
      'from /w/one',
    );
  });

  test('keeps a compile in its place where the name would need escapes', () => {
    for (const root of ['/w/with space', '/w/do$lar', '/w/a=b', '/w/ü']) {
      const result = placeCanonically(
        {
          ...inPlaceCompile('/w/one'),
          cwd: `${root}/build`,
          argv: [],
          compile: { ...inPlaceCompile('/w/one').compile, argv: [] },
        },
        root,
      );
      expect(result.ok ? 'moved' : result.error.reason).toBe('directory');
    }
  });
});

test('the guide explains every reason, and no other', () => {
  const guide = readFileSync(resolve(import.meta.dirname, '../../../docs/guide/cache.md'), 'utf8');
  const section = guide.slice(guide.indexOf('## Two checkouts'), guide.indexOf('## For those'));
  const explained = [...section.matchAll(/^\| `([a-z-]+)` +\|/gm)].map((match) => match[1]).sort();
  expect(explained).toEqual([...inPlaceReasons, ...stuckReasons, 'stuck-before'].sort());
  expect(section).toContain(canonicalPlace);
});
