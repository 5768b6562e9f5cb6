// What an action may not do: change the store, see the worker, reach the network, write or be collected outside.
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Directory, encodeDirectory } from '../../src/model/action.ts';
import { digestOf, type Digest } from '../../src/model/digest.ts';
import type { LeaseOutcome } from '../../src/model/worker-pool.ts';
import { addShell, InputRootBuilder, type SampleCommand } from '../support/input-root.ts';
import { openWorkerBench, type WorkerBench } from '../support/worker-bench.ts';

describe('isolation of an action', () => {
  let bench: WorkerBench;

  beforeAll(async () => {
    bench = await openWorkerBench();
  });

  afterAll(async () => {
    await bench.close();
  });

  function shellRoot(): InputRootBuilder {
    const root = new InputRootBuilder();
    addShell(root);
    return root.directory('/project');
  }

  async function run(root: InputRootBuilder, command: SampleCommand, mounts: string[] = []) {
    const action = root.action({ cwd: 'project', ...command });
    await root.storeIn(bench.blobs);
    return bench.lease(action, { mounts });
  }

  async function script(root: InputRootBuilder, text: string, outputs: string[] = [], mounts: string[] = []) {
    const done = await run(root, { argv: ['sh', '-c', text], outputs }, mounts);
    if (!done.ok) throw new Error(`${done.error.reason}: ${done.error.message}`);
    return said(done.value);
  }

  function said({ result }: LeaseOutcome) {
    return {
      exitCode: result.exitCode,
      stdout: result.stdoutRaw.toString(),
      stderr: result.stderrRaw.toString(),
      outputs: new Map(result.outputFiles.map((file) => [file.path, file.contents.toString()])),
      files: result.outputFiles,
    };
  }

  async function storedBytes(digest: Digest, executable = false) {
    const path = await bench.store.pathFor(digest, { executable });
    if (!path.ok) throw new Error(path.error.message);
    return {
      bytes: readFileSync(path.value),
      mode: statSync(path.value).mode & 0o777,
      mtime: statSync(path.value).mtimeMs,
    };
  }

  test('changing every input fails, or hits a copy, and leaves the store and later actions as they were', async () => {
    const root = shellRoot()
      .file('/src/linked', 'linked')
      .file('/src/tool', 'tool', { executable: true })
      .file('/tree/in/mount', 'mounted')
      .file('/project/near', 'near the output')
      .file('/project/deep/below', 'below the output');
    const attack = `for f in /src/linked /src/tool /tree/in/mount /project/near /project/deep/below /usr/bin/cat; do
      chmod 777 $f; echo evil > $f; touch $f; rm -f $f; mv $f $f.moved; done; echo done > out`;
    const outcome = await script(root, attack, ['out'], ['/tree']);
    expect(outcome.outputs.get('out')).toBe('done\n');
    for (const [text, executable] of [
      ['linked', false],
      ['tool', true],
      ['mounted', false],
      ['near the output', false],
      ['below the output', false],
    ] as const) {
      const stored = await storedBytes(digestOf(Buffer.from(text)), executable);
      expect(stored).toEqual({ bytes: Buffer.from(text), mode: executable ? 0o555 : 0o444, mtime: 1000 });
    }
    const again = await script(
      root,
      'cat /src/linked /src/tool /tree/in/mount near deep/below; ls /src /tree/in . deep',
      [],
      ['/tree'],
    );
    expect(again.stdout).toBe(
      'linkedtoolmountednear the outputbelow the output.:\ndeep\nnear\n\n/src:\nlinked\ntool\n\n/tree/in:\nmount\n\ndeep:\nbelow\n',
    );
  });

  test('an action is not root, has no rights, and sees only its inputs', async () => {
    const outcome = await script(
      shellRoot(),
      `id -u; cat /etc/passwd; ls -a / /dev; cat /proc/self/status; ls /proc; mkdir /x; touch /usr/x; touch /src`,
    );
    expect(outcome.stdout).toMatch(/^1000\n/);
    expect(outcome.stderr).toMatch(/\/etc\/passwd.*No such file/);
    expect(outcome.stderr).toMatch(/mkdir: .*Read-only file system/);
    expect(outcome.stderr.match(/touch: .*Read-only file system/g)).toHaveLength(2);
    expect(outcome.stdout).toMatch(/^CapEff:\t0000000000000000$/m);
    expect(outcome.stdout).toMatch(/^CapBnd:\t0000000000000000$/m);
    expect(outcome.stdout).toMatch(/^NoNewPrivs:\t1$/m);
    const seen = outcome.stdout.slice(0, outcome.stdout.indexOf('Name:')).split('\n');
    expect(seen.filter((name) => ['home', 'root', 'etc', 'var', 'project'].includes(name))).toEqual(['project']);
    expect(seen.slice(seen.indexOf('/dev:')).filter((name) => /^[a-z]/.test(name))).toEqual([
      'null',
      'urandom',
      'zero',
    ]);
    // Only its own processes: bubblewrap's first one, the shell, ls.
    expect(outcome.stdout.split('\n').filter((name) => /^[0-9]+$/.test(name)).length).toBeLessThanOrEqual(4);
  });

  test('an action cannot make a user namespace of its own', async () => {
    const root = shellRoot();
    root.program('/usr/bin/unshare');
    const outcome = await script(root, 'unshare -Ur true');
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toMatch(/unshare failed/);
  });

  test('the environment is the declared one, and reaches no program outside', async () => {
    const root = shellRoot();
    const env = { PATH: '/usr/bin', LD_PRELOAD: '/nowhere.so', A: 'with space', '': 'x' };
    const refused = await run(root, { argv: ['env'], env });
    expect(refused).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
    const { PATH, LD_PRELOAD, A } = env;
    const done = await run(root, { argv: ['env'], env: { PATH, LD_PRELOAD, A, PWD: '/false' } });
    if (!done.ok) throw new Error(done.error.message);
    const { stdout, stderr } = said(done.value);
    expect(stdout.trim().split('\n').sort()).toEqual([
      'A=with space',
      'LD_PRELOAD=/nowhere.so',
      'PATH=/usr/bin',
      'PWD=/project',
    ]);
    // The loader of the program inside complains once; bubblewrap did not see the variable.
    expect(stderr.match(/nowhere/g)).toHaveLength(1);
  });

  test('there is no network, not even to the worker itself', async () => {
    let connections = 0;
    const server = createServer(() => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const root = shellRoot();
    root.program('/usr/bin/bash');
    const done = await run(root, {
      argv: ['bash', '-c', `echo hello > /dev/tcp/127.0.0.1/${port}; cat /proc/net/dev`],
    });
    server.close();
    if (!done.ok) throw new Error(done.error.message);
    expect(said(done.value).stderr).toMatch(/refused|unreachable/);
    expect(connections).toBe(0);
    expect(
      said(done.value)
        .stdout.split('\n')
        .filter((line) => line.includes(':')).length,
    ).toBe(1);
  });

  test.each([
    ['a symlink', 'ln -s /etc/passwd out'],
    ['a dangling symlink', 'ln -s nowhere out'],
    ['a FIFO', 'mkfifo out'],
    ['a directory', 'mkdir out'],
  ])('%s in place of an output is refused', async (_what, text) => {
    const done = await run(shellRoot(), { argv: ['sh', '-c', text], outputs: ['out'] });
    expect(done).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
  });

  test.each([
    '/project/out',
    '../../out',
    'a/../../../out',
    '..',
    '.',
    '',
    'a/',
    'a/..',
    '../out',
    '../dev/out',
    '../proc/self/x',
  ])('the output path %j is refused', async (path) => {
    const done = await run(shellRoot(), { argv: ['sh', '-c', 'exit 0'], outputs: [path] });
    expect(done).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
  });

  test('a symlink in the inputs that points at a folder of the worker leads an output to that path of the sandbox', async () => {
    const outside = join(bench.folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'present'), 'secret');
    const root = shellRoot().symlink('/project/link', outside).symlink('/project/etc', '/etc');
    const outcome = await script(root, 'echo x > link/out; ls link/; ls etc/', ['link/out']);
    expect(outcome.outputs.get('link/out')).toBe('x\n');
    expect(outcome.stdout).toBe('out\n');
    expect(outcome.stderr).toMatch(/etc/);
    expect(readdirSync(outside)).toEqual(['present']);
  });

  test('a symlinked working directory keeps its name in PWD and its outputs', async () => {
    const root = shellRoot().directory('/real/build').symlink('/link', 'real');
    const action = root.action({
      argv: ['sh', '-c', 'echo $PWD > out; cd -P .; echo $PWD >> out'],
      env: { PATH: '/usr/bin', PWD: '/link/build' },
      cwd: 'link/build',
      outputs: ['out'],
    });
    await root.storeIn(bench.blobs);
    const done = await bench.lease(action);
    if (!done.ok) throw new Error(done.error.message);
    expect(said(done.value).outputs.get('out')).toBe('/link/build\n/real/build\n');
  });

  test('writable directories nest, their inputs are there, and parents of outputs exist', async () => {
    const root = shellRoot()
      .file('/project/a/b/input', 'b')
      .file('/project/a/other/input', 'other')
      .file('/project/input', 'top');
    const outcome = await script(
      root,
      'cat input a/b/input a/other/input > out; cp a/b/input a/b/c/copy; echo no > a/other/input; echo no > a/x; exit 0',
      ['out', 'a/b/c/copy', 'a/b/made'],
    );
    expect(outcome.outputs).toEqual(
      new Map([
        ['out', 'topbother'],
        ['a/b/c/copy', 'b'],
      ]),
    );
    expect(outcome.stderr.match(/Read-only file system/g)).toHaveLength(2);
  });

  test('a project below /tmp is there, beside a private writable /tmp', async () => {
    const root = shellRoot().file('/tmp/project/src/a.c', 'source').file('/tmp/loose.h', 'loose');
    const action = root.action({
      argv: ['sh', '-c', 'cat src/a.c ../loose.h > build/out; echo x > /tmp/cc1.s; ls /tmp'],
      cwd: 'tmp/project',
      outputs: ['build/out'],
    });
    await root.storeIn(bench.blobs);
    const done = await bench.lease(action);
    if (!done.ok) throw new Error(done.error.message);
    expect(said(done.value).outputs.get('build/out')).toBe('sourceloose');
    expect(said(done.value).stdout).toBe('cc1.s\nloose.h\nproject\n');
    expect(existsSync('/tmp/cc1.s')).toBe(false);
  });

  test('no two input paths share an inode, in one root, in a mount, or across them', async () => {
    const same = 'same text';
    const root = shellRoot();
    for (const path of ['/a/x.h', '/b/x.h', '/m/x.h', '/m/y.h', '/n/x.h', '/n/y.h', '/project/x.h'])
      root.file(path, same);
    const paths = '/a/x.h /b/x.h /m/x.h /m/y.h /n/x.h /n/y.h /project/x.h';
    const outcome = await script(root, `stat -c '%d:%i %Y' ${paths}; : > out`, ['out'], ['/m', '/n']);
    const lines = outcome.stdout.trim().split('\n');
    expect(lines).toHaveLength(7);
    expect(new Set(lines).size).toBe(7);
    expect(new Set(lines.map((line) => line.split(' ')[1]))).toEqual(new Set(['1']));
  });

  test('a file has the time that the submitter gave it, alone and inside a mount', async () => {
    const root = shellRoot()
      .file('/a/x.h', 'x', { mtimeNs: 1_700_000_000_500_000_000n })
      .file('/m/x.h', 'x', { mtimeNs: 1_600_000_000_000_000_000n })
      .file('/project/x.h', 'x', { mtimeNs: 1_500_000_000_000_000_000n });
    const outcome = await script(root, 'stat -c %Y /a/x.h /m/x.h x.h', ['out'], ['/m']);
    expect(outcome.stdout).toBe('1700000000\n1600000000\n1500000000\n');
  });

  test('a mount gives way when an output lies in it', async () => {
    const root = shellRoot().file('/m/sub/x.h', 'x').file('/m/y.h', 'y');
    const outcome = await script(root, 'cat /m/sub/x.h /m/y.h > /m/sub/out', ['../m/sub/out'], ['/m']);
    expect(outcome.outputs.get('../m/sub/out')).toBe('xy');
  });

  test('the executable bit comes back, and inputs have theirs', async () => {
    const root = shellRoot().file('/project/tool', '#!/bin/sh\necho ran > out\n', { executable: true });
    const outcome = await script(root, './tool; chmod +x out; : > plain', ['out', 'plain']);
    expect(outcome.files.map(({ path, isExecutable }) => [path, isExecutable])).toEqual([
      ['out', true],
      ['plain', false],
    ]);
  });

  test.each([
    ['a slash', 'a/b'],
    ['two dots', '..'],
    ['one dot', '.'],
    ['nothing', ''],
    ['a NUL', 'a\0b'],
    ['too much', 'n'.repeat(256)],
  ])('a name of an input with %s is refused, as file, link and directory', async (_what, name) => {
    const root = shellRoot();
    const digest = root.put(Buffer.from('x')).digest;
    const empty = encodeDirectory(Directory.fromPartial({}));
    root.put(empty.bytes);
    for (const message of [
      { files: [{ name, digest }] },
      { symlinks: [{ name, target: '/' }] },
      { directories: [{ name, digest: empty.digest }] },
    ]) {
      const hostile = root.put(encodeDirectory(Directory.fromPartial(message)).bytes);
      const action = root.actionOn(hostile.digest, { argv: ['true'] });
      await root.storeIn(bench.blobs);
      expect(await bench.lease(action)).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
    }
  });

  test('a name that is a link and a directory at once is refused, so nothing is written through it', async () => {
    const root = shellRoot();
    const file = root.put(Buffer.from('x'));
    const below = root.put(
      encodeDirectory(Directory.fromPartial({ files: [{ name: 'f', digest: file.digest }] })).bytes,
    );
    const hostile = root.put(
      encodeDirectory(
        Directory.fromPartial({
          symlinks: [{ name: 'd', target: bench.folder }],
          directories: [{ name: 'd', digest: below.digest }],
        }),
      ).bytes,
    );
    const action = root.actionOn(hostile.digest, { argv: ['true'] });
    await root.storeIn(bench.blobs);
    expect(await bench.lease(action)).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
    expect(existsSync(join(bench.folder, 'f'))).toBe(false);
  });

  test('a tree that unfolds to billions of entries is refused at once', async () => {
    const root = shellRoot();
    let digest = root.put(encodeDirectory(Directory.fromPartial({})).bytes).digest;
    for (let level = 0; level < 40; level++) {
      const directories = [
        { name: 'a', digest },
        { name: 'b', digest },
      ];
      digest = root.put(encodeDirectory(Directory.fromPartial({ directories })).bytes).digest;
    }
    const action = root.actionOn(digest, { argv: ['true'] });
    await root.storeIn(bench.blobs);
    expect(await bench.lease(action)).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
  });

  test('an action that takes the rights from its own folders leaves nothing behind', async () => {
    await script(shellRoot(), 'mkdir -p d/e; echo x > d/e/f; chmod 0 d/e d; exit 0', ['out']);
    const work = join(bench.folder, 'work');
    expect(readdirSync(join(work, 'actions'))).toEqual([]);
    await bench.worker.close();
    expect(readdirSync(join(work, 'trash'))).toEqual([]);
  });
});
