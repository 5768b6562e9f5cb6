// Whatever is edited between two builds, the second gives exactly what a fresh run of the compiler gives. With
// ICETS_STALENESS=long (npm run test:staleness) in more ways, and with a table of all rows at the end.

import { rmSync } from 'node:fs';
import { afterAll, expect, test } from '@jest/globals';
import { withCluster } from '../support/icets-cluster.ts';
import { staleBuilds, type Between, type Stale } from '../support/staleness.ts';
import { commandCases } from '../support/staleness-commands.ts';
import { headerCases } from '../support/staleness-headers.ts';
import { linkCases } from '../support/staleness-links.ts';
import { lookupCases } from '../support/staleness-lookups.ts';
import { installed, systemCases } from '../support/staleness-systems.ts';
import { stalenessTable } from '../support/staleness-table.ts';

const cases = [...headerCases, ...lookupCases, ...linkCases, ...commandCases, ...systemCases];
const long = process.env['ICETS_STALENESS'] === 'long';
const found = new Map<Between, readonly Stale[]>();

afterAll(() => {
  rmSync(installed, { recursive: true, force: true });
  if (long) process.stdout.write(`\n${stalenessTable(cases, found)}\n`);
});

const rows: { title: string; between: Between }[] = [
  { title: 'an edit at once after a build is seen', between: 'nothing' },
  { title: 'an edit is seen by an agent that has been started again since the build', between: 'a restart' },
  ...(long
    ? ([
        { title: 'an edit of what the agent trusts by its stat is seen', between: 'settling' },
        { title: 'and by an agent that trusts what another one has left', between: 'settling and a restart' },
      ] as const)
    : []),
];

test.each(rows)(
  '$title',
  async ({ between }) => {
    await withCluster({ workers: 1, slots: 2 }, async (cluster) => {
      const stale = await staleBuilds(cluster, cases, between);
      found.set(between, stale);
      expect(stale).toEqual([]);
    });
  },
  900_000,
);
