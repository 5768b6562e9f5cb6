// Whatever is edited between two builds, the second gives exactly what a fresh run of the compiler gives.

import { rmSync } from 'node:fs';
import { afterAll, expect, test } from '@jest/globals';
import { withCluster } from '../support/icets-cluster.ts';
import { staleBuilds, type Between } from '../support/staleness.ts';
import { commandCases } from '../support/staleness-commands.ts';
import { headerCases } from '../support/staleness-headers.ts';
import { lookupCases } from '../support/staleness-lookups.ts';
import { installed, systemCases } from '../support/staleness-systems.ts';

const cases = [...headerCases, ...lookupCases, ...commandCases, ...systemCases];

afterAll(() => rmSync(installed, { recursive: true, force: true }));

const rows: { title: string; between: Between }[] = [
  { title: 'an edit at once after a build is seen', between: 'nothing' },
];

test.each(rows)(
  '$title',
  async ({ between }) => {
    await withCluster({ workers: 1, slots: 2 }, async (cluster) => {
      expect(await staleBuilds(cluster, cases, between)).toEqual([]);
    });
  },
  600_000,
);
