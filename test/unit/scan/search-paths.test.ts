import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PathStats } from '../../../src/scan/path-stats.ts';
import { existingDirectories } from '../../../src/scan/search-paths.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('paths');
});
afterEach(() => scratch.remove());

test('existing directories are those that are there now, links to them too, each once and in order', () => {
  const one = scratch.folder('one');
  const two = scratch.folder('two');
  const link = scratch.link('link', 'one');
  const file = scratch.write('file', '');
  const none = `${scratch.path}/none`;
  const stats = new PathStats();
  const asked = [two, link, file, none, one, two];
  expect(existingDirectories(asked, stats, performance.now())).toEqual([two, link, one]);
  rmSync(two, { recursive: true });
  expect(existingDirectories(asked, stats, 0)).toEqual([two, link, one]);
  expect(existingDirectories(asked, stats, performance.now())).toEqual([link, one]);
});
