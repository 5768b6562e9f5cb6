// A real compiler in the sandbox: the same bytes as the local compile at the same path.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Toolchain } from '../../src/model/action.ts';
import { addGcc, InputRootBuilder } from '../support/input-root.ts';
import { openWorkerBench, type WorkerBench } from '../support/worker-bench.ts';

const source = `#include <vector>
#include "sum.h"
int sum(const std::vector<int>& all) { int s = 0; for (int one : all) s += one; return s; }
`;
const argv = ['g++', '-g', '-O1', '-MD', '-MF', 'build/sum.d', '-c', 'src/sum.cc', '-o', 'build/sum.o'];
const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };

describe('gcc in the sandbox', () => {
  let bench: WorkerBench;
  let project: string;
  let root: InputRootBuilder;
  let mounts: string[];
  let passed = 0;
  let started = 0;

  beforeAll(async () => {
    bench = await openWorkerBench();
    project = mkdtempSync(join(tmpdir(), 'a project with spaces-'));
    mkdirSync(join(project, 'src'));
    mkdirSync(join(project, 'build'));
    writeFileSync(join(project, 'src/sum.cc'), source);
    writeFileSync(join(project, 'src/sum.h'), '#pragma once\n#include <vector>\nint sum(const std::vector<int>&);\n');
    root = new InputRootBuilder();
    mounts = [...addGcc(root).mounts];
    root.host(join(project, 'src/sum.cc')).host(join(project, 'src/sum.h')).directory(join(project, 'build'));
  });

  afterAll(async () => {
    const keep = passed < started;
    if (keep) console.log(`kept: ${bench.folder} and ${project}`);
    await bench.close({ keep });
    if (!keep) rmSync(project, { recursive: true });
  });

  test('an object, its depfile and its debug information equal those of a local compile', async () => {
    started += 1;
    const action = root.action({
      argv,
      env,
      cwd: project.slice(1),
      outputs: ['build/sum.o', 'build/sum.d', 'build/none'],
    });
    await root.storeIn(bench.blobs);
    const done = await bench.lease(action, { mounts });
    if (!done.ok) throw new Error(`${done.error.reason}: ${done.error.message}`);
    const { result, timings } = done.value;
    expect(result.stderrRaw.toString()).toBe('');
    expect(result.exitCode).toBe(0);
    execFileSync('g++', argv.slice(1), { cwd: project, env });
    expect(result.outputFiles.map(({ path }) => path)).toEqual(['build/sum.o', 'build/sum.d']);
    for (const file of result.outputFiles) {
      expect(file.contents.equals(readFileSync(join(project, file.path)))).toBe(true);
      expect(file.isExecutable).toBe(false);
      expect((await bench.blobs.findMissing([file.digest as never])).ok).toBe(true);
    }
    expect(timings.runUs).toBeGreaterThan(0);
    passed += 1;
  });

  test('a compile error is a result with the words and the status of the local compiler', async () => {
    started += 1;
    const wrong = 'int f() { return undeclared; }\n';
    writeFileSync(join(project, 'src/wrong.cc'), wrong);
    root.host(join(project, 'src/wrong.cc'));
    const failing = ['g++', '-c', 'src/wrong.cc', '-o', 'build/wrong.o'];
    const action = root.action({ argv: failing, env, cwd: project.slice(1), outputs: ['build/wrong.o'] });
    await root.storeIn(bench.blobs);
    const done = await bench.lease(action, { mounts });
    if (!done.ok) throw new Error(`${done.error.reason}: ${done.error.message}`);
    const local = spawnSync('g++', failing.slice(1), { cwd: project, env });
    expect(done.value.result.exitCode).toBe(local.status);
    expect(done.value.result.stderrRaw.toString()).toBe(local.stderr.toString());
    expect(done.value.result.outputFiles).toEqual([]);
    passed += 1;
  });

  test('a toolchain is tried before its first action, once, and a broken one is refused', async () => {
    started += 1;
    const probeArgv = ['g++', '-c', 'probe.cc', '-o', 'probe.o'];
    root.file('/probe/probe.cc', 'int probe() { return 42; }\n');
    const probe = root.action({ argv: probeArgv, env, cwd: 'probe', outputs: ['probe.o'] });
    mkdirSync(join(project, 'probe'));
    writeFileSync(join(project, 'probe/probe.cc'), 'int probe() { return 42; }\n');
    execFileSync('g++', probeArgv.slice(1), { cwd: join(project, 'probe'), env });
    const right = readFileSync(join(project, 'probe/probe.o'));
    const toolchain = (contents: Buffer, name: string) =>
      root.put(
        Toolchain.encode(Toolchain.fromPartial({ name, probe, expected: [{ path: 'probe.o', contents }] })).finish(),
      ).digest;
    const good = toolchain(right, 'good');
    const bad = toolchain(Buffer.concat([right, Buffer.from('!')]), 'bad');
    const action = root.action({ argv, env, cwd: project.slice(1), outputs: ['build/sum.o'] });
    await root.storeIn(bench.blobs);
    const both = await Promise.all([1, 2].map(() => bench.lease(action, { mounts, toolchain: good })));
    expect(both.map(({ ok }) => ok)).toEqual([true, true]);
    const refused = await bench.lease(action, { mounts, toolchain: bad });
    expect(refused).toMatchObject({ ok: false, error: { reason: 'worker-failed' } });
    expect(bench.worker.state()).toMatchObject({ toolchains: [good.hash], brokenToolchains: [bad.hash] });
    passed += 1;
  });
});
