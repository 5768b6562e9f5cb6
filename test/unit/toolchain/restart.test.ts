import { chmodSync, copyFileSync, readFileSync, realpathSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Processes } from '../../../src/model/processes.ts';
import { findProgram } from '../../../src/toolchain/program-path.ts';
import type { ToolchainPackage } from '../../../src/toolchain/toolchain-package.ts';
import { Toolchains } from '../../../src/toolchain/toolchains.ts';
import { childProcesses } from '../../support/child-processes.ts';
import { scanParts } from '../../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('restart');
});
afterEach(() => scratch.remove());

const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C' };
const has = (name: string) => findProgram(name, '/', env.PATH) !== undefined;
const withGcc = has('gcc') ? test : test.skip;
const withClang = has('clang') ? test : test.skip;
/** a clock by which every file is old enough */
const later = () => Date.now() + 60_000;

interface Agent {
  readonly toolchains: Toolchains;
  readonly runs: readonly string[];
  readonly packageOf: (compiler: string, env?: Readonly<Record<string, string>>) => Promise<ToolchainPackage>;
}

/** One life of an agent over the scratch folder's cache. */
function agent({ version = '1', nowMs = later }: { version?: string; nowMs?: () => number } = {}): Agent {
  const runs: string[] = [];
  const processes: Processes = {
    run: (spec, options) => {
      runs.push(spec.argv.join(' '));
      return childProcesses.run(spec, options);
    },
  };
  const { digests, snapshots, trees } = scanParts(`${scratch.path}/cache`);
  const cacheFolder = `${scratch.path}/cache/toolchains`;
  const toolchains = new Toolchains({ processes, digests, snapshots, trees, cacheFolder, version, nowMs });
  return {
    toolchains,
    runs,
    async packageOf(compiler, packageEnv = env) {
      const identity = await toolchains.identify({ compiler, cwd: scratch.path, env: packageEnv });
      if (!identity.ok) throw new Error(identity.error.message);
      const made = await toolchains.package(identity.value, packageEnv);
      if (!made.ok) throw new Error(made.error.message);
      await toolchains.saved();
      return made.value;
    },
  };
}

const learnedFile = () => `${scratch.path}/cache/toolchains/learned`;

/** A compiler in a prefix of its own, whose driver finds the compiler proper by a link. */
function ownGcc(): string {
  copyFileSync(realpathSync(findProgram('gcc', '/', env.PATH) ?? ''), scratch.write('opt/bin/gcc', ''));
  chmodSync(`${scratch.path}/opt/bin/gcc`, 0o755);
  scratch.folder('opt/lib');
  scratch.link('opt/lib/gcc', '/usr/lib/gcc');
  scratch.link('opt/libexec', '/usr/libexec');
  return './opt/bin/gcc';
}

describe('an agent that starts again', () => {
  withGcc('runs no program to know gcc, and has the same package', async () => {
    const before = await agent().packageOf('gcc');
    const next = agent();
    const after = await next.packageOf('gcc');
    expect(next.runs).toEqual([]);
    expect(after.id).toEqual(before.id);
    expect(after.compiler).toEqual(before.compiler);
    expect(after.environment).toEqual(before.environment);
    const digests = (made: ToolchainPackage) => made.blobs().map(({ digest }) => digest.hash);
    expect(digests(after).sort()).toEqual(digests(before).sort());
    expect(await next.toolchains.stillCurrent(after)).toBe(true);
  });

  withClang('runs no program to know clang either', async () => {
    const before = await agent().packageOf('clang++');
    const next = agent();
    expect((await next.packageOf('clang++')).id).toEqual(before.id);
    expect(next.runs).toEqual([]);
  });

  withGcc('notices that the compiler was replaced in the meantime', async () => {
    const compiler = ownGcc();
    const before = await agent().packageOf(compiler);
    const program = `${scratch.path}/opt/bin/gcc`;
    writeFileSync(program, Buffer.concat([readFileSync(program), Buffer.from('another build')]));
    const next = agent();
    const after = await next.packageOf(compiler);
    expect(next.runs).not.toEqual([]);
    expect(after.id).not.toEqual(before.id);
  });

  withGcc('notices a program that appeared where the driver looks first', async () => {
    scratch.folder('private');
    const path = { ...env, PATH: `${scratch.path}/private:${env.PATH}` };
    await agent().packageOf('gcc', path);
    scratch.link('private/as', '/usr/bin/as');
    const next = agent();
    const after = await next.packageOf('gcc', path);
    expect(next.runs).not.toEqual([]);
    expect(after.environment['PATH']).toContain(`${scratch.path}/private`);
  });

  withGcc('asks again where the libraries are looked for in another folder, or a library came into it', async () => {
    const folder = scratch.folder('libraries');
    const withFolder = { ...env, LD_LIBRARY_PATH: folder };
    await agent().packageOf('gcc');
    const second = agent();
    await second.packageOf('gcc', withFolder);
    expect(second.runs).not.toEqual([]);
    scratch.write('libraries/libunrelated.so', '');
    const third = agent();
    await third.packageOf('gcc', withFolder);
    expect(third.runs).not.toEqual([]);
  });

  withGcc('asks again when the compiler was so young that it could change without a new time', async () => {
    const compiler = ownGcc();
    await agent({ nowMs: Date.now }).packageOf(compiler);
    const next = agent();
    await next.packageOf(compiler);
    expect(next.runs).not.toEqual([]);
  });

  withGcc('asks again when its memory is damaged, cut short or of another version', async () => {
    await agent().packageOf('gcc');
    const bytes = readFileSync(learnedFile());
    const damages: (() => void)[] = [
      () =>
        writeFileSync(
          learnedFile(),
          bytes.map((byte, at) => (at === bytes.length - 20 ? byte ^ 1 : byte)),
        ),
      () => truncateSync(learnedFile(), bytes.length - 100),
      () => truncateSync(learnedFile(), 0),
    ];
    for (const damage of damages) {
      damage();
      const next = agent();
      await next.packageOf('gcc');
      expect(next.runs).not.toEqual([]);
    }
    const other = agent({ version: '2' });
    await other.packageOf('gcc');
    expect(other.runs).not.toEqual([]);
  });
});

describe('a running agent', () => {
  withGcc(
    'asks again when a library came into a folder of the search path, and goes on believing results',
    async () => {
      const withFolder = { ...env, LD_LIBRARY_PATH: scratch.folder('libraries') };
      const { packageOf, runs, toolchains } = agent();
      const before = await packageOf('gcc', withFolder);
      const asked = runs.length;
      expect(await packageOf('gcc', withFolder)).toBe(before);
      expect(runs.length).toBe(asked);
      scratch.write('libraries/libunrelated.so', '');
      expect(await toolchains.stillCurrent(before)).toBe(true);
      expect((await packageOf('gcc', withFolder)).id).toEqual(before.id);
      expect(runs.length).toBeGreaterThan(asked);
    },
  );
});
