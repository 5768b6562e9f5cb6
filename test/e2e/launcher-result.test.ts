// Results that the agent hands over: the launcher puts files in place, prints and exits, and only then is it done.

import { afterEach, describe, expect, test } from '@jest/globals';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import type { LauncherServer, LauncherServerOptions } from '../../src/ipc/launcher-server.ts';
import type { CommitOutcome } from '../../src/ipc/launcher-session.ts';
import {
  inFolder,
  launcherKinds,
  makeLauncher,
  runLauncher,
  serve,
  type Launcher,
  type Ran,
  type RunOptions,
} from './launcher-support.ts';

const nothing = new Uint8Array(0);
const servers: LauncherServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

describe.each(launcherKinds)('%s, given a result', (which) => {
  async function prepared(
    folder: string,
    onRequest: LauncherServerOptions['onRequest'],
  ): Promise<(args: readonly string[], more?: RunOptions) => Promise<Ran>> {
    mkdirSync(`${folder}/dist`);
    const launcher: Launcher = await makeLauncher(which, folder);
    servers.push(await serve(`${folder}/sock`, onRequest));
    return (args, more = {}) =>
      runLauncher(launcher, args, { cwd: folder, ...more, env: { ICETS_SOCKET_DIR: `${folder}/sock`, ...more.env } });
  }

  test('renames the outputs, removes what is to go, prints and exits with the status', () =>
    inFolder(async (folder) => {
      const outcomes: CommitOutcome[] = [];
      const run = await prepared(folder, async (_request, session) => {
        writeFileSync(`${folder}/.a.o.tmp`, 'object', { mode: 0o640 });
        writeFileSync(`${folder}/.a.d.tmp`, 'depfile');
        outcomes.push(
          await session.finish({
            exitCode: 4,
            stdout: Buffer.from('to stdout'),
            stderr: Buffer.from('to stderr'),
            renames: [
              { from: `${folder}/.a.o.tmp`, to: `${folder}/a.o` },
              { from: `${folder}/.a.d.tmp`, to: `${folder}/a.d` },
            ],
            unlinks: [`${folder}/old`, `${folder}/never was`],
          }),
        );
      });
      writeFileSync(`${folder}/old`, '');
      const ran = await run(['/bin/false']);
      expect(ran).toEqual({
        code: 4,
        signal: null,
        stdout: Buffer.from('to stdout'),
        stderr: Buffer.from('to stderr'),
      });
      expect(readFileSync(`${folder}/a.o`, 'utf8')).toBe('object');
      expect(statSync(`${folder}/a.o`).mode & 0o777).toBe(0o640);
      expect(readFileSync(`${folder}/a.d`, 'utf8')).toBe('depfile');
      expect(existsSync(`${folder}/old`)).toBe(false);
      expect(outcomes).toEqual([{ kind: 'committed' }]);
    }));

  test('runs the command itself when a rename fails, and names that rename to the agent', () =>
    inFolder(async (folder) => {
      const outcomes: CommitOutcome[] = [];
      const run = await prepared(folder, async (_request, session) => {
        writeFileSync(`${folder}/first`, '');
        outcomes.push(
          await session.finish({
            exitCode: 0,
            stdout: Buffer.from('never shown'),
            stderr: nothing,
            renames: [
              { from: `${folder}/first`, to: `${folder}/second` },
              { from: `${folder}/missing`, to: `${folder}/a.o` },
            ],
            unlinks: [`${folder}/kept`],
          }),
        );
      });
      writeFileSync(`${folder}/kept`, '');
      const ran = await run(['/bin/sh', '-c', 'echo ran here; exit 6']);
      expect([ran.code, ran.stdout.toString()]).toEqual([6, 'ran here\n']);
      expect(existsSync(`${folder}/kept`)).toBe(true);
      expect(outcomes).toEqual([{ kind: 'rename-failed', index: 1, errno: 2 }]);
    }));

  test('replaces files and links by their names only, and no folder', () =>
    inFolder(async (folder) => {
      const outcomes: CommitOutcome[] = [];
      const run = await prepared(folder, async (_request, session) => {
        mkdirSync(`${folder}/temporary`);
        const renames = ['object', 'link', 'folder'].map((name) => {
          writeFileSync(`${folder}/temporary/${name}`, `new ${name}`);
          return { from: `${folder}/temporary/${name}`, to: `${folder}/out/${name}` };
        });
        outcomes.push(await session.finish({ exitCode: 0, stdout: nothing, stderr: nothing, renames, unlinks: [] }));
      });
      mkdirSync(`${folder}/out/folder`, { recursive: true });
      writeFileSync(`${folder}/out/object`, 'old object');
      linkSync(`${folder}/out/object`, `${folder}/same object`);
      symlinkSync('../target', `${folder}/out/link`);
      writeFileSync(`${folder}/target`, 'target');
      expect((await run(['/bin/sh', '-c', 'exit 6'])).code).toBe(6);
      const errno = constants.errno.EISDIR;
      expect(outcomes).toEqual([{ kind: 'rename-failed', index: 2, errno }]);
      expect(readdirSync(`${folder}/temporary`)).toEqual(['folder']);
      expect(statSync(`${folder}/out/folder`).isDirectory()).toBe(true);
      const read = (name: string) => readFileSync(`${folder}/${name}`, 'utf8');
      expect([read('out/object'), read('same object')]).toEqual(['new object', 'old object']);
      expect([read('out/link'), read('target')]).toEqual(['new link', 'target']);
      expect(lstatSync(`${folder}/out/link`).isFile()).toBe(true);
    }));

  test('passes on 100 MB of diagnostics in order', () =>
    inFolder(async (folder) => {
      const stderr = Buffer.alloc(100 << 20, 'all work and no play\n');
      const run = await prepared(folder, async (_request, session) => {
        await session.finish({ exitCode: 1, stdout: Buffer.from('short'), stderr, renames: [], unlinks: [] });
      });
      const ran = await run(['/bin/true']);
      expect(ran.code).toBe(1);
      expect(ran.stdout.toString()).toBe('short');
      expect(ran.stderr.equals(stderr)).toBe(true);
    }));

  test('sends a command line of 1 MB whole', () =>
    inFolder(async (folder) => {
      let received: readonly string[] = [];
      const run = await prepared(folder, async (request, session) => {
        received = request.argv;
        await session.finish({ exitCode: 0, stdout: nothing, stderr: nothing, renames: [], unlinks: [] });
      });
      const args = ['/bin/true', ...Array.from({ length: 1024 }, (_, at) => `${at}${'x'.repeat(1020)}`)];
      expect((await run(args)).code).toBe(0);
      expect(received).toEqual(args);
    }));

  test('becomes the command when told so', () =>
    inFolder(async (folder) => {
      const run = await prepared(folder, (_request, session) => session.exec());
      const ran = await run(['/bin/sh', '-c', 'echo $$; exit 3']);
      expect(ran.code).toBe(3);
    }));

  test('dies of a closed output as its command would', () =>
    inFolder(async (folder) => {
      if (which === 'client.mjs') return; // Node ignores SIGPIPE
      const stdout = Buffer.alloc(1 << 20, 'y\n');
      const run = await prepared(folder, async (_request, session) => {
        await session.finish({ exitCode: 0, stdout, stderr: nothing, renames: [], unlinks: [] });
      });
      const text = `("$0" /bin/true; echo $? >${folder}/status) | true`;
      const launcher = await makeLauncher(which, folder);
      await run(['/bin/true']);
      const env = { ICETS_SOCKET_DIR: `${folder}/sock` };
      await runLauncher({ name: 'sh', program: '/bin/sh', words: ['-c', text] }, [launcher.program], { env });
      expect(readFileSync(`${folder}/status`, 'utf8')).toBe('141\n');
    }));
});
