import { describe, expect, test } from '@jest/globals';
import { FrameDecoder, FrameReader, FrameWriter, maxFramePayloadBytes } from '../../../src/base/frame.ts';

const frame = (type: number, text: string) => new FrameWriter(type).raw(text).finish();

describe('FrameDecoder', () => {
  test.each([1, 2, 3, 5, 7, 1000])('gives the same frames when the bytes come %i at a time', (size) => {
    const bytes = Buffer.concat([frame(1, ''), frame(2, 'two'), frame(255, 'x'.repeat(300)), frame(4, 'end')]);
    const decoder = new FrameDecoder();
    const seen: [number, string][] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const frames = decoder.push(bytes.subarray(at, at + size));
      if (!frames.ok) throw new Error(frames.error.message);
      for (const { type, payload } of frames.value) seen.push([type, payload.toString()]);
    }
    expect(seen).toEqual([
      [1, ''],
      [2, 'two'],
      [255, 'x'.repeat(300)],
      [4, 'end'],
    ]);
    expect(decoder.pendingBytes).toBe(0);
  });

  test('refuses a length beyond its limit, whole or in pieces, and keeps refusing', () => {
    const header = Buffer.from('0b00000001', 'hex');
    const whole = new FrameDecoder(10);
    expect(whole.push(header)).toMatchObject({ ok: false, error: { reason: 'frame-too-long' } });
    expect(whole.push(frame(1, ''))).toMatchObject({ ok: false });
    const pieces = new FrameDecoder(10);
    expect(pieces.push(header.subarray(0, 2))).toEqual({ ok: true, value: [] });
    expect(pieces.push(header.subarray(2))).toMatchObject({ ok: false, error: { reason: 'frame-too-long' } });
  });

  test('holds no more than what has arrived of a frame that promises much', () => {
    const decoder = new FrameDecoder();
    const header = Buffer.alloc(5);
    header.writeUInt32LE(maxFramePayloadBytes);
    expect(decoder.push(header)).toEqual({ ok: true, value: [] });
    expect(decoder.push(Buffer.alloc(100))).toEqual({ ok: true, value: [] });
    expect(decoder.pendingBytes).toBe(105);
    header.writeUInt32LE(maxFramePayloadBytes + 1);
    expect(new FrameDecoder().push(header)).toMatchObject({ ok: false });
  });
});

describe('FrameReader', () => {
  test('reads back what FrameWriter wrote', () => {
    const bytes = new FrameWriter(9, 1)
      .u8(255)
      .u16(65535)
      .u32(4294967295)
      .i32(-5)
      .u64(2n ** 64n - 1n)
      .bytes('grüße')
      .list(['', 'b'])
      .raw('rest')
      .finish();
    const reader = new FrameReader(bytes.subarray(5));
    expect([reader.u8(), reader.u16(), reader.u32(), reader.i32(), reader.u64()]).toEqual([
      255,
      65535,
      4294967295,
      -5,
      2n ** 64n - 1n,
    ]);
    expect([reader.text(), reader.list(), reader.rest().toString()]).toEqual(['grüße', ['', 'b'], 'rest']);
    expect([reader.failed, reader.exact]).toEqual([false, true]);
  });

  test('fails once, and for good, where the bytes end', () => {
    const reader = new FrameReader(Buffer.from('0500000061', 'hex'));
    expect(reader.text()).toBe('');
    expect([reader.failed, reader.u8(), reader.list(), reader.rest().length]).toEqual([true, 0, [], 0]);
  });

  test('does not believe a count that the payload cannot hold', () => {
    const reader = new FrameReader(Buffer.from('ffffffff00000000', 'hex'));
    expect(reader.list()).toEqual([]);
    expect(reader.failed).toBe(true);
  });

  test('notices text that is not UTF-8, and takes a real replacement character for what it is', () => {
    const latin = new FrameReader(
      new FrameWriter(1)
        .bytes(Buffer.from([0x63, 0xe9]))
        .finish()
        .subarray(5),
    );
    latin.text();
    expect(latin.exact).toBe(false);
    const real = new FrameReader(new FrameWriter(1).bytes('\ufffd').finish().subarray(5));
    expect([real.text(), real.exact]).toEqual(['\ufffd', true]);
  });
});
