// A fake agent in a process of its own. It answers as the request's ICETS_TEST_ANSWER says, and writes what happens
// to it as JSON lines into `events` beside its socket.

import { appendFileSync, readdirSync, readlinkSync } from 'node:fs';
import { serveLaunchers } from '../../src/ipc/launcher-server.ts';

const socketDir = process.argv[process.argv.indexOf('--socket-dir') + 1] ?? '';
const note = (event: string, fields: object = {}) => {
  appendFileSync(`${socketDir}/events`, `${JSON.stringify({ event, pid: process.pid, ...fields })}\n`);
};

const descriptors = readdirSync('/proc/self/fd').map((fd) => {
  try {
    return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`;
  } catch {
    return `${fd} closed`;
  }
});
note('started', { descriptors, cwd: process.cwd(), env: process.env, umask: process.umask(), argv: process.argv });

const server = await serveLaunchers({
  socketDir,
  version: process.env['ICETS_TEST_VERSION'] ?? 'abcdef012345',
  async onRequest(request, session) {
    note('request', { argv: request.argv.slice(0, 4) });
    session.gone.addEventListener('abort', () => note('gone'));
    switch (request.env['ICETS_TEST_ANSWER']) {
      case 'hang':
        return;
      case 'exec':
        return session.exec();
      case 'result': {
        const nothing = new Uint8Array(0);
        await session.finish({ exitCode: 0, stdout: nothing, stderr: nothing, renames: [], unlinks: [] });
        return;
      }
      default:
        note('ended', { end: await session.runLocally('1') });
    }
  },
});
note(server.ok ? 'listening' : server.error.reason);
if (server.ok) setInterval(() => {}, 1 << 30);
