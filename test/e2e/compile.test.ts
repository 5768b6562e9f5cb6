import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { icets, withCluster, type IcetsCluster } from '../support/icets-cluster.ts';

const unit = `#include <vector>
#include <string>
#include "lib/value.h"
std::vector<std::string> names(int n) { std::vector<std::string> v; for (int i = 0; i < n + VALUE; i++) v.push_back("x"); return v; }
`;

function writeProject(folder: string): void {
  mkdirSync(join(folder, 'lib'), { recursive: true });
  writeFileSync(join(folder, 'a.cc'), unit);
  writeFileSync(join(folder, 'lib/value.h'), '#pragma once\n#define VALUE 3\n');
}

/** Compiles plainly, keeps the outputs' bytes, removes them, compiles through icets, and compares. */
async function sameAsPlain(
  cluster: IcetsCluster,
  cwd: string,
  argv: readonly string[],
  outputs: readonly string[],
): Promise<void> {
  const plain = await cluster.run(argv, { cwd });
  const expected = outputs.map((name) => readFileSync(join(cwd, name)));
  for (const name of outputs) rmSync(join(cwd, name));
  const distributed = await cluster.run([icets, ...argv], { cwd });
  expect(distributed).toEqual(plain);
  outputs.forEach((name, i) => {
    expect({ name, same: readFileSync(join(cwd, name)).equals(expected[i]!) }).toEqual({ name, same: true });
  });
}

async function placeOf(cluster: IcetsCluster, cwd: string, output: string): Promise<string> {
  const explained = await cluster.run([icets, 'explain', '--json', output], { cwd });
  const record = JSON.parse(explained.stdout) as { place: { kind: string; reason?: string; detail?: string } };
  return record.place.kind === 'local' ? `local: ${record.place.reason} ${record.place.detail}` : record.place.kind;
}

describe('a compile through icets', () => {
  test('gives the bytes of the plain compiler, from a worker and then from the cache', async () => {
    await withCluster({ workers: 1 }, async (cluster) => {
      writeProject(cluster.folder);
      const argv = ['g++', '-O2', '-g', '-MD', '-MF', 'a.d', '-c', 'a.cc', '-o', 'a.o'];
      await sameAsPlain(cluster, cluster.folder, argv, ['a.o', 'a.d']);
      expect(await placeOf(cluster, cluster.folder, 'a.o')).toBe('remote');
      await sameAsPlain(cluster, cluster.folder, argv, ['a.o', 'a.d']);
      expect(await placeOf(cluster, cluster.folder, 'a.o')).toBe('cache');
    });
  });

  test('shows a warning, an error and a missing header as the plain compiler does', async () => {
    await withCluster({ workers: 1 }, async (cluster) => {
      writeFileSync(join(cluster.folder, 'warn.c'), 'int f(void) { int unused; return 0; }\n');
      writeFileSync(join(cluster.folder, 'error.c'), '#error no\nint f(void) { return x; }\n');
      writeFileSync(join(cluster.folder, 'missing.c'), '#include "nowhere.h"\n');
      await sameAsPlain(cluster, cluster.folder, ['gcc', '-Wall', '-c', 'warn.c'], ['warn.o']);
      expect(await placeOf(cluster, cluster.folder, 'warn.o')).toBe('remote');
      await sameAsPlain(cluster, cluster.folder, ['gcc', '-c', 'error.c'], []);
      await sameAsPlain(cluster, cluster.folder, ['gcc', '-c', 'missing.c'], []);
    });
  });

  test.each([
    ['gcc', '', 0o600],
    ['gcc', 'old', 0o644],
    ['clang', 'old', 0o644],
  ])('leaves the mode of an object that exists as %s does (content "%s")', async (compiler, content, expected) => {
    await withCluster({ workers: 1 }, async (cluster) => {
      writeFileSync(join(cluster.folder, 'a.c'), 'int f(void) { return 1; }\n');
      const object = join(cluster.folder, 'a.o');
      const modeAfter = async (argv: readonly string[]) => {
        rmSync(object, { force: true });
        writeFileSync(object, content);
        chmodSync(object, 0o600);
        expect((await cluster.run(argv)).exitCode).toBe(0);
        return statSync(object).mode & 0o777;
      };
      expect(await modeAfter([compiler, '-c', 'a.c', '-o', 'a.o'])).toBe(expected);
      expect(await modeAfter([icets, compiler, '-c', 'a.c', '-o', 'a.o'])).toBe(expected);
      expect(await placeOf(cluster, cluster.folder, 'a.o')).toBe('remote');
    });
  });

  test('works below a symlinked folder with spaces', async () => {
    await withCluster({ workers: 1 }, async (cluster) => {
      const real = join(cluster.folder, 'real folder');
      writeProject(real);
      symlinkSync(real, join(cluster.folder, 'link'));
      const cwd = join(cluster.folder, 'link');
      const run = await cluster.run([icets, 'g++', '-g', '-c', 'a.cc', '-o', 'a.o'], { cwd, env: { PWD: cwd } });
      expect(run).toEqual({ exitCode: 0, signal: undefined, stdout: '', stderr: '' });
      expect(await placeOf(cluster, cwd, join(real, 'a.o'))).toBe('remote');
      const distributed = readFileSync(join(real, 'a.o'));
      await cluster.run(['g++', '-g', '-c', 'a.cc', '-o', 'a.o'], { cwd, env: { PWD: cwd } });
      expect(readFileSync(join(real, 'a.o')).equals(distributed)).toBe(true);
    });
  });

  test('runs locally, with the same result, when there is no cluster', async () => {
    await withCluster({ workers: 0 }, async (cluster) => {
      writeProject(cluster.folder);
      await sameAsPlain(cluster, cluster.folder, ['g++', '-c', 'a.cc', '-o', 'a.o'], ['a.o']);
      expect(await placeOf(cluster, cluster.folder, 'a.o')).toMatch(/^local: no-cluster/);
    });
  });
});
