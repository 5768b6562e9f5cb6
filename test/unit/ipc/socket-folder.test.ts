import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { ownPlace, prepareSocketFolder, socketAddress, socketFolder } from '../../../src/ipc/socket-folder.ts';

const uid = process.geteuid!();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/icets-folder-`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the folder is below XDG_RUNTIME_DIR when that is ours, else below the temporary folder', () => {
  expect(socketFolder({ XDG_RUNTIME_DIR: folder }, uid)).toBe(`${folder}/icets`);
  expect(socketFolder({ XDG_RUNTIME_DIR: `${folder}/none`, TMPDIR: '/t' }, uid)).toBe(`/t/icets-${uid}`);
  expect(socketFolder({ XDG_RUNTIME_DIR: folder }, uid + 1)).toBe(`/tmp/icets-${uid + 1}`);
  expect(socketFolder({ XDG_RUNTIME_DIR: 'relative', TMPDIR: 'relative' }, 7)).toBe('/tmp/icets-7');
});

test('ICETS_SOCKET_DIR decides, if it is absolute', () => {
  expect(socketFolder({ ICETS_SOCKET_DIR: '/a/b//', XDG_RUNTIME_DIR: folder }, uid)).toBe('/a/b');
  expect(socketFolder({ ICETS_SOCKET_DIR: 'b', XDG_RUNTIME_DIR: folder }, uid)).toBeUndefined();
  expect(socketFolder({ ICETS_SOCKET_DIR: '' }, 7)).toBe('/tmp/icets-7');
});

test('a missing folder is made private whatever the umask', () => {
  const before = process.umask(0);
  try {
    expect(prepareSocketFolder(`${folder}/sock`, uid)).toEqual({ ok: true, value: undefined });
  } finally {
    process.umask(before);
  }
  expect(statSync(`${folder}/sock`).mode & 0o777).toBe(0o700);
});

test('a folder of somebody else is not used', () => {
  mkdirSync(`${folder}/sock`, { mode: 0o700 });
  expect(prepareSocketFolder(`${folder}/sock`, uid + 1)).toMatchObject({
    ok: false,
    error: { reason: 'unsafe-folder' },
  });
});

test('an address always fits, and a short one is left as it is', () => {
  expect(socketAddress(folder, 'agent.sock').path).toBe(`${folder}/agent.sock`);
  const long = `${folder}/${'x'.repeat(120)}`;
  mkdirSync(long);
  const address = socketAddress(long, 'agent.sock');
  expect(address.path.length).toBeLessThan(100);
  address.release();
});

test('this process is in its own place', () => {
  expect(ownPlace().root).toMatch(/^\d+:\d+$/);
  expect(ownPlace().mountNamespace).toMatch(/^[1-9]\d+$/);
});
