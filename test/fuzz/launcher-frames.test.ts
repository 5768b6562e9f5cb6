// Random bytes and random cuts against the launcher protocol's decoders: an answer or a refusal, never an exception.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameDecoder, type Frame } from '../../src/base/frame.ts';
import {
  decodeAgentMessage,
  decodeLauncherMessage,
  encodeMessage,
  type AgentMessage,
  type LauncherMessage,
} from '../../src/ipc/launcher-frames.ts';
import { decodeSpawnerEvent } from '../../src/host/spawner-frames.ts';

const budget = { interruptAfterTimeLimit: Number(process.env['ICETS_FUZZ_MS'] ?? 5000), numRuns: 1_000_000 };
const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', ''));
const path = text.map((value) => `/${value}`);
const u32 = fc.nat({ max: 0xffffffff });
const u16 = fc.nat({ max: 0xffff });
const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => Buffer.from(value));
const bigText = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const millis = fc.nat({ max: 2 ** 31 }).map((micros) => micros / 1000);

const launcherMessage: fc.Arbitrary<LauncherMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('hello' as const),
    protocol: u16,
    version: text,
    builtMs: fc.nat(),
    features: fc.array(text),
  }),
  fc.record({
    kind: fc.constant('request' as const),
    pid: u32,
    umask: fc.nat({ max: 0o777 }),
    mountNamespace: bigText,
    root: fc.tuple(bigText, bigText).map((pair) => pair.join(':')),
    stdoutTerminal: fc.boolean(),
    stderrTerminal: fc.boolean(),
    columns: u16,
    rows: u16,
    cwd: path,
    program: path,
    argv: fc.array(text, { minLength: 1 }),
    env: fc.dictionary(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,9}$/), text, { noNullPrototype: true }),
    exact: fc.constant(true),
  }),
  fc.record({
    kind: fc.constant('ended' as const),
    status: fc.oneof(
      fc.record({ kind: fc.constant('exited' as const), code: u32 }),
      fc.record({ kind: fc.constant('signalled' as const), signal: u32 }),
    ),
    userMs: millis,
    systemMs: millis,
    maxRssBytes: fc.nat(),
    wallMs: millis,
  }),
  fc.record({ kind: fc.constant('committed' as const), succeeded: fc.boolean(), index: u32, errno: u32 }),
);

const agentMessage: fc.Arbitrary<AgentMessage> = fc.oneof(
  fc.constant({ kind: 'heartbeat' as const }),
  fc.record({ kind: fc.constant('run-locally' as const), step: text }),
  fc.record({ kind: fc.constant('output' as const), stream: fc.constantFrom(1 as const, 2 as const), bytes }),
  fc.record({
    kind: fc.constant('result' as const),
    exitCode: fc.nat({ max: 255 }),
    stdout: bytes,
    stderr: bytes,
    renames: fc.array(fc.record({ from: path, to: path })),
    unlinks: fc.array(path),
  }),
);

/** Feeds bytes in pieces of the given sizes. */
function decodeInPieces(input: Buffer, sizes: readonly number[], maxBytes?: number): Frame[] | 'refused' {
  const decoder = new FrameDecoder(maxBytes);
  const frames: Frame[] = [];
  for (let at = 0, turn = 0; at < input.length; turn += 1) {
    const size = sizes[turn % sizes.length]!;
    const pushed = decoder.push(Buffer.from(input.subarray(at, at + size)));
    if (!pushed.ok) return 'refused';
    frames.push(...pushed.value);
    at += size;
  }
  return frames;
}

const sizes = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 5 });

test('messages survive any cutting', () => {
  const property = fc.property(
    fc.array(launcherMessage),
    fc.array(agentMessage),
    sizes,
    (fromLauncher, fromAgent, cut) => {
      const decoded = (messages: readonly (AgentMessage | LauncherMessage)[], decode: (frame: Frame) => unknown) => {
        const frames = decodeInPieces(Buffer.concat(messages.map(encodeMessage)), cut);
        if (frames === 'refused') throw new Error('refused');
        expect(frames.map(decode)).toEqual(messages);
      };
      decoded(fromLauncher, decodeLauncherMessage);
      decoded(fromAgent, decodeAgentMessage);
    },
  );
  fc.assert(property, budget);
});

test('random bytes are decoded or refused, the same however they are cut', () => {
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    // Right types and plausible lengths get further.
    fc
      .array(fc.tuple(fc.constantFrom(1, 2, 3, 4, 16, 17, 18, 19, 20, 21), fc.uint8Array({ maxLength: 60 })))
      .map((frames) =>
        Buffer.concat(
          frames.map(([type, payload]) => Buffer.concat([Buffer.from([payload.length, 0, 0, 0, type]), payload])),
        ),
      ),
  );
  const property = fc.property(input, sizes, (random, cut) => {
    const whole = decodeInPieces(Buffer.from(random), [random.length + 1], 1000);
    expect(decodeInPieces(Buffer.from(random), cut, 1000)).toEqual(whole);
    if (whole === 'refused') return;
    for (const frame of whole) {
      decodeLauncherMessage(frame);
      decodeAgentMessage(frame);
      decodeSpawnerEvent(frame);
    }
  });
  fc.assert(property, budget);
});
