// Audits of a real cluster: a worker that spoils objects is found out, the innocent are left alone.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { AuditStatus } from '../../src/model/audit.ts';
import type { QuarantinedWorker } from '../../src/model/status.ts';
import { icets, withCluster, type IcetsCluster, type Ran } from '../support/icets-cluster.ts';
import { makeFickleGcc } from '../support/fickle-compiler.ts';
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
  test: (cluster: IcetsCluster, join: (name: string, spoils: string[]) => Promise<JoinedWorker>) => Promise<void>,
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
      await test(cluster, async (name, spoils) => {
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

const patienceMs = 180_000;

describe('a worker that returns wrong bytes', () => {
  const title =
    'is found out and gets nothing more until it is forgiven; a command that no worker does right stays here';
  const scenario = async (
    cluster: IcetsCluster,
    joinCluster: (name: string, spoils: string[]) => Promise<JoinedWorker>,
  ) => {
    for (const name of ['bad', 'worse', 'odd', 'late']) writeFileSync(join(cluster.folder, `${name}.c`), source(name));
    const wrong = await joinCluster('wrong', ['bad.c', 'worse.c', 'odd.c']);
    for (const name of ['bad', 'worse', 'odd']) {
      expect(await compile(cluster, name)).toMatchObject({ kind: 'remote', worker: 'wrong' });
    }
    const spoilt = objectOf(cluster, 'bad');
    expect(spoilt.equals(await plainObject(cluster, 'bad'))).toBe(false);
    await joinCluster('right', ['odd.c']);

    // The last one: another worker makes the same of it, so that it is held against the command.
    expect((await cluster.run([icets, 'audit', '--now', '1'])).exitCode).toBe(1);
    const first = await audits(cluster);
    expect(first.quarantined).toEqual([]);
    expect(first.audit.findings).toMatchObject([
      { blame: { kind: 'unit' }, secondOpinion: 'right gave other bytes than this machine too' },
    ]);
    expect(readdirSync(first.audit.findings[0]!.folder!).sort()).toEqual([
      'finding.json',
      'here',
      'other-worker',
      'result',
    ]);
    expect(await compile(cluster, 'odd')).toMatchObject({ kind: 'local', reason: 'audit-difference' });
    expect(objectOf(cluster, 'odd').equals(await plainObject(cluster, 'odd'))).toBe(true);
    const odd = await cluster.run([icets, 'audit', '--forgive', join(cluster.folder, 'odd.o')]);
    expect(odd.stdout).toContain('odd.o may be made elsewhere again');

    expect(await compile(cluster, 'bad')).toMatchObject({ kind: 'cache', worker: 'wrong' });
    expect(objectOf(cluster, 'bad').equals(spoilt)).toBe(true);
    const found = await cluster.run([icets, 'audit', '--now', '1']);
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

    // Neither the wrong result, nor another one that it left, nor the worker is used again.
    const before = wrong.leases.length;
    for (const name of ['bad', 'worse', 'late']) {
      expect(await compile(cluster, name)).not.toMatchObject({ worker: 'wrong' });
      expect(objectOf(cluster, name).equals(await plainObject(cluster, name))).toBe(true);
    }
    expect(wrong.leases).toHaveLength(before);

    await cluster.run([icets, 'agent', '--stop']);
    expect((await cluster.run([icets, 'status'])).stdout).toMatch(/^.*AUDIT: worker wrong/);
    expect((await cluster.run([icets, 'audit', '--forgive', 'nobody'])).exitCode).toBe(1);
    expect((await cluster.run([icets, 'audit', '--forgive', 'wrong'])).stdout).toBe('wrong gets work again\n');
    expect(await audits(cluster)).toMatchObject({ audit: { findings: [], different: 2 }, quarantined: [] });
  };
  test(title, () => withScheduler({ ICETS_AUDIT_PERCENT: '0' }, scenario), patienceMs);
});

describe('audits of good results', () => {
  test(
    'find them equal, and leave out what was edited since or has the time in it',
    async () => {
      await withCluster({ workers: 1, env: { ICETS_AUDIT_PERCENT: '100' } }, async (cluster) => {
        for (const name of ['a', 'b']) writeFileSync(join(cluster.folder, `${name}.c`), source(name));
        writeFileSync(join(cluster.folder, 'h.h'), 'int before;\n');
        writeFileSync(join(cluster.folder, 'h.c'), `#include "h.h"\n${source('h')}`);
        writeFileSync(join(cluster.folder, 'c.c'), 'const char *c(void) { return __TIME__; }\n');
        writeFileSync(join(cluster.folder, 'w.c'), `static int unused;\n${source('w')}`);
        // Edited before an audit can begin, which is half a second after the first result.
        const edits = `${icets} gcc -c b.c && echo 'int other;' > b.c && ${icets} gcc -c h.c && echo 'int after;' > h.h`;
        expect(await cluster.run(['sh', '-c', edits])).toMatchObject({ exitCode: 0, stderr: '' });
        for (const name of ['a', 'c']) expect(await compile(cluster, name)).not.toMatchObject({ kind: 'local' });
        const warned = await cluster.run([icets, 'g++', '-Wall', '-g', '-x', 'c++', '-c', 'w.c']);
        expect(warned.stderr).toContain('unused');
        const names = readdirSync(cluster.folder).sort();
        expect((await cluster.run([icets, 'audit', '--now'])).exitCode).toBe(0);
        expect((await audits(cluster)).audit).toMatchObject({
          taken: 5,
          equal: 2,
          different: 0,
          skipped: { 'input-changed': 2, 'time-macro': 1 },
          waiting: 0,
        });
        expect(readdirSync(cluster.folder).sort()).toEqual(names);

        rmSync(join(cluster.folder, 'a.o'));
        expect(await compile(cluster, 'a')).toMatchObject({ kind: 'cache' });
        await cluster.run([icets, 'audit', '--now']);
        expect((await audits(cluster)).audit).toMatchObject({ taken: 6, equal: 3 });
        // The last five, of which one has the time in it; what was edited is compiled as it is now, on both sides.
        const last = await cluster.run([icets, 'audit', '--now', '5']);
        expect(last.stdout).toBe('4 equal, 0 different, not compared: 1 time-macro\n');
        const { audit, quarantined } = await audits(cluster);
        expect({ audit, quarantined }).toMatchObject({
          audit: { percent: 100, taken: 11, equal: 7, different: 0, findings: [], waiting: 0 },
          quarantined: [],
        });
        expect((await cluster.run([icets, 'audit', '--rate', '101'])).exitCode).toBe(2);
        await cluster.run([icets, 'audit', '--rate', '0']);
        await compile(cluster, 'a');
        expect((await audits(cluster)).audit.taken).toBe(11);
      });
    },
    patienceMs,
  );
});

describe('a compiler that makes something else each time', () => {
  test(
    'gets no worker into trouble: commands with the option that does it stay here',
    async () => {
      await withCluster({ workers: 1, env: { ICETS_AUDIT_PERCENT: '0' } }, async (cluster) => {
        const gcc = makeFickleGcc(join(dirname(cluster.folder), 'prefix'), '-fwrapv');
        for (const name of ['a', 'b']) writeFileSync(join(cluster.folder, `${name}.c`), source(name));
        const place = async (name: string, ...options: string[]) => {
          const ran = await cluster.run([
            icets,
            gcc,
            '-O1',
            ...options,
            '-fno-plt',
            '-c',
            `${name}.c`,
            '-o',
            `${name}.o`,
          ]);
          expect({ exitCode: ran.exitCode, stderr: ran.stderr }).toEqual({ exitCode: 0, stderr: '' });
          const explained = await cluster.run([icets, 'explain', '--json', `${name}.o`]);
          return (JSON.parse(explained.stdout) as { place: Place }).place;
        };
        expect(await place('a', '-fwrapv', '-g')).toMatchObject({ kind: 'remote' });
        expect(await place('a')).toMatchObject({ kind: 'remote' });
        expect((await cluster.run([icets, 'audit', '--now', '2'])).stdout).toContain('1 equal, 1 different');
        const { audit, quarantined } = await audits(cluster);
        expect(quarantined).toEqual([]);
        expect(audit.findings).toMatchObject([{ blame: { kind: 'option', option: '-fwrapv' } }]);
        expect(readdirSync(audit.findings[0]!.folder!).sort()).toEqual([
          'finding.json',
          'here',
          'here-again',
          'result',
        ]);
        expect(await place('b', '-fwrapv')).toMatchObject({ kind: 'local', reason: 'not-reproducible' });
        expect(await place('b')).toMatchObject({ kind: 'remote' });
        const status = await cluster.run([icets, 'status']);
        expect(status.stdout.split('\n')[0]).toContain('compiles with -fwrapv give other bytes on every run');
        const forgiven = await cluster.run([icets, 'audit', '--forgive', '-fwrapv']);
        expect(forgiven.stdout).toBe('compiles with -fwrapv may leave this machine again\n');
        expect(await place('b', '-fwrapv')).toMatchObject({ kind: 'remote' });
      });
    },
    patienceMs,
  );
});
