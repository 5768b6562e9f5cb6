// docs/guide/audit.md explains every reason why a sample is not compared, and no other.

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { auditSkips } from '../../../src/model/audit.ts';

test('the guide lists exactly the reasons of the code, in their order', () => {
  const guide = readFileSync(new URL('../../../docs/guide/audit.md', import.meta.url), 'utf8');
  const section = guide.slice(guide.indexOf('## What is not compared'));
  const listed = [...section.matchAll(/^\| `([a-z-]+)` *\| (.*?)\s*\|$/gm)];
  expect(listed.map(([, reason]) => reason)).toEqual([...auditSkips]);
  for (const [, , meaning] of listed) expect(meaning).toMatch(/\.$/);
});
