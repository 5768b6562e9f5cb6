// A scheduler that is stopped or killed, seen from a peer: real processes, the real clock, the real times.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ok } from '../../src/base/result.ts';
import type { LinkClient } from '../../src/link/link-client.ts';
import { linkRemoteExecutor, requestStatus } from '../../src/link/link-remote-executor.ts';
import { digestOf } from '../../src/model/digest.ts';
import { bundled, type Bundle } from '../unit/link/bundle.ts';
import { openClient, stateOf } from '../unit/link/loopback.ts';

describe('a scheduler in a process of its own', () => {
  let bundle: Bundle;
  let child: ChildProcess;
  let client: LinkClient;

  beforeAll(async () => {
    bundle = await bundled('test/unit/link/server-process.ts');
  });

  afterAll(() => rm(bundle.dir, { recursive: true }));

  afterEach(async () => {
    await client.close();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });

  async function connected(): Promise<void> {
    const [program, ...args] = bundle.argv;
    child = spawn(program, args, { env: bundle.env, stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new Error('no output');
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
    // A client that does not wait for a connection, and whose timers keep this process alive, as an agent's do.
    client = openClient({ url }, { waitMs: 0 });
    await stateOf(client, 'connected');
  }

  test('that is stopped is noticed within five seconds, and found again when it goes on', async () => {
    await connected();
    const remote = linkRemoteExecutor(client);
    const alive = setInterval(() => {}, 1000);
    const began = performance.now();
    child.kill('SIGSTOP');
    const asked = requestStatus(client);
    expect(await asked).toMatchObject({ ok: false, error: { reason: 'disconnected' } });
    const tookMs = performance.now() - began;
    expect(tookMs).toBeGreaterThan(3_500);
    expect(tookMs).toBeLessThan(5_200);
    // While it is stopped the kernel still takes connections; none of them counts as one.
    expect(await remote.getActionResult(digestOf(Buffer.from('a')))).toMatchObject({ ok: false });
    expect(client.state.kind).toBe('connecting');
    child.kill('SIGCONT');
    await stateOf(client, 'connected');
    expect(await requestStatus(client)).toEqual(ok({ fine: true }));
    clearInterval(alive);
  });

  test('that is stopped in the middle of an upload fails it', async () => {
    await connected();
    const alive = setInterval(() => {}, 1000);
    const bytes = Buffer.alloc(64 * 1024 * 1024, 7);
    const remote = linkRemoteExecutor(client);
    const uploading = remote.blobs.write(digestOf(bytes), bytes);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const began = performance.now();
    child.kill('SIGSTOP');
    expect(await uploading).toMatchObject({ ok: false, error: { reason: 'disconnected' } });
    expect(performance.now() - began).toBeLessThan(5_200);
    clearInterval(alive);
  });

  test('that is killed is noticed at once', async () => {
    await connected();
    const began = performance.now();
    const asked = linkRemoteExecutor(client).execute(
      {
        action: digestOf(Buffer.from('a')),
        skipCacheLookup: false,
        hints: { ...noHints },
      },
      () => {},
    );
    child.kill('SIGKILL');
    expect((await asked).ok).toBe(false);
    await stateOf(client, 'connecting');
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('stays connected to a peer that was stopped itself for a moment', async () => {
    await connected();
    const states: string[] = [];
    client.onStateChange((state) => states.push(state.kind));
    // This process does nothing for two and a half seconds: no ping, no pong, no timer.
    const until = performance.now() + 2_500;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await requestStatus(client)).toEqual(ok({ fine: true }));
    expect(states).toEqual([]);
  });
});

const noHints = {
  costKey: '',
  label: '',
  client: '',
  build: '',
  correlation: '',
  toolchain: undefined,
  arch: '',
  mounts: [],
  sourceBytes: 0,
  resultKey: undefined,
  downstreamMs: 0,
};
