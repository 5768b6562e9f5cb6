import { chmodSync, copyFileSync, realpathSync, symlinkSync, unlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Action, Command, Toolchain } from '../../../src/model/action.ts';
import { digestOf } from '../../../src/model/digest.ts';
import type { TreeNode } from '../../../src/model/tree.ts';
import { localeFiles } from '../../../src/toolchain/locale-files.ts';
import { timeZoneFiles } from '../../../src/toolchain/time-zone.ts';
import { findProgram } from '../../../src/toolchain/program-path.ts';
import { scanParts, type ScanParts } from '../../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let parts: ScanParts;
beforeEach(() => {
  scratch = scratchFolder('toolchains');
  parts = scanParts(`${scratch.path}/cache`);
});
afterEach(() => scratch.remove());

const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C' };
const has = (name: string) => findProgram(name, '/', env.PATH) !== undefined;
const withGcc = has('gcc') && has('g++') ? test : test.skip;
const withClang = has('clang') ? test : test.skip;

const identify = (compiler: string, cwd = scratch.path) => parts.toolchains.identify({ compiler, cwd, env });

async function packageOf(compiler: string) {
  const identity = await identify(compiler);
  if (!identity.ok) throw new Error(identity.error.message);
  const made = await parts.toolchains.package(identity.value, env);
  if (!made.ok) throw new Error(made.error.message);
  return made.value;
}

function hasFile(root: TreeNode, path: string): boolean {
  const names = path.split('/').filter((name) => name !== '');
  const last = names.pop() ?? '';
  let node: TreeNode | undefined = root;
  for (const name of names) node = node?.directories.get(name);
  return node?.files.has(last) === true;
}

describe('a compiler', () => {
  withGcc('is known by what it says, through links and other names', async () => {
    scratch.link('anything', findProgram('g++', '/', env.PATH) ?? '');
    const plain = await identify('gcc');
    const renamed = await identify('./anything');
    expect(plain).toMatchObject({ ok: true, value: { family: { kind: 'gcc' }, driverLanguage: 'c' } });
    expect(renamed).toMatchObject({ ok: true, value: { family: { kind: 'gcc' }, driverLanguage: 'c++' } });
  });

  withClang('is clang or clang++', async () => {
    expect(await identify('clang')).toMatchObject({
      ok: true,
      value: { family: { kind: 'clang' }, driverLanguage: 'c' },
    });
    expect(await identify('clang++')).toMatchObject({ ok: true, value: { driverLanguage: 'c++' } });
  });

  withGcc('behind a script or a known wrapper is no compiler', async () => {
    chmodSync(scratch.write('gcc', '#!/bin/sh\nexec /usr/bin/gcc "$@"\n'), 0o755);
    expect(await identify('./gcc')).toMatchObject({ ok: false, error: { reason: 'compiler-wrapper' } });
    copyFileSync('/bin/true', `${scratch.path}/ccache`);
    scratch.link('cc', 'ccache');
    expect(await identify('./cc')).toMatchObject({ ok: false, error: { reason: 'compiler-wrapper' } });
  });

  test('is unknown when it is another program or not there', async () => {
    expect(await identify('/bin/true')).toMatchObject({ ok: false, error: { reason: 'unknown-compiler' } });
    expect(await identify('no-such-compiler')).toMatchObject({ ok: false, error: { reason: 'unknown-compiler' } });
  });

  withGcc('is packaged again when a program appears where it looks first', async () => {
    scratch.write('private/x', '');
    const path = { ...env, PATH: `${scratch.path}/private:${env.PATH}` };
    const identity = await identify('gcc');
    if (!identity.ok) throw new Error(identity.error.message);
    const before = await parts.toolchains.package(identity.value, path);
    if (!before.ok) throw new Error(before.error.message);
    expect(await parts.toolchains.stillCurrent(before.value)).toBe(true);
    scratch.link('private/as', '/usr/bin/as');
    expect(await parts.toolchains.stillCurrent(before.value)).toBe(false);
    const after = await parts.toolchains.package(identity.value, path);
    expect(after.ok && after.value.environment['PATH']).toContain(`${scratch.path}/private`);
  });

  withGcc('gets another identity when a link on the way to it leads elsewhere', async () => {
    const link = scratch.link('cc', findProgram('gcc', '/', env.PATH) ?? '');
    const before = await identify('./cc');
    unlinkSync(link);
    symlinkSync(findProgram('g++', '/', env.PATH) ?? '', link);
    const after = await identify('./cc');
    if (!before.ok || !after.ok) throw new Error('not identified');
    expect(after.value.identity).not.toBe(before.value.identity);
    expect(after.value.driverLanguage).toBe('c++');
  });
});

describe('a toolchain package', () => {
  withGcc('of gcc holds driver, compiler proper, assembler, libraries, loader, headers and a probe', async () => {
    const made = await packageOf('gcc');
    expect(hasFile(made.root, made.compiler.program)).toBe(true);
    expect(hasFile(made.root, realpathSync(findProgram('as', '/', env.PATH) ?? ''))).toBe(true);
    expect(made.coarse.length).toBeGreaterThan(0);
    expect(made.coarse.every((folder) => hasFile(made.root, `${folder}/stddef.h`))).toBe(true);
    expect(made.environment['PATH']).toBe('/usr/bin');

    const blobs = new Map(made.blobs().map((blob) => [blob.digest.hash as string, blob]));
    const bytes = (hash: string | undefined) => {
      const blob = blobs.get(hash ?? '');
      if (blob?.kind !== 'bytes') throw new Error('no such blob');
      expect(digestOf(blob.bytes).hash).toBe(hash);
      return blob.bytes;
    };
    const message = Toolchain.decode(bytes(made.id.hash));
    expect(message.root?.hash).toBe(made.root.blob.digest.hash);
    const action = Action.decode(bytes(message.probe?.hash));
    const command = Command.decode(bytes(action.commandDigest?.hash));
    expect(command.outputPaths).toEqual(message.expected.map(({ path }) => path));
    bytes(action.inputRootDigest?.hash);
  });

  withGcc('is made once, has the same id when made again, and another one for another driver', async () => {
    const first = await packageOf('gcc');
    expect(await packageOf('gcc')).toBe(first);
    expect(await parts.toolchains.stillCurrent(first)).toBe(true);
    parts = scanParts(`${scratch.path}/cache2`);
    const again = await packageOf('gcc');
    expect(again.message.root).toEqual(first.message.root);
    expect(again.id).toEqual(first.id);
    expect((await packageOf('g++')).id).not.toEqual(first.id);
  });

  withGcc('is no longer current when its driver has changed', async () => {
    const program = realpathSync(findProgram('gcc', '/', env.PATH) ?? '');
    // a prefix of its own, whose driver finds the compiler proper by a link
    copyFileSync(program, scratch.write('opt/bin/gcc', ''));
    chmodSync(`${scratch.path}/opt/bin/gcc`, 0o755);
    scratch.folder('opt/lib');
    scratch.link('opt/lib/gcc', '/usr/lib/gcc');
    scratch.link('opt/libexec', '/usr/libexec');
    const made = await packageOf('./opt/bin/gcc');
    expect(await parts.toolchains.stillCurrent(made)).toBe(true);
    copyFileSync('/bin/true', `${scratch.path}/opt/bin/gcc`);
    expect(await parts.toolchains.stillCurrent(made)).toBe(false);
    expect(await identify('./opt/bin/gcc')).toMatchObject({ ok: false });
  });
});

describe('files of the locale and the time zone', () => {
  test('are none in the C locale, and those of its folder in C.UTF-8', () => {
    expect(localeFiles({ LANG: 'C' }, ['gcc'], [])).toEqual([]);
    expect(localeFiles({ LC_ALL: 'POSIX', LANG: 'de_DE.UTF-8' }, ['gcc'], [])).toEqual([]);
    const files = localeFiles({ LANG: 'C.UTF-8' }, ['gcc'], []);
    expect(files.every((path) => path.startsWith('/usr/'))).toBe(true);
  });

  test('never leave the locale folders', () => {
    expect(localeFiles({ LANG: '../../../etc/passwd' }, ['gcc'], []).filter((path) => path.includes('..'))).toEqual([]);
    expect(timeZoneFiles({ TZ: '../../../etc/passwd' })).toEqual([]);
    expect(timeZoneFiles({ TZ: '' })).toEqual([]);
  });
});
