// Audits of a real cluster: a worker that spoils objects is found out, the innocent are left alone.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { AuditStatus } from '../../src/model/audit.ts';
import type { QuarantinedWorker } from '../../src/model/status.ts';
import { icets, withCluster, type IcetsCluster, type Ran } from '../support/icets-cluster.ts';
import { joinWorker, type JoinedWorker } from '../support/wrong-worker.ts';

interface Place {
  readonly kind: string;
  readonly worker?: string;
  readonly reason?: string;
  readonly detail?: string;
}

const source = (name: string) => `int ${name}(void) { return 0x11223344; }\n`;

async function compile(cluster: IcetsCluster, name: string): Promise<Place> {
  const ran = await cluster.run([icets, 'gcc', '-O1', '-MD', '-c', `${name}.c`, '-o', `${name}.o`]);
  expect({ exitCode: ran.exitCode, stderr: ran.stderr }).toEqual({ exitCode: 0, stderr: '' });
  const explained = await cluster.run([icets, 'explain', '--json', `${name}.o`]);
  return (JSON.parse(explained.stdout) as { place: Place }).place;
}

async function audits(
  cluster: IcetsCluster,
): Promise<{ audit: AuditStatus; quarantined: readonly QuarantinedWorker[] | null }> {
  const ran = await cluster.run([icets, 'audit', '--json']);
  return JSON.parse(ran.stdout) as { audit: AuditStatus; quarantined: readonly QuarantinedWorker[] | null };
}

function objectOf(cluster: IcetsCluster, name: string): Buffer {
  return readFileSync(join(cluster.folder, `${name}.o`));
}

async function plainObject(cluster: IcetsCluster, name: string): Promise<Buffer> {
  await cluster.run(['gcc', '-O1', '-MD', '-c', `${name}.c`, '-o', `plain-${name}.o`]);
  return readFileSync(join(cluster.folder, `plain-${name}.o`));
}

/** A scheduler without workers; the test joins some. */
async function withScheduler(
  env: Record<string, string>,
  test: (
    cluster: IcetsCluster,
    join: (name: string, spoils?: readonly string[]) => Promise<JoinedWorker>,
  ) => Promise<void>,
): Promise<void> {
  await withCluster({ workers: 0, coldCache: true }, async (bare) => {
    const scheduler = execa(icets, ['scheduler', '--listen', '127.0.0.1:0'], {
      env: bare.env,
      extendEnv: false,
      reject: false,
    });
    const workers: JoinedWorker[] = [];
    let cluster = bare;
    try {
      const ready = await new Promise<string>((resolve) =>
        scheduler.stdout.once('data', (line) => resolve(String(line))),
      );
      const { url } = JSON.parse(ready) as { url: string };
      const more = { ICETS_SCHEDULER: url, ...env };
      const run = (
        argv: readonly string[],
        options: { cwd?: string; env?: Record<string, string> } = {},
      ): Promise<Ran> => bare.run(argv, { ...options, env: { ...more, ...options.env } });
      cluster = { ...bare, env: { ...bare.env, ...more }, run };
      const token = readFileSync(join(bare.env['ICETS_STATE_DIR']!, 'cluster.token'), 'utf8').trim();
      await test(cluster, async (name, spoils = []) => {
        const worker = await joinWorker({ url, token, name, spoils, folder: join(dirname(bare.folder), name) });
        workers.push(worker);
        return worker;
      });
    } finally {
      await cluster.run([icets, 'agent', '--stop']);
      for (const worker of workers) await worker.close();
      scheduler.kill('SIGTERM');
      await scheduler;
    }
  });
}

describe('a worker that returns wrong bytes', () => {
  test('is found out, gets no further action until it is forgiven, and everybody is told', async () => {
    await withScheduler({ ICETS_AUDIT_PERCENT: '0' }, async (cluster, joinCluster) => {
      for (const name of ['bad', 'worse', 'late']) writeFileSync(join(cluster.folder, `${name}.c`), source(name));
      const wrong = await joinCluster('wrong', ['bad.c', 'worse.c']);
      expect(await compile(cluster, 'bad')).toMatchObject({ kind: 'remote', worker: 'wrong' });
      expect(await compile(cluster, 'worse')).toMatchObject({ kind: 'remote', worker: 'wrong' });
      expect(objectOf(cluster, 'bad').equals(await plainObject(cluster, 'bad'))).toBe(false);

      await cluster.run([icets, 'audit', '--rate', '100']);
      const spoilt = objectOf(cluster, 'bad');
      expect(await compile(cluster, 'bad')).toMatchObject({ kind: 'cache', worker: 'wrong' });
      expect(objectOf(cluster, 'bad').equals(spoilt)).toBe(true);
      await joinCluster('right');
      const found = await cluster.run([icets, 'audit', '--now']);
      expect(found.stdout).toContain('0 equal, 1 different');
      expect(found.exitCode).toBe(1);

      const { audit, quarantined } = await audits(cluster);
      expect(quarantined).toMatchObject([{ worker: 'wrong', ids: ['id-wrong'] }]);
      expect(audit.findings).toMatchObject([
        {
          blame: { kind: 'worker', worker: 'wrong' },
          differing: ['object'],
          cached: true,
          label: 'bad.c',
          secondOpinion: 'right gave the bytes of this machine',
        },
      ]);
      const folder = audit.findings[0]!.folder!;
      expect(readFileSync(join(folder, 'result/bad.o')).equals(spoilt)).toBe(true);
      expect(readFileSync(join(folder, 'here/bad.o')).equals(await plainObject(cluster, 'bad'))).toBe(true);
      const status = await cluster.run([icets, 'status']);
      expect(status.stdout.split('\n')[0]).toMatch(/AUDIT: worker wrong gave other bytes .* it is in quarantine/);
      expect(status.stdout).toContain(folder);
      const json = (await cluster.status()) as { agent: { audit: AuditStatus } | null };
      expect(json.agent?.audit.findings).toHaveLength(1);

      // Neither the wrong result, nor another one that it left, nor the worker is used again.
      const before = wrong.leases.length;
      for (const name of ['bad', 'worse', 'late']) {
        const place = await compile(cluster, name);
        expect({ name, ...place }).not.toMatchObject({ worker: 'wrong' });
        expect(objectOf(cluster, name).equals(await plainObject(cluster, name))).toBe(true);
      }
      expect(wrong.leases).toHaveLength(before);

      await cluster.run([icets, 'agent', '--stop']);
      expect((await cluster.run([icets, 'status'])).stdout).toMatch(/^.*AUDIT: worker wrong/);
      expect((await cluster.run([icets, 'audit', '--forgive', 'nobody'])).exitCode).toBe(1);
      expect((await cluster.run([icets, 'audit', '--forgive', 'wrong'])).stdout).toBe('wrong gets work again\n');
      expect(await audits(cluster)).toMatchObject({ audit: { findings: [], different: 1 }, quarantined: [] });
    });
  });

  test('stays in quarantine when nobody can be asked, and compiles stay here', async () => {
    await withScheduler({ ICETS_AUDIT_PERCENT: '100' }, async (cluster, joinCluster) => {
      writeFileSync(join(cluster.folder, 'bad.c'), source('bad'));
      await joinCluster('wrong', ['bad.c']);
      expect(await compile(cluster, 'bad')).toMatchObject({ kind: 'remote', worker: 'wrong' });
      expect((await cluster.run([icets, 'audit', '--now'])).exitCode).toBe(1);
      const { audit, quarantined } = await audits(cluster);
      expect(quarantined).toMatchObject([{ worker: 'wrong' }]);
      expect(audit.findings[0]?.secondOpinion).toMatch(/^no other worker was asked \(no-worker/);
      expect(await compile(cluster, 'bad')).toMatchObject({ kind: 'local', reason: 'no-worker' });
      expect(objectOf(cluster, 'bad').equals(await plainObject(cluster, 'bad'))).toBe(true);
    });
  });

  test('is not blamed when all workers agree against this machine: the command stays here', async () => {
    await withScheduler({ ICETS_AUDIT_PERCENT: '100' }, async (cluster, joinCluster) => {
      for (const name of ['bad', 'fine']) writeFileSync(join(cluster.folder, `${name}.c`), source(name));
      await joinCluster('one', ['bad.c']);
      expect(await compile(cluster, 'bad')).toMatchObject({ kind: 'remote', worker: 'one' });
      await joinCluster('two', ['bad.c']);
      expect((await cluster.run([icets, 'audit', '--now'])).exitCode).toBe(1);
      const { audit, quarantined } = await audits(cluster);
      expect(quarantined).toEqual([]);
      expect(audit.findings).toMatchObject([
        { blame: { kind: 'unit' }, secondOpinion: 'two gave other bytes than this machine too' },
      ]);
      expect(readdirSync(audit.findings[0]!.folder!).sort()).toEqual([
        'finding.json',
        'here',
        'other-worker',
        'result',
      ]);
      expect(await compile(cluster, 'bad')).toMatchObject({ kind: 'local', reason: 'audit-difference' });
      expect(objectOf(cluster, 'bad').equals(await plainObject(cluster, 'bad'))).toBe(true);
      expect(await compile(cluster, 'fine')).toMatchObject({ kind: 'remote' });
      await cluster.run([icets, 'audit', '--forgive', join(cluster.folder, 'bad.o')]);
      expect(await compile(cluster, 'bad')).not.toMatchObject({ kind: 'local' });
    });
  });
});

describe('audits of good results', () => {
  test('find them equal, and leave out what was edited since or has the time in it', async () => {
    await withCluster({ workers: 1, env: { ICETS_AUDIT_PERCENT: '100' } }, async (cluster) => {
      for (const name of ['a', 'b', 'c', 'h']) writeFileSync(join(cluster.folder, `${name}.c`), source(name));
      writeFileSync(join(cluster.folder, 'h.h'), 'int before;\n');
      writeFileSync(join(cluster.folder, 'h.c'), `#include "h.h"\n${source('h')}`);
      writeFileSync(join(cluster.folder, 'c.c'), 'const char *c(void) { return __TIME__; }\n');
      const unused = 'static int unused;\n';
      writeFileSync(join(cluster.folder, 'w.c'), unused + source('w'));
      for (const name of ['a', 'b', 'c', 'h'])
        expect(await compile(cluster, name)).not.toMatchObject({ kind: 'local' });
      const warned = await cluster.run([icets, 'g++', '-Wall', '-g', '-x', 'c++', '-c', 'w.c']);
      expect(warned.stderr).toContain('unused');
      writeFileSync(join(cluster.folder, 'b.c'), source('other'));
      writeFileSync(join(cluster.folder, 'h.h'), 'int after;\n');
      const names = readdirSync(cluster.folder).sort();

      const all = await cluster.run([icets, 'audit', '--now']);
      expect(all.stdout).toMatch(/^2 equal, 0 different, not compared: /);
      expect(all.stdout).toContain('2 input-changed');
      expect(all.stdout).toContain('1 time-macro');
      expect(all.exitCode).toBe(0);
      expect(readdirSync(cluster.folder).sort()).toEqual(names);

      rmSync(join(cluster.folder, 'a.o'));
      expect(await compile(cluster, 'a')).toMatchObject({ kind: 'cache' });
      expect((await cluster.run([icets, 'audit', '--now'])).stdout).toBe('1 equal, 0 different\n');
      // The last four: what was edited is compiled as it is now, on both sides.
      expect((await cluster.run([icets, 'audit', '--now', '3'])).stdout).toBe('3 equal, 0 different\n');
      const { audit, quarantined } = await audits(cluster);
      expect({ audit, quarantined }).toMatchObject({
        audit: { percent: 100, taken: 9, equal: 6, different: 0, findings: [], waiting: 0 },
        quarantined: [],
      });
      expect((await cluster.run([icets, 'audit', '--rate', '101'])).exitCode).toBe(2);
      await cluster.run([icets, 'audit', '--rate', '0']);
      await compile(cluster, 'a');
      expect((await audits(cluster)).audit.taken).toBe(9);
    });
  });
});
