import { describe, expect, test } from '@jest/globals';
import { decodeFrame, encodeFrame } from '../../../src/link/frame-codec.ts';
import { readHello, readWelcome } from '../../../src/link/handshake.ts';
import { checkedActionResult, checkedHints, isOutputPath } from '../../../src/link/message-check.ts';
import { ActionResult, ExecutionHints } from '../../../src/model/action.ts';
import { digestOf } from '../../../src/model/digest.ts';
import { Hello, WorkerInfo } from '../../../src/proto/generated/icets/link/v1/link.ts';

const ping = { $case: 'ping', value: {} } as const;

describe('a frame', () => {
  test('is a request, a reply or a notice', () => {
    expect(decodeFrame(encodeFrame({ id: 7, replyTo: 0, body: ping }))).toEqual({
      ok: true,
      value: { kind: 'request', id: 7, body: ping },
    });
    expect(decodeFrame(encodeFrame({ id: 0, replyTo: 7, body: ping }))).toEqual({
      ok: true,
      value: { kind: 'reply', to: 7, body: ping },
    });
    expect(decodeFrame(encodeFrame({ id: 0, replyTo: 0, body: ping }))).toEqual({
      ok: true,
      value: { kind: 'notice', body: ping },
    });
  });

  test('cannot be a request and a reply', () => {
    expect(decodeFrame(encodeFrame({ id: 1, replyTo: 1, body: ping }))).toMatchObject({
      ok: false,
      error: { reason: 'bad-frame' },
    });
  });

  test('of a newer version has an unknown body', () => {
    // field 1: id 3; field 99, length-delimited, empty
    const bytes = Uint8Array.of(0x08, 0x03, 0x9a, 0x06, 0x00);
    expect(decodeFrame(bytes)).toEqual({ ok: true, value: { kind: 'request', id: 3, body: undefined } });
  });

  test('with an id beyond 2^53 is bad', () => {
    const bytes = Uint8Array.of(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
    expect(decodeFrame(bytes)).toMatchObject({ ok: false, error: { reason: 'bad-frame' } });
  });

  test.each([[Uint8Array.of(0x08)], [Uint8Array.of(0x52, 0x7f)], [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]])(
    'that is cut off is bad: %j',
    (bytes) => {
      expect(decodeFrame(bytes)).toMatchObject({ ok: false, error: { reason: 'bad-frame' } });
    },
  );

  test('with millions of empty parts is refused before they become objects', () => {
    const parts = 3_000_000;
    const inner = Buffer.alloc(2 * parts);
    for (let at = 0; at < inner.length; at += 2) inner[at] = 0x12;
    const length = Buffer.alloc(4);
    length.writeUInt8((inner.length & 0x7f) | 0x80, 0);
    length.writeUInt8(((inner.length >> 7) & 0x7f) | 0x80, 1);
    length.writeUInt8(((inner.length >> 14) & 0x7f) | 0x80, 2);
    length.writeUInt8(inner.length >> 21, 3);
    const frame = Buffer.concat([Uint8Array.of(0x08, 0x01, 0xa2, 0x01), length, inner]);
    expect(decodeFrame(frame)).toMatchObject({ ok: false, error: { reason: 'too-many-parts' } });
  });

  test('with 5,000 digests is not too large', () => {
    const blobDigests = Array.from({ length: 5_000 }, (_, n) => digestOf(Buffer.from(`${n}`)));
    const bytes = encodeFrame({
      id: 1,
      replyTo: 0,
      body: { $case: 'findMissing', value: { instanceName: '', blobDigests } },
    });
    expect(decodeFrame(bytes).ok).toBe(true);
  });
});

describe('a Hello', () => {
  const hello = (value: Partial<Hello>): Uint8Array =>
    encodeFrame({
      id: 0,
      replyTo: 0,
      body: {
        $case: 'hello',
        value: Hello.fromPartial({ protocol: 1, role: 'agent', name: 'n', version: '1', ...value }),
      },
    });
  const worker = WorkerInfo.fromPartial({ id: 'w-1', arch: 'x86_64', cores: 4, slots: 4, memoryBytes: 1 });

  test('tells who is there and which features both sides know', () => {
    expect(readHello(hello({ features: ['execute-stage', 'telepathy'] }))).toEqual({
      ok: true,
      value: { role: 'agent', name: 'n', version: '1', features: ['execute-stage'] },
    });
    expect(readHello(hello({ role: 'worker', worker }))).toMatchObject({ ok: true, value: { role: 'worker', worker } });
  });

  test('of another protocol is rejected with both numbers', () => {
    const answer = readHello(hello({ protocol: 9, version: '7.5' }));
    expect(answer).toMatchObject({ ok: false, error: { reason: 'protocol' } });
    expect(!answer.ok && answer.error.message).toMatch(/protocol 1.*7\.5.*9/);
  });

  test.each([
    [{ role: 'emperor' }],
    [{ name: '' }],
    [{ role: 'worker' }],
    [{ role: 'worker', worker: { ...worker, id: '../../etc' } }],
    [{ role: 'worker', worker: { ...worker, slots: 0 } }],
    [{ role: 'worker', worker: { ...worker, slots: 1e9 } }],
    [{ role: 'worker', worker: { ...worker, arch: '' } }],
  ] as [Partial<Hello>][])('that makes no sense is rejected: %j', (value) => {
    expect(readHello(hello(value))).toMatchObject({ ok: false, error: { reason: 'invalid-hello' } });
  });

  test('has no control characters after it was read', () => {
    const answer = readHello(hello({ name: 'a\u001b[31m\nb' }));
    expect(answer).toMatchObject({ ok: true, value: { name: 'a?[31m?b' } });
  });

  test('must come first', () => {
    expect(readHello(encodeFrame({ id: 0, replyTo: 0, body: ping })).ok).toBe(false);
    expect(readHello(new Uint8Array(0)).ok).toBe(false);
    expect(readWelcome(new Uint8Array(0)).ok).toBe(false);
  });
});

describe('what a peer sends', () => {
  test.each(['a', 'a/b.o', '../out/a.o', '../../a', ' ', 'a/..b', '...'])('%j is an output path', (path) => {
    expect(isOutputPath(path)).toBe(true);
  });

  test.each(['', '/', '/etc/passwd', 'a/', 'a//b', './a', 'a/./b', 'a/../b', '..', '../..', 'a\0b', 'x'.repeat(5000)])(
    '%j is no output path',
    (path) => {
      expect(isOutputPath(path)).toBe(false);
    },
  );

  test('is an action result only with digests and paths that are some', () => {
    const digest = digestOf(Buffer.from('x'));
    const file = { path: 'a.o', digest };
    expect(checkedActionResult(ActionResult.fromPartial({ outputFiles: [file] })).ok).toBe(true);
    const bad = [
      undefined,
      ActionResult.fromPartial({ outputFiles: [{ path: 'a.o' }] }),
      ActionResult.fromPartial({ outputFiles: [{ ...file, path: '/a.o' }] }),
      ActionResult.fromPartial({ outputFiles: [{ ...file, digest: { hash: 'A'.repeat(64), sizeBytes: 1 } }] }),
      ActionResult.fromPartial({ outputFiles: [{ ...file, digest: { ...digest, sizeBytes: -1 } }] }),
      ActionResult.fromPartial({ outputFiles: [{ ...file, contents: Buffer.from('more than one byte') }] }),
      ActionResult.fromPartial({ stdoutDigest: { hash: '../../x', sizeBytes: 1 } }),
      ActionResult.fromPartial({ outputSymlinks: [{ path: 'a/../../b', target: 'x' }] }),
      ActionResult.fromPartial({ outputDirectories: [{ path: 'd' }] }),
    ];
    for (const one of bad) expect(checkedActionResult(one).ok).toBe(false);
  });

  test('are hints only with absolute, plain mounts', () => {
    const hints = (mounts: string[]) => checkedHints(ExecutionHints.fromPartial({ mounts }));
    expect(hints(['/usr/include', '/usr/lib/gcc']).ok).toBe(true);
    for (const mount of ['usr', '/', '/usr/../etc', '/../x', '/usr//x', '']) expect(hints([mount]).ok).toBe(false);
    expect(checkedHints(undefined).ok).toBe(false);
  });
});
