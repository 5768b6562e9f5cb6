import { expect, test } from '@jest/globals';
import { MountPoints } from '../../../src/scan/mount-points.ts';

test('mount points that nobody has touched have not changed, however often they are read', () => {
  const mounts = new MountPoints();
  expect([mounts.changed(), mounts.changed()]).toEqual([[], []]);
  mounts.close();
});

test('a table that is closed says nothing rather than that nothing has changed', () => {
  const mounts = new MountPoints();
  mounts.close();
  expect(mounts.changed()).toBeUndefined();
  mounts.close();
});
