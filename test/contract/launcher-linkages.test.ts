// Every way of compiling launcher.c works here, under every compiler that is installed; a function of libc that
// freestanding.c lacks shows as the linker's own words. Where such a build fails, users silently pay for libc's start.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { readLinkages } from '../../src/host/launcher-binary.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/icets-linkages-`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const isInstalled = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

const other = process.arch === 'arm64' ? 'x86_64' : 'aarch64';

/** A compiler and what runs its programs here; empty when nothing is needed. */
const compilers = [
  ['gcc', ''],
  ['clang', ''],
  [`${other}-linux-gnu-gcc`, `qemu-${other}`],
].filter(([compiler = '', runner = '']) => isInstalled(compiler) && (runner === '' || isInstalled(runner)));
const linkages = readLinkages(root);

test('the launcher is tried without libc first, then with it, at last as the machine links its programs', () => {
  expect(linkages.map(({ name }) => name)).toEqual(['freestanding', 'static', 'dynamic']);
});

describe.each(compilers)('under %s', (compiler = '', runner = '') => {
  const here = runner === '' ? linkages : linkages.filter(({ name }) => name === 'freestanding');

  test.each(here.map(({ name, args }) => [name, args] as const))('a launcher that is %s', (name, args) => {
    const binary = `${folder}/launcher-${compiler}-${name}`;
    const warnings = ['-std=gnu11', '-Wall', '-Wextra', '-Werror'];
    const words = [...warnings, '-O2', ...args, '-DICETS_VERSION="v"', '-o', binary, `${root}/src/launcher/launcher.c`];
    const compiled = spawnSync(compiler, words, { encoding: 'utf8' });
    expect(compiled.stderr).toBe('');

    const program = runner === '' ? binary : runner;
    const before = runner === '' ? [] : [binary];
    const env = { PATH: `/nowhere::${process.env['PATH'] ?? ''}`, ICETS_DISABLE: '1', ICETS_DEBUG: '1' };
    const run = (...more: string[]) => {
      const { status, stdout, stderr } = spawnSync(program, [...before, ...more], { env, encoding: 'utf8', cwd: '/' });
      return [status, stdout, stderr];
    };
    const said = 'icets: debug: run directly: ICETS_DISABLE is set\n';
    // A name on PATH, the environment with its guard, and the variable of an option.
    expect(
      run('--no-cache', 'sh', '-c', 'echo "$ICETS_NO_CACHE $1 ${ICETS_GUARD:+guarded}"; exit 3', 'sh', 'a b'),
    ).toEqual([3, '1 a b guarded\n', said]);
    writeFileSync(`${folder}/script`, 'exit 4\n', { mode: 0o755 });
    expect(run(`${folder}/script`)).toEqual([4, '', said]);
    expect(run('/etc/passwd')).toEqual([126, '', `${said}icets: cannot run /etc/passwd: Permission denied\n`]);
    expect(run('no-such-program')).toEqual([127, '', 'icets: no such compiler: no-such-program\n']);

    const spawner = execFileSync(program, [...before, '--spawner'], { input: '' });
    expect(spawner.toString('latin1')).toBe('\t\0\0\0\x10\x02\0\0\0\x01\0\0\0v');
  });
});
