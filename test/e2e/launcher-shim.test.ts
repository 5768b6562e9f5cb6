// The sh script that becomes bin/icets: it compiles the launcher once, and does without where no compiler works.

import { expect, test } from '@jest/globals';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { bundledLauncher, inFolder, link, packageRoot, script, start, type Ran } from './launcher-support.ts';

const hash = '0123456789ab';

/** A package as the build leaves it, with bundles that only tell that they ran. */
function makePackage(root: string): void {
  for (const name of ['bin', 'src/launcher', 'dist']) mkdirSync(`${root}/${name}`, { recursive: true });
  cpSync(`${packageRoot}/src/launcher`, `${root}/src/launcher`, { recursive: true });
  const shim = readFileSync(`${packageRoot}/scripts/launcher-shim.sh.in`, 'utf8').replace('@HASH@', hash);
  script(`${root}/bin/icets`, shim);
  bundledLauncher(root);
  writeFileSync(`${root}/dist/icets.mjs`, `console.log('own command', process.argv.slice(2).join(' '));\n`);
}

function withPackage(run: (folder: string, icets: string) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    makePackage(`${folder}/package`);
    await run(folder, `${folder}/package/bin/icets`);
  });
}

const env = (folder: string) => ({ XDG_CACHE_HOME: `${folder}/cache`, ICETS_DISABLE: '1', HOME: folder });
const text = (ran: Ran) => `${ran.code} ${ran.stdout.toString()}${ran.stderr.toString()}`;

/** A PATH folder with what the script needs, and no C compiler. */
function toolsWithoutCompiler(folder: string): string {
  const path = `${folder}/tools`;
  mkdirSync(path);
  for (const tool of ['sh', 'readlink', 'env', 'mkdir', 'rm', 'rmdir', 'sleep', 'find', 'mv', 'echo']) {
    link(existsSync(`/usr/bin/${tool}`) ? `/usr/bin/${tool}` : `/bin/${tool}`, `${path}/${tool}`);
  }
  link(process.execPath, `${path}/node`);
  return path;
}

test('compiles the launcher on first use and leaves nothing else behind', () =>
  withPackage(async (folder, icets) => {
    expect(text(await start(icets, ['sh', '-c', 'echo ran; exit 3'], { env: env(folder) }).ended)).toBe('3 ran\n');
    expect(readdirSync(`${folder}/cache/icets`).sort()).toEqual([`launcher-${hash}`, `launcher-${hash}.home`]);
    expect(text(await start(icets, ['status', '-x'], { env: env(folder) }).ended)).toBe('0 own command status -x\n');
  }));

test('passes the name on when it is called through a link', () =>
  withPackage(async (folder, icets) => {
    mkdirSync(`${folder}/links`);
    mkdirSync(`${folder}/compilers`);
    link(icets, `${folder}/links/mycc`);
    link(icets, `${folder}/links/cc`);
    script(`${folder}/compilers/mycc`, '#!/bin/sh\necho "compiler $*"\n');
    const path = `${folder}/links:${folder}/compilers:${process.env['PATH'] ?? ''}`;
    for (let round = 0; round < 2; round += 1) {
      const ran = await start(`${folder}/links/mycc`, ['a'], { env: { ...env(folder), PATH: path } }).ended;
      expect(text(ran)).toBe('0 compiler a\n');
    }
    expect(existsSync(`${folder}/cache/icets/launcher-${hash}`)).toBe(true);
  }));

test('many first uses at once compile it once', () =>
  withPackage(async (folder, icets) => {
    mkdirSync(`${folder}/compilers`);
    const real = process.env['PATH'] ?? '';
    const counting = `#!/bin/sh\necho x >>${folder}/compiles\nPATH='${real}' exec gcc "$@"\n`;
    script(`${folder}/compilers/cc`, counting);
    const options = { env: { ...env(folder), PATH: `${folder}/compilers:${real}` } };
    const runs = Array.from({ length: 8 }, () => start(icets, ['sh', '-c', 'exit 4'], options).ended);
    for (const ran of await Promise.all(runs)) expect(ran.code).toBe(4);
    expect(readFileSync(`${folder}/compiles`, 'utf8')).toBe('x\n');
    expect(readdirSync(`${folder}/cache/icets`).sort()).toEqual([`launcher-${hash}`, `launcher-${hash}.home`]);
  }));

test('works without any C compiler', () =>
  withPackage(async (folder, icets) => {
    const options = { env: { ...env(folder), PATH: toolsWithoutCompiler(folder) } };
    expect(text(await start(icets, ['sh', '-c', 'echo ran; exit 3'], options).ended)).toBe('3 ran\n');
    expect(text(await start(icets, ['status'], options).ended)).toBe('0 own command status\n');
    expect(readdirSync(`${folder}/cache/icets`)).toEqual([]);
  }));

test('works with a C compiler that fails, and does not try it twice', () =>
  withPackage(async (folder, icets) => {
    const path = toolsWithoutCompiler(folder);
    script(`${path}/cc`, `#!/bin/sh\necho x >>${folder}/compiles\nexit 1\n`);
    const options = { env: { ...env(folder), PATH: path } };
    expect(text(await start(icets, ['sh', '-c', 'exit 3'], options).ended)).toBe('3 ');
    const tries = readFileSync(`${folder}/compiles`, 'utf8');
    expect(text(await start(icets, ['sh', '-c', 'exit 3'], options).ended)).toBe('3 ');
    expect(readFileSync(`${folder}/compiles`, 'utf8')).toBe(tries);
  }));

test('keeps the launcher beside the bundles when the user has no cache folder', () =>
  withPackage(async (folder, icets) => {
    const options = { env: { ...env(folder), XDG_CACHE_HOME: '/proc/none' } };
    expect(text(await start(icets, ['sh', '-c', 'exit 3'], options).ended)).toBe('3 ');
    expect(existsSync(`${folder}/package/dist/launcher-${hash}`)).toBe(true);
    expect(text(await start(icets, ['status'], options).ended)).toBe('0 own command status\n');
  }));

test('finds its package again after that was moved', () =>
  withPackage(async (folder, icets) => {
    await start(icets, ['sh', '-c', ':'], { env: env(folder) }).ended;
    renameSync(`${folder}/package`, `${folder}/moved`);
    const moved = start(`${folder}/moved/bin/icets`, ['status'], { env: env(folder) });
    expect(text(await moved.ended)).toBe('0 own command status\n');
    expect(readFileSync(`${folder}/cache/icets/launcher-${hash}.home`, 'utf8')).toMatch(`${folder}/moved\n`);
  }));
