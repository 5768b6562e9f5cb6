// Kept results: who gets them, what they depend on and what they do not, and that a wrong one is not believed.

import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { open } from 'lmdb';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { digestOf, parseDigest } from '../../src/model/digest.ts';
import type { ResultCacheStatus } from '../../src/model/status.ts';
import { openActionCache } from '../../src/store/action-cache.ts';
import { openDiskStore } from '../../src/store/disk-store.ts';
import { icets, withCluster, type IcetsCluster } from '../support/icets-cluster.ts';

const compile = ['gcc', '-O1', '-MD', '-MF', 'a.d', '-c', 'a.c', '-o', 'a.o'];

/** Compiles through icets and says where that happened. */
async function compileAt(
  cluster: IcetsCluster,
  argv: readonly string[] = compile,
  env: Record<string, string> = {},
): Promise<string> {
  const ran = await cluster.run([icets, ...argv], { env });
  expect({ exitCode: ran.exitCode, stderr: ran.stderr }).toEqual({ exitCode: 0, stderr: '' });
  const explained = await cluster.run([icets, 'explain', '--json', 'a.o'], { env });
  const { place } = JSON.parse(explained.stdout) as { place: { kind: string; reason?: string; detail?: string } };
  return place.kind === 'local' ? `local: ${place.reason} ${place.detail}` : place.kind;
}

/** Whether a.o and a.d are what the plain compiler makes now. */
async function sameAsPlain(cluster: IcetsCluster, argv: readonly string[] = compile): Promise<boolean> {
  const outputs = () => ['a.o', 'a.d'].map((name) => readFileSync(join(cluster.folder, name), 'latin1'));
  const found = outputs();
  await cluster.run(argv);
  return JSON.stringify(outputs()) === JSON.stringify(found);
}

async function results(cluster: IcetsCluster): Promise<ResultCacheStatus> {
  return (await cluster.status()).cluster!.results;
}

describe('kept results', () => {
  test('serve every agent of the cluster, with modes and times of a fresh compile; --no-cache stays away from them', async () => {
    await withCluster({ workers: 1, coldCache: true }, async (cluster) => {
      const object = join(cluster.folder, 'a.o');
      writeFileSync(join(cluster.folder, 'a.c'), 'int f(void) { return 1; }\n');

      expect(await compileAt(cluster, ['--no-cache', ...compile])).toBe('remote');
      expect(await compileAt(cluster, compile, { ICETS_NO_CACHE: '1' })).toBe('remote');
      expect(await results(cluster)).toMatchObject({ entries: 0, hits: 0, misses: 0 });
      expect(await compileAt(cluster, compile, { ICETS_NO_CACHE: '0' })).toBe('remote');
      expect(await results(cluster)).toMatchObject({ entries: 1, hits: 0, misses: 1 });
      expect(await compileAt(cluster, ['--no-cache', ...compile])).toBe('remote');
      expect(await results(cluster)).toMatchObject({ entries: 1, hits: 0, misses: 1 });

      rmSync(object);
      const before = Date.now();
      const masked = `umask 077; exec ${icets} ${compile.join(' ')}`;
      expect(await cluster.run(['sh', '-c', masked])).toMatchObject({ exitCode: 0 });
      expect(statSync(object).mode & 0o777).toBe(0o600);
      expect(statSync(object).mtimeMs).toBeGreaterThanOrEqual(before - 10);
      chmodSync(object, 0o664);
      expect(await compileAt(cluster)).toBe('cache');
      const kept = statSync(object).mode & 0o777;
      chmodSync(object, 0o664);
      await cluster.run(compile);
      expect(statSync(object).mode & 0o777).toBe(kept);

      const { url } = JSON.parse(readFileSync(join(cluster.env['ICETS_STATE_DIR']!, 'cluster.json'), 'utf8')) as {
        url: string;
      };
      const base = dirname(cluster.folder);
      const second = {
        ICETS_SOCKET_DIR: join(base, 'sockets-2'),
        ICETS_CACHE_DIR: join(base, 'cache-2'),
        ICETS_STATE_DIR: join(base, 'state-2'),
        ICETS_TOKEN_FILE: join(cluster.env['ICETS_STATE_DIR']!, 'cluster.token'),
        ICETS_SCHEDULER: url,
      };
      try {
        expect(await compileAt(cluster, compile, second)).toBe('cache');
        expect(await sameAsPlain(cluster)).toBe(true);
      } finally {
        await cluster.run([icets, 'agent', '--stop'], { env: second });
      }

      writeFileSync(join(cluster.folder, 'a.c'), 'const char *f(void) { return __DATE__; }\n');
      expect(await compileAt(cluster)).toBe('remote');
      const stats = await cluster.run([icets, 'cache', 'stats', '--json']);
      expect(JSON.parse(stats.stdout)).toMatchObject({
        agent: { hits: 2, misses: 1, unproven: 0, evicted: 0, notCacheable: { 'no-cache': 3, 'time-macro': 1 } },
        cluster: { results: { entries: 1, hits: 3, misses: 1, evicted: 0, rejected: 0 } },
      });

      expect(await cluster.run([icets, 'cache', 'gc', '--max-size', 'much'])).toMatchObject({ exitCode: 2 });
      expect(await cluster.run([icets, 'cache', 'gc'])).toMatchObject({ exitCode: 2 });
      expect((await cluster.run([icets, 'cache', 'gc', '--older-than', '1h'])).stdout).toMatch(/^removed 0 results/);
      expect((await cluster.run([icets, 'cache', 'gc', '--max-size', '0'])).stdout).toMatch(/^removed 1 results/);
      expect((await results(cluster)).entries).toBe(0);
    });
  });

  test('outlive what is installed beside the files that were read, but not what the source asks for', async () => {
    await withCluster({ workers: 1 }, async (cluster) => {
      const prefix = join(cluster.folder, 'prefix');
      const printed = async (...what: string[]) => (await cluster.run(['gcc', ...what])).stdout.trim();
      const parts = dirname(await printed('-print-prog-name=cc1'));
      mkdirSync(join(prefix, 'bin'), { recursive: true });
      cpSync('/usr/bin/gcc', join(prefix, 'bin/gcc'), { dereference: true });
      const copied = join(prefix, parts.slice('/usr/'.length));
      mkdirSync(copied, { recursive: true });
      for (const name of ['cc1', 'include']) {
        cpSync(join(parts, name), join(copied, name), { recursive: true, dereference: true });
      }
      const argv = [join(prefix, 'bin/gcc'), ...compile.slice(1)];
      writeFileSync(
        join(cluster.folder, 'a.c'),
        '#include <stddef.h>\n#if __has_include(<later.h>)\nsize_t later;\n#endif\nsize_t size(void) { return sizeof(int); }\n',
      );
      expect(await compileAt(cluster, argv)).toBe('remote');
      expect(await compileAt(cluster, argv)).toBe('cache');
      writeFileSync(join(copied, 'include/unrelated.h'), '#error unrelated\n');
      expect(await compileAt(cluster, argv)).toBe('cache');
      writeFileSync(join(copied, 'include/later.h'), '');
      expect(await compileAt(cluster, argv)).toBe('remote');
      expect(await sameAsPlain(cluster, argv)).toBe(true);
      rmSync(join(copied, 'include/later.h'));
      expect(await compileAt(cluster, argv)).toBe('cache');
      expect(await sameAsPlain(cluster, argv)).toBe(true);
    });
  });

  test('are not believed when their dependency list is not the predicted one', async () => {
    await withCluster({ workers: 1, coldCache: true }, async (cluster) => {
      writeFileSync(join(cluster.folder, 'a.c'), 'int f(void) { return 1; }\n');
      expect(await compileAt(cluster)).toBe('remote');
      expect(await compileAt(cluster)).toBe('cache');
      await cluster.run([icets, 'down']);
      await poison(join(cluster.env['ICETS_CACHE_DIR']!, 'scheduler'), 'a.d', 'a.o: a.c nowhere.h\n');
      const up = await cluster.run([icets, 'up', '--workers', '1']);
      expect(up.stderr).toBe('');
      expect(await compileAt(cluster)).toBe('remote');
      expect(await sameAsPlain(cluster)).toBe(true);
      expect(await results(cluster)).toMatchObject({ entries: 1, rejected: 1 });
      expect(await compileAt(cluster)).toBe('cache');
      expect(await sameAsPlain(cluster)).toBe(true);
    });
  });
});

/** Gives every kept result of a scheduler that does not run another content for one of its outputs. */
async function poison(folder: string, output: string, content: string): Promise<void> {
  const bytes = Buffer.from(content);
  const digest = digestOf(bytes);
  const store = await openDiskStore({
    dir: join(folder, 'store'),
    limitBytes: 1e9,
    clock: systemClock,
    log: silentLog,
  });
  if (!store.ok) throw new Error(store.error.message);
  expect((await store.value.write(digest, bytes)).ok).toBe(true);
  await store.value.close();
  const dir = join(folder, 'actions');
  expect(readdirSync(dir)).toContain('lmdb');
  const database = open<Buffer, string>({ path: join(dir, 'lmdb'), encoding: 'binary', maxDbs: 2 });
  const keys = [...database.openDB<Buffer, string>({ name: 'results', encoding: 'binary' }).getKeys()];
  await database.close();
  expect(keys).toHaveLength(1);
  const cache = await openActionCache({ dir, limitBytes: 1e9, clock: systemClock, log: silentLog });
  if (!cache.ok) throw new Error(cache.error.message);
  for (const key of keys) {
    const [hash = '', size] = key.split('/');
    const found = await cache.value.get(parseDigest({ hash, sizeBytes: Number(size) })!);
    if (!found.ok || found.value === undefined) throw new Error(`no result under ${key}`);
    const outputFiles = found.value.outputFiles.map((file) => (file.path === output ? { ...file, digest } : file));
    expect(outputFiles).not.toEqual(found.value.outputFiles);
    const put = await cache.value.put(parseDigest({ hash, sizeBytes: Number(size) })!, { ...found.value, outputFiles });
    expect(put.ok).toBe(true);
  }
  await cache.value.close();
}
