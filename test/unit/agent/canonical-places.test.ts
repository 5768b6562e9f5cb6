import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CanonicalPlaces } from '../../../src/agent/canonical-places.ts';
import { Counters } from '../../../src/agent/counters.ts';
import { digestOf } from '../../../src/model/digest.ts';
import { inPlaceCompile } from '../../support/in-place-compile.ts';

let folder = '';
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'icets-places-')));
  mkdirSync(join(folder, 'work/one'), { recursive: true });
  symlinkSync('work', join(folder, 'link'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const placed = (places: CanonicalPlaces, named: string | undefined, root = join(folder, 'work/one')) => {
  const found = places.place(inPlaceCompile(root), named);
  return typeof found === 'object' ? found.move.from : found;
};

test('what the compile names wins over the setting, and the empty name switches it off', () => {
  const root = join(folder, 'work/one');
  const places = new CanonicalPlaces(new Counters(), join(folder, 'work'));
  expect(placed(places, undefined)).toBe(root);
  expect(placed(places, '/elsewhere')).toBe(`outside: ${root}/build`);
  expect(placed(places, '')).toBeUndefined();
  expect(placed(new CanonicalPlaces(new Counters(), undefined), undefined)).toBeUndefined();
});

test('a base directory that is named by a link is its physical path; what is named through the link stays in its place', () => {
  const places = new CanonicalPlaces(new Counters(), join(folder, 'link'));
  expect(placed(places, undefined)).toBe(join(folder, 'work/one'));
  expect(placed(places, undefined, join(folder, 'link/one'))).toMatch(/^outside/);
});

test('a command that was tried in vain is not tried again from the same directory; everything is counted', () => {
  const counters = new Counters();
  const places = new CanonicalPlaces(counters, folder);
  const at = (root: string) => {
    const found = places.place(inPlaceCompile(join(folder, root)), undefined);
    if (typeof found !== 'object') throw new Error(found);
    return found;
  };
  const command = digestOf(Buffer.from('command'));
  expect(places.stuckBefore(command, at('one'))).toBe(false);
  places.noteStuck(command, at('one'), { reason: 'link', detail: '' });
  expect(places.stuckBefore(command, at('one'))).toBe(true);
  expect(places.stuckBefore(command, at('two'))).toBe(false);
  expect(places.stuckBefore(digestOf(Buffer.from('other')), at('one'))).toBe(false);
  places.place(inPlaceCompile('/elsewhere'), undefined);
  expect(counters.snapshot()).toEqual({
    'base.in-place.outside': 1,
    'base.in-place.stuck-before': 1,
    'base.moved': 3,
    'base.stuck.link': 1,
  });
});
