// Random bytes against things that listen: the agent's socket and the spawner's input. That peer is refused, the
// others are not disturbed.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { FrameDecoder } from '../../src/base/frame.ts';
import { findLauncherBinary } from '../../src/host/launcher-binary.ts';
import { encodeSpawn } from '../../src/host/spawner-frames.ts';
import {
  decodeAgentMessage,
  encodeMessage,
  launcherProtocol,
  type AgentMessage,
  type LauncherRequest,
} from '../../src/ipc/launcher-frames.ts';
import { serveLaunchers, type LauncherServer } from '../../src/ipc/launcher-server.ts';

const budget = { interruptAfterTimeLimit: Number(process.env['ICETS_FUZZ_MS'] ?? 5000), numRuns: 1_000_000 };
let folder: string;
let server: LauncherServer;
let launcherPath: string;

const hello = encodeMessage({ kind: 'hello', protocol: launcherProtocol, version: 'v', builtMs: 0, features: [] });
const request: LauncherRequest = {
  kind: 'request',
  pid: 1,
  umask: 0,
  mountNamespace: '0',
  root: '0:0',
  stdoutTerminal: false,
  stderrTerminal: false,
  columns: 0,
  rows: 0,
  cwd: '/',
  program: '/bin/true',
  argv: ['true'],
  env: {},
  exact: true,
};

beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/icets-fuzz-`);
  const served = await serveLaunchers({
    socketDir: `${folder}/sock`,
    version: 'v',
    onRequest: (_request, session) => void session.runLocally(),
  });
  if (!served.ok) throw new Error(served.error.message);
  server = served.value;
  const home = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  const env = { PATH: process.env['PATH'], XDG_CACHE_HOME: folder };
  const launcher = await findLauncherBinary({ home, hash: 'abcdef012345', env });
  if (!launcher.ok) throw new Error(launcher.error.message);
  launcherPath = launcher.value;
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends these pieces and gives what came back until the end, or until `enough`. */
function converse(pieces: readonly Uint8Array[], enough: (message: AgentMessage) => boolean): Promise<AgentMessage[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.socketPath);
    const decoder = new FrameDecoder();
    const seen: AgentMessage[] = [];
    socket.on('data', (chunk: Buffer) => {
      const frames = decoder.push(chunk);
      if (!frames.ok) return reject(new Error(frames.error.message));
      for (const frame of frames.value) {
        const message = decodeAgentMessage(frame);
        if (message === undefined) return reject(new Error('an answer that cannot be read'));
        seen.push(message);
        if (enough(message)) socket.destroy();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(seen));
    for (const piece of pieces) socket.write(piece);
    socket.end();
  });
}

const mutated = fc
  .tuple(
    fc.constantFrom(hello, encodeMessage(request)),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
  )
  .map(([frame, changes]) => {
    const copy = Buffer.from(frame);
    for (const [at, value] of changes) copy[at % copy.length] = value;
    return copy;
  });
const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated, fc.constant(hello)), { maxLength: 6 });

test('nobody is disturbed by a launcher that talks nonsense', async () => {
  const property = fc.asyncProperty(pieces, async (nonsense) => {
    const [answers, served] = await Promise.all([
      converse(nonsense, () => false),
      converse([hello, encodeMessage(request)], (message) => message.kind === 'run-locally'),
    ]);
    expect(served.map(({ kind }) => kind)).toEqual(['hello', 'run-locally']);
    const refused = answers.findIndex(({ kind }) => kind === 'refused');
    if (refused >= 0) expect(refused).toBe(answers.length - 1);
  });
  await fc.assert(property, budget);
});

test('the spawner ends on nonsense, and never hangs or crashes', async () => {
  const spawnFrame = encodeSpawn(1, { argv: ['/bin/true'], env: { A: 'b' }, cwd: '/', outputLimitBytes: 100 });
  const changed = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }).map((changes) => {
    const copy = Buffer.from(spawnFrame);
    // The paths keep what they are: a changed byte must not run something else.
    for (const [at, value] of changes) copy[at % 14] = value;
    return copy;
  });
  const property = fc.asyncProperty(fc.array(fc.oneof(fc.uint8Array({ maxLength: 100 }), changed)), async (input) => {
    const child = spawn(launcherPath, ['--spawner'], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.on('error', () => {});
    child.stdin.end(Buffer.concat(input));
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.on('exit', (...end) => resolve(end));
    });
    expect([code, signal]).toEqual([0, null]);
  });
  await fc.assert(property, budget);
});
