// Real compilers packaged and run in a root that holds nothing but the package and the closure: every byte as at home.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../src/compiler/classify.ts';
import { remoteEnvironment } from '../../src/compiler/environment.ts';
import { scanParts, type ScanParts } from '../support/scan-parts.ts';
import { TreeSandbox } from '../support/tree-sandbox.ts';

const base = mkdtempSync('/tmp/icets-toolchain-e2e-');
const shared = join(base, 'shared');
mkdirSync(shared);
let passed = 0;
let expected = 0;
let parts: ScanParts;

beforeAll(() => {
  parts = scanParts(join(base, 'cache'));
});

afterAll(async () => {
  await parts.cache.save();
  if (passed === expected) rmSync(base, { recursive: true, force: true });
  else console.error(`work folder kept: ${base}`);
});

const cSource = `#include <stdio.h>
#include "own.h"
#if __has_include("maybe.h")
int maybe;
#endif
int main(int argc, char **argv) { int unused; printf("%s\\n", OWN); return 0; }
`;
const cxxSource = `#include <vector>
#include <string>
#include <algorithm>
#include "own.h"
#if __has_include("maybe.h")
int maybe;
#endif
int f(std::vector<std::string> &v) { int unused; std::sort(v.begin(), v.end()); return v.size() + sizeof OWN; }
`;

interface Compared {
  readonly object: Buffer;
  readonly depfile: string;
  readonly stderr: string;
  readonly code: number | null;
}

async function compare(
  compiler: string,
  source: string,
  text: string,
  extraArguments: readonly string[],
  extraEnv: Readonly<Record<string, string>>,
): Promise<{ plain: Compared; remote: Compared }> {
  const project = mkdtempSync(join(base, 'project with space-'));
  mkdirSync(join(project, 'inc', 'deep'), { recursive: true });
  writeFileSync(join(project, 'inc', 'own.h'), '#pragma once\n#define OWN "own"\n');
  writeFileSync(join(project, 'inc', 'maybe.h'), '\n');
  writeFileSync(join(project, source), text);
  const argv = [
    '-O2',
    '-g',
    '-Wall',
    '-Wextra',
    '-Iinc/deep/..',
    '-MD',
    '-MF',
    'out.d',
    ...extraArguments,
    '-c',
    source,
    '-o',
    'out.o',
  ];
  const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...extraEnv };

  const ran = spawnSync(compiler, argv, { cwd: project, env, encoding: 'utf8' });
  const read = (folder: string) => ({
    object: readFileSync(join(folder, 'out.o')),
    depfile: readFileSync(join(folder, 'out.d'), 'utf8'),
  });
  const plain = { ...read(project), stderr: ran.stderr, code: ran.status };
  rmSync(join(project, 'out.o'));
  rmSync(join(project, 'out.d'));

  const arrivedMs = performance.now();
  const identity = await parts.toolchains.identify({ compiler, cwd: project, env });
  if (!identity.ok) throw new Error(identity.error.message);
  const toolchain = await parts.toolchains.package(identity.value, env);
  if (!toolchain.ok) throw new Error(toolchain.error.message);
  const { family, driverLanguage, path } = identity.value;
  const compile = classifyCommand({ family, driverLanguage, argv, env, readResponseFile: () => undefined });
  if (compile.kind !== 'compile') throw new Error(`${compile.reason}: ${compile.detail}`);
  const closure = await parts.scanner.scan({
    compile,
    compiler: path,
    invokedAs: compiler,
    compilerIdentity: identity.value.identity,
    cwd: project,
    env,
    arrivedMs,
  });
  if (!closure.ok) throw new Error(`${closure.error.reason}: ${closure.error.message}`);
  const extras = { directories: [project], files: [] };
  const root = await parts.roots.assemble(toolchain.value.root, closure.value, extras, arrivedMs);
  if (!root.ok) throw new Error(`${root.error.path}: ${root.error.message}`);
  const folder = mkdtempSync(join(base, 'root-'));
  const sandbox = new TreeSandbox(root.value.root, folder, shared);
  const sandboxEnv = { ...remoteEnvironment(env, false), ...toolchain.value.environment };
  const inside = sandbox.run([compiler, ...argv], project, sandboxEnv);
  if (inside.code !== plain.code) throw new Error(`exit ${inside.code}: ${inside.stderr}`);
  const remote = { ...read(join(folder, project)), stderr: inside.stderr, code: inside.code };
  expect(await parts.scanner.unchanged(closure.value)).toBe(true);
  expect(await root.value.current()).toBe(true);
  expect(await parts.toolchains.stillCurrent(toolchain.value)).toBe(true);
  rmSync(folder, { recursive: true, force: true });
  return { plain, remote };
}

const installed = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
const compilers: [string, string, string, readonly string[]][] = [
  ['gcc', 'unit.c', cSource, []],
  ['g++', 'unit.cc', cxxSource, []],
  ['c++', 'unit.cc', cxxSource, ['-gsplit-dwarf']],
  ['clang', 'unit.c', cSource, []],
  ['clang++', 'unit.cc', cxxSource, []],
  ['clang', 'unit.c', cSource, ['-fno-integrated-as']],
  ['aarch64-linux-gnu-gcc', 'unit.c', cSource, []],
  ['/usr/bin/gcc-12', 'unit.c', cSource, []],
];

describe('a compile in the packaged root', () => {
  for (const [compiler, source, text, extra] of compilers) {
    for (const locale of ['C', 'C.UTF-8']) {
      const works = installed(compiler) ? test : test.skip;
      if (installed(compiler)) expected += 1;
      works(
        `of ${[compiler, ...extra].join(' ')} with LANG=${locale} gives object, depfile and warnings of the plain one`,
        async () => {
          const { plain, remote } = await compare(compiler, source, text, extra, { LANG: locale });
          expect(remote.code).toBe(0);
          expect(plain.stderr).toContain('unused');
          expect(remote.stderr).toBe(plain.stderr);
          expect(remote.depfile).toBe(plain.depfile);
          expect(remote.object.equals(plain.object)).toBe(true);
          passed += 1;
        },
        120_000,
      );
    }
  }
});
