// `icets status` where there is little to tell: real processes.

import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { icets, withCluster } from '../support/icets-cluster.ts';

/** A server on a free port that ends every connection at once. */
async function deafServer(): Promise<{ server: Server; url: string }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, url: `icets://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}` };
}

test.each([
  ['nobody listens', false],
  ['connections break at once', true],
])('status says what is wrong when the scheduler is known and %s', async (_, listening) => {
  const { server, url } = await deafServer();
  if (!listening) await new Promise((resolve) => server.close(resolve));
  try {
    await withCluster({ workers: 0, env: { ICETS_SCHEDULER: url } }, async (cluster) => {
      const state = cluster.env['ICETS_STATE_DIR']!;
      await cluster.run(['mkdir', '-p', '-m', '700', state]);
      writeFileSync(join(state, 'cluster.token'), 'a'.repeat(64), { mode: 0o600 });
      const [json, words] = await Promise.all([
        cluster.run([icets, 'status', '--json']),
        cluster.run([icets, 'status']),
      ]);
      expect(json).toMatchObject({ exitCode: 0, stderr: '' });
      expect(JSON.parse(json.stdout)).toEqual({
        v: 1,
        agent: null,
        cluster: null,
        clusterError: expect.stringContaining(`${url} does not answer`),
      });
      expect(words).toMatchObject({ exitCode: 1, stdout: 'agent: none runs; the first compile starts it\n\n' });
      expect(words.stderr).toMatch(/^icets: .* does not answer: .*\n$/);
    });
  } finally {
    if (listening) server.close();
  }
});

test('status is not disturbed by a reader that has gone', async () => {
  await withCluster({ workers: 0 }, async (cluster) => {
    const ran = await cluster.run(['bash', '-c', `${icets} status --json | true; echo "\${PIPESTATUS[0]}"`]);
    expect(ran).toMatchObject({ stdout: '0\n', stderr: '' });
  });
});
