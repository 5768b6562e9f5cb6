// Which program a word stands for: own commands, compilers on PATH, links in the launcher's own name.

import { describe, expect, test } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
import {
  inFolder,
  launcherKinds,
  link,
  makeLauncher,
  runLauncher,
  script,
  serve,
  start,
  type Launcher,
} from './launcher-support.ts';

describe.each(launcherKinds)('%s', (which) => {
  async function withLauncher(run: (folder: string, launcher: Launcher) => Promise<void>): Promise<void> {
    await inFolder(async (folder) => {
      for (const name of ['dist', 'compilers', 'links', 'sock']) mkdirSync(`${folder}/${name}`, { mode: 0o700 });
      const launcher = await makeLauncher(which, folder);
      const report = 'console.log(JSON.stringify([process.argv.slice(2), process.env.NODE_EXTRA_CA_CERTS ?? null]));';
      writeFileSync(`${folder}/dist/icets.mjs`, report);
      script(`${folder}/compilers/mycc`, '#!/bin/sh\necho "$0|$*|${ICETS_GUARD:+guarded}"\n');
      await run(folder, launcher);
    });
  }
  const direct = { ICETS_DISABLE: '1' };

  test.each([['status', '--json'], ['--version'], ['-h'], ['help', 'make'], ['cache', 'a b'], ['--no-such-option']])(
    'hands its own command %s to the command line tool',
    (...words) =>
      withLauncher(async (_folder, launcher) => {
        const ran = await runLauncher(launcher, words);
        expect(JSON.parse(ran.stdout.toString())).toEqual([words, null]);
      }),
  );

  test('shows the help when there is nothing to do, and steps over its own name', () =>
    withLauncher(async (_folder, launcher) => {
      expect(JSON.parse((await runLauncher(launcher, [])).stdout.toString())).toEqual([[], null]);
      const ran = await runLauncher(launcher, ['icets', '/opt/icets', 'status']);
      expect(JSON.parse(ran.stdout.toString())).toEqual([['status'], null]);
    }));

  test('takes every other word for a compiler and finds it on PATH', () =>
    withLauncher(async (folder, launcher) => {
      const env = { ...direct, PATH: `${folder}/nowhere:${folder}/compilers:/usr/bin:/bin` };
      const ran = await runLauncher(launcher, ['mycc', '-c', 'a b.c'], { env });
      expect(ran.stdout.toString()).toBe(`${folder}/compilers/mycc|-c a b.c|guarded\n`);
    }));

  test.each([
    ['no-such-cc', 'no-such-cc'],
    ['./no-such-cc', './no-such-cc'],
  ])('says so when there is no compiler %s', (word, named) =>
    withLauncher(async (_folder, launcher) => {
      const ran = await runLauncher(launcher, [word]);
      expect(ran).toMatchObject({ code: 127, stderr: Buffer.from(`icets: no such compiler: ${named}\n`) });
    }),
  );

  test('asks no agent below another launcher', () =>
    withLauncher(async (folder, launcher) => {
      let requests = 0;
      const server = await serve(`${folder}/sock`, (_request, session) => {
        requests += 1;
        session.exec();
      });
      const nested = 'exec "$0" "$@"';
      const inner = ['/bin/sh', '-c', nested, launcher.program, ...launcher.words, '/bin/echo', 'deep'];
      const ran = await runLauncher(launcher, inner, { env: { ICETS_SOCKET_DIR: `${folder}/sock` } });
      await server.close();
      expect(ran.stdout.toString()).toBe('deep\n');
      expect(requests).toBe(1);
    }));

  if (which !== 'client.mjs') {
    test('called through a link runs the next compiler of that name', () =>
      withLauncher(async (folder, launcher) => {
        link(launcher.program, `${folder}/links/mycc`);
        mkdirSync(`${folder}/more-links`);
        link('../links/mycc', `${folder}/more-links/mycc`);
        const env = { ...direct, PATH: `${folder}/more-links:${folder}/links:${folder}/compilers:/usr/bin:/bin` };
        const ran = await start(`${folder}/links/mycc`, ['-c', 'a.c'], { env, argv0: 'mycc' }).ended;
        expect(ran.stdout.toString()).toBe(`${folder}/compilers/mycc|-c a.c|guarded\n`);
        const named = await runLauncher(launcher, [`${folder}/links/mycc`, '-c', 'a.c'], { env });
        expect(named.stdout.toString()).toBe(`${folder}/compilers/mycc|-c a.c|guarded\n`);
      }));

    test('ends when the link is all there is of that name', () =>
      withLauncher(async (folder, launcher) => {
        link(launcher.program, `${folder}/links/mycc`);
        const ran = await start(`${folder}/links/mycc`, [], { env: { PATH: `${folder}/links` } }).ended;
        expect(ran).toMatchObject({ code: 127, stderr: Buffer.from('icets: no such compiler: mycc\n') });
      }));

    test('is passed once by a wrapper that looks for its compiler on PATH', () =>
      withLauncher(async (folder, launcher) => {
        link(launcher.program, `${folder}/links/mycc`);
        mkdirSync(`${folder}/wrappers`);
        script(`${folder}/wrappers/mycc`, '#!/bin/sh\necho wrapped\nexec mycc "$@"\n');
        const env = { ...direct, PATH: `${folder}/links:${folder}/wrappers:${folder}/compilers:/usr/bin:/bin` };
        const ran = await start(`${folder}/links/mycc`, ['x'], { env }).ended;
        expect(ran.stdout.toString()).toBe(`wrapped\n${folder}/compilers/mycc|x|guarded\n`);
      }));

    test('gives up on a wrapper that calls it for ever', () =>
      withLauncher(async (folder, launcher) => {
        link(launcher.program, `${folder}/links/mycc`);
        mkdirSync(`${folder}/wrappers`);
        script(`${folder}/wrappers/mycc`, '#!/bin/sh\nexec mycc "$@"\n');
        const env = { ...direct, PATH: `${folder}/links:${folder}/wrappers:/usr/bin:/bin` };
        const ran = await start(`${folder}/links/mycc`, ['x'], { env }).ended;
        expect(ran.code).toBe(127);
        expect(ran.stderr.toString()).toMatch(/keeps starting itself through icets\n$/);
      }));

    test('keeps NODE_EXTRA_CA_CERTS from its own Node, under another name', () =>
      withLauncher(async (folder, launcher) => {
        writeFileSync(`${folder}/dist/icets.mjs`, 'console.log(process.env.ICETS_SAVED_NODE_EXTRA_CA_CERTS);');
        const ran = await runLauncher(launcher, ['status'], { env: { NODE_EXTRA_CA_CERTS: '/a/file' } });
        expect(ran.stdout.toString()).toBe('/a/file\n');
      }));

    test('finds its package through ICETS_HOME and its node through ICETS_NODE', () =>
      withLauncher(async (folder, launcher) => {
        mkdirSync(`${folder}/other/dist`, { recursive: true });
        const node = script(`${folder}/fake-node`, '#!/bin/sh\necho "$@"\n');
        const env = { ICETS_HOME: `${folder}/other`, ICETS_NODE: node };
        const ran = await runLauncher(launcher, ['status'], { env });
        expect(ran.stdout.toString()).toBe(`${folder}/other/dist/icets.mjs status\n`);
      }));
  }
});
