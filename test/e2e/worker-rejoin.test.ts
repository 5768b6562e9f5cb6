// A worker without its scheduler: real processes.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { icets, withCluster } from '../support/icets-cluster.ts';
import { runningProcesses } from '../support/running-processes.ts';

describe('a worker', () => {
  test('outlives its scheduler and joins the next one at the same address', async () => {
    await withCluster({ workers: 1 }, async (cluster) => {
      const file = readFileSync(join(cluster.env['ICETS_STATE_DIR']!, 'cluster.json'), 'utf8');
      const { url } = JSON.parse(file) as { url: string };
      const former = cluster.processes().find(({ role }) => role === 'scheduler')!.pid;
      process.kill(former, 'SIGTERM');
      while (runningProcesses().some(({ pid }) => pid === former)) await delay(20);
      const next = execa(icets, ['scheduler', '--listen', url.replace('icets://', '')], {
        env: cluster.env,
        extendEnv: false,
        reject: false,
      });
      try {
        for (;;) {
          const asked = await cluster.run([icets, 'status', '--json'], { env: { ICETS_SCHEDULER: url } });
          expect(asked).toMatchObject({ exitCode: 0, stderr: '' });
          const { cluster: status } = JSON.parse(asked.stdout) as { cluster: { workers: { name: string }[] } | null };
          if (status !== null && status.workers.length > 0) {
            expect(status.workers.map(({ name }) => name)).toEqual(['worker-1']);
            break;
          }
          await delay(100);
        }
      } finally {
        next.kill('SIGTERM');
        await next;
      }
    });
  });
});
