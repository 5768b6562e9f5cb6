// A launcher in another mount namespace or root sees other files under the same names: its commands stay local.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { icets, withCluster } from '../support/icets-cluster.ts';

const asRoot = process.getuid?.() === 0 ? test : test.skip;

async function reasonOf(cluster: { run: (argv: string[]) => Promise<{ stdout: string }> }, output: string) {
  const { stdout } = await cluster.run([icets, 'explain', '--json', output]);
  return (JSON.parse(stdout) as { place: { reason?: string } }).place.reason;
}

describe('a launcher that lives elsewhere', () => {
  asRoot('in another mount namespace runs the compiler itself', async () => {
    await withCluster({ workers: 0 }, async (cluster) => {
      writeFileSync(join(cluster.folder, 'a.c'), 'int f(void) { return 1; }\n');
      // Starts the agent here, outside the namespace.
      expect((await cluster.run([icets, 'gcc', '--version'])).exitCode).toBe(0);
      const ran = await cluster.run(['unshare', '--mount', icets, 'gcc', '-c', 'a.c', '-o', 'a.o']);
      expect(ran).toEqual({ exitCode: 0, signal: undefined, stdout: '', stderr: '' });
      expect(await reasonOf(cluster, join(cluster.folder, 'a.o'))).toBe('other-namespace');
    });
  });

  asRoot('in a chroot runs the compiler itself', async () => {
    await withCluster({ workers: 0 }, async (cluster) => {
      writeFileSync(join(cluster.folder, 'a.c'), 'int f(void) { return 1; }\n');
      expect((await cluster.run([icets, 'gcc', '--version'])).exitCode).toBe(0);
      const root = join(cluster.folder, 'root');
      mkdirSync(root);
      // The same files under the same names, and still another root.
      const script = `mount --rbind / '${root}' && exec chroot '${root}' sh -c 'cd "${cluster.folder}" && exec "${icets}" gcc -c a.c -o a.o'`;
      const ran = await cluster.run(['unshare', '--mount', 'sh', '-c', script]);
      expect(ran).toEqual({ exitCode: 0, signal: undefined, stdout: '', stderr: '' });
      expect(await reasonOf(cluster, join(cluster.folder, 'a.o'))).toBe('other-namespace');
    });
  });
});
