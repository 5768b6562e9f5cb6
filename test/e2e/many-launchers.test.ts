// Many launchers at once with no agent, and builds that must not wait for the agent they have started.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { icets, withCluster, type IcetsCluster } from '../support/icets-cluster.ts';
import { runningProcesses } from '../support/running-processes.ts';

/** Processes that run this cluster's agent. */
function agents(cluster: IcetsCluster): number[] {
  return runningProcesses()
    .filter(({ command }) => command.includes('agent.mjs') && command.includes(cluster.env['ICETS_SOCKET_DIR']!))
    .map(({ pid }) => pid);
}

describe('many launchers', () => {
  test('64 at once with no agent running start one agent, and every compile succeeds', async () => {
    await withCluster({ workers: 0, env: { ICETS_LOCAL_SLOTS: '4' } }, async (cluster) => {
      writeFileSync(join(cluster.folder, 'a.c'), 'int f(void) { return 1; }\n');
      const runs = await Promise.all(
        Array.from({ length: 64 }, (_, i) => cluster.run([icets, 'gcc', '-c', 'a.c', '-o', `a${i}.o`])),
      );
      expect(runs.filter((run) => run.exitCode !== 0 || run.stderr !== '')).toEqual([]);
      expect(agents(cluster)).toHaveLength(1);
      const { agent } = await cluster.status();
      expect(agent?.counters['place.local']).toBeGreaterThan(0);
    });
  });

  test.each([
    ['ninja', 'build.ninja', 'rule cc\n  command = $icets gcc -c a.c -o a.o\nbuild a.o: cc\n'],
    ['make', 'Makefile', 'a.o: a.c\n\t$(icets) gcc -c a.c -o a.o\n'],
  ])('%s returns as soon as the build is done, with the agent it started still alive', async (tool, file, text) => {
    await withCluster({ workers: 0 }, async (cluster) => {
      writeFileSync(join(cluster.folder, 'a.c'), 'int f(void) { return 1; }\n');
      writeFileSync(join(cluster.folder, file), text.replaceAll(/\$\(?icets\)?/g, icets));
      // Resolves when the tool has ended and every writer of its output has closed it.
      expect((await cluster.run([tool])).exitCode).toBe(0);
      expect(agents(cluster)).toHaveLength(1);
    });
  });
});
