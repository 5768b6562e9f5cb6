// The sh script that becomes bin/icets: it compiles the launcher once, and does without where no compiler works.

import { expect, test } from '@jest/globals';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { bundledLauncher, inFolder, link, packageRoot, script, start, type Ran } from './launcher-support.ts';

const hash = '0123456789ab';

/** A package as the build leaves it, with bundles that only tell that they ran. */
function makePackage(root: string): void {
  for (const name of ['bin', 'src/launcher', 'dist']) mkdirSync(`${root}/${name}`, { recursive: true });
  cpSync(`${packageRoot}/src/launcher`, `${root}/src/launcher`, { recursive: true });
  const shim = readFileSync(`${packageRoot}/scripts/launcher-shim.sh.in`, 'utf8').replace('@HASH@', hash);
  script(`${root}/bin/icets`, shim);
  bundledLauncher(root);
  writeFileSync(`${root}/dist/build.hash`, `${hash}\n`);
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

/** Whether this user, who may be root, can be kept from writing to a folder. */
function canBeDenied(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return false;
  } catch {
    return true;
  }
}

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

/** Whether the command has become the compiled launcher. */
const isNative = (icets: string) => readFileSync(icets).subarray(0, 4).toString('latin1') === '\x7fELF';
const itsFolder = ['icets', 'icets.home'];
const replaced = (folder: string, root = `${folder}/package`) =>
  [isNative(`${root}/bin/icets`), readdirSync(`${root}/bin`).sort()] as const;

test('the launcher takes the place of the script, also when called through a link, and the package may be moved', () =>
  withPackage(async (folder, icets) => {
    link(icets, `${folder}/icets`);
    link(icets, `${folder}/sh`);
    expect((await start(`${folder}/icets`, ['sh', '-c', 'exit 3'], { env: env(folder) }).ended).code).toBe(3);
    expect(replaced(folder)).toEqual([true, itsFolder]);
    expect(statSync(icets).mode & 0o777).toBe(0o755);
    expect(text(await start(icets, ['status', '-x'], { env: env(folder) }).ended)).toBe('0 own command status -x\n');
    expect((await start(icets, ['sh', '-c', 'exit 4'], { env: env(folder) }).ended).code).toBe(4);
    const masked = { ...env(folder), PATH: `${folder}:${process.env['PATH'] ?? ''}` };
    expect((await start(`${folder}/sh`, ['-c', 'exit 5'], { env: masked }).ended).code).toBe(5);

    rmSync(`${folder}/cache`, { recursive: true });
    renameSync(`${folder}/package`, `${folder}/moved`);
    const moved = start(`${folder}/moved/bin/icets`, ['status'], { env: env(folder) });
    expect(text(await moved.ended)).toBe('0 own command status\n');
  }));

test('a launcher that is there already takes the place of the script of another package of the same build', () =>
  withPackage(async (folder, icets) => {
    await start(icets, ['sh', '-c', ':'], { env: env(folder) }).ended;
    makePackage(`${folder}/other`);
    const ran = await start(`${folder}/other/bin/icets`, ['sh', '-c', 'exit 3'], { env: env(folder) }).ended;
    expect(ran.code).toBe(3);
    expect(replaced(folder, `${folder}/other`)).toEqual([true, itsFolder]);
    writeFileSync(`${folder}/other/dist/icets.mjs`, "console.log('the other one');\n");
    const other = start(`${folder}/other/bin/icets`, ['status'], { env: env(folder) });
    expect(text(await other.ended)).toBe('0 the other one\n');
  }));

test.each<[string, (root: string) => void, readonly string[]]>([
  ['the user said so', (root) => writeFileSync(`${root}/bin/icets.script`, 'keep\n'), ['icets', 'icets.script']],
  ['the folder may not be written to', (root) => chmodSync(`${root}/bin`, 0o555), ['icets']],
  [
    'it is the script of another build',
    (root) => script(`${root}/bin/icets`, readFileSync(`${root}/bin/icets`, 'utf8').replace(/^hash=/m, '\nhash=')),
    ['icets', 'icets.script'],
  ],
  [
    'the bundles are of another build',
    (root) => writeFileSync(`${root}/dist/build.hash`, 'ba9876543210\n'),
    ['icets', 'icets.script'],
  ],
  [
    'the launcher needs shared libraries',
    (root) => writeFileSync(`${root}/src/launcher/linkages`, 'dynamic -Wl,-O1\n'),
    ['icets', 'icets.script'],
  ],
  [
    'the file system is none of a known local kind',
    (root) =>
      script(`${root}/bin/icets`, readFileSync(`${root}/bin/icets`, 'utf8').replace('$(stat -f', '$(echo 6969; : -f')),
    ['icets', 'icets.script'],
  ],
])('the script stays and works where %s', (_why, change, left) =>
  withPackage(async (folder, icets) => {
    change(`${folder}/package`);
    if (left.length === 1 && !canBeDenied(`${folder}/package/bin`)) return; // root may do everything
    for (let round = 0; round < 2; round += 1) {
      expect((await start(icets, ['sh', '-c', 'exit 3'], { env: env(folder) }).ended).code).toBe(3);
      expect(replaced(folder)).toEqual([false, left]);
    }
    expect(existsSync(`${folder}/cache/icets/launcher-${hash}`)).toBe(true);
    chmodSync(`${folder}/package/bin`, 0o755);
  }),
);

test('finds its package again after that was moved', () =>
  withPackage(async (folder, icets) => {
    writeFileSync(`${folder}/package/bin/icets.script`, 'keep\n');
    await start(icets, ['sh', '-c', ':'], { env: env(folder) }).ended;
    renameSync(`${folder}/package`, `${folder}/moved`);
    const moved = start(`${folder}/moved/bin/icets`, ['status'], { env: env(folder) });
    expect(text(await moved.ended)).toBe('0 own command status\n');
    expect(readFileSync(`${folder}/cache/icets/launcher-${hash}.home`, 'utf8')).toBe(
      `${folder}/moved\n${process.execPath}\nfreestanding\n`,
    );
  }));
