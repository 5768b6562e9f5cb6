import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { buildHash, findLauncherBinary, launcherFolder, readLinkages } from '../../../src/host/launcher-binary.ts';

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/icets-binary-`);
  home = `${folder}/home`;
  for (const name of ['src/launcher', 'dist', '../tools']) mkdirSync(`${home}/${name}`, { recursive: true });
  writeFileSync(`${home}/src/launcher/launcher.c`, 'int main(void) { return 0; }\n');
  writeFileSync(`${home}/src/launcher/linkages`, '# first\nbare -nostdlib  -DX\n\nplain -Wl,-O1\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A cc that writes a program which ends with this status; it fails for a linkage with this word. */
function fakeCompiler(status: number, programStatus = 0, without = 'none'): void {
  const text = `#!/bin/sh
for word; do [ "$word" != "${without}" ] || exit 1; done
[ ${status} = 0 ] || { echo "cc: it is broken" >&2; exit ${status}; }
echo x >>${folder}/compiles
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\nexit ${programStatus}\\n' >"$2"
chmod +x "$2"
`;
  writeFileSync(`${folder}/tools/cc`, text);
  chmodSync(`${folder}/tools/cc`, 0o755);
}
const options = () => ({
  home,
  hash: '0123456789ab',
  env: { PATH: `${folder}/tools:/usr/bin:/bin`, XDG_CACHE_HOME: `${folder}/cache` },
});

test('the build is named by dist/build.hash, and by the sources of the launcher where nothing is built', () => {
  const before = buildHash(home);
  expect(before).toMatch(/^[0-9a-f]{12}$/);
  writeFileSync(`${home}/src/launcher/freestanding.c`, '');
  expect(buildHash(home)).toBe(before);
  writeFileSync(`${home}/src/launcher/freestanding.c`, ' ');
  const fromSource = buildHash(home);
  expect(fromSource).not.toBe(before);
  writeFileSync(`${home}/dist/build.hash`, 'not a hash\n');
  expect(buildHash(home)).toBe(fromSource);
  writeFileSync(`${home}/dist/build.hash`, 'aaaabbbbcccc\n');
  expect(buildHash(home)).toBe('aaaabbbbcccc');
});

test('launchers are kept in the cache folder of the user', () => {
  expect(launcherFolder({ XDG_CACHE_HOME: '/c', HOME: '/h' })).toBe('/c/icets');
  expect(launcherFolder({ XDG_CACHE_HOME: 'relative', HOME: '/h' })).toBe('/h/.cache/icets');
  expect(launcherFolder({})).toBeUndefined();
});

test('the launcher is compiled once, and its home written', async () => {
  fakeCompiler(0);
  const binary = `${folder}/cache/icets/launcher-0123456789ab`;
  expect(await findLauncherBinary(options())).toEqual({ ok: true, value: binary });
  expect(await findLauncherBinary(options())).toEqual({ ok: true, value: binary });
  expect(readFileSync(`${folder}/compiles`, 'utf8')).toBe('x\n');
  expect(readFileSync(`${binary}.home`, 'utf8')).toBe(`${home}\n${process.execPath}\nbare\n`);
  expect(readdirSync(`${folder}/cache/icets`).sort()).toEqual(['launcher-0123456789ab', 'launcher-0123456789ab.home']);
});

test('the linkages are read without comments and empty lines', () => {
  expect(readLinkages(home)).toEqual([
    { name: 'bare', args: ['-nostdlib', '-DX'] },
    { name: 'plain', args: ['-Wl,-O1'] },
  ]);
});

test('the next linkage is tried where one does not work, and none but the one that is asked for', async () => {
  fakeCompiler(0, 0, '-DX');
  const binary = `${folder}/cache/icets/launcher-0123456789ab`;
  expect(await findLauncherBinary({ ...options(), linkage: 'bare' })).toMatchObject({ ok: false });
  expect(await findLauncherBinary(options())).toEqual({ ok: true, value: binary });
  expect(readFileSync(`${binary}.home`, 'utf8')).toBe(`${home}\n${process.execPath}\nplain\n`);
});

test('a compiler that fails is reported with its first line', async () => {
  fakeCompiler(1);
  const failure = { reason: 'compile-failed', message: 'cc: it is broken' };
  expect(await findLauncherBinary(options())).toEqual({ ok: false, error: failure });
  expect(readdirSync(`${folder}/cache/icets`)).toEqual([]);
});

test('a launcher that does not run is not kept', async () => {
  fakeCompiler(0, 3);
  expect(await findLauncherBinary(options())).toMatchObject({ ok: false, error: { reason: 'compile-failed' } });
  expect(existsSync(`${folder}/cache/icets/launcher-0123456789ab`)).toBe(false);
});

test('without a compiler, or a folder to write to, it says so', async () => {
  const none = { ...options(), env: { PATH: `${folder}/tools`, XDG_CACHE_HOME: `${folder}/cache` } };
  expect(await findLauncherBinary(none)).toMatchObject({ ok: false, error: { reason: 'no-compiler' } });
  const nowhere = { ...none, home: '/proc/none', env: { ...none.env, XDG_CACHE_HOME: '/proc/none' } };
  expect(await findLauncherBinary(nowhere)).toMatchObject({ ok: false, error: { reason: 'no-folder' } });
});
