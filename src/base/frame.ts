// Length-prefixed frames (u32 payload length, u8 type, payload; little-endian) and the fields inside them.
// Unaware of what the frames mean: the launcher's socket and the spawner's pipes both use them.

import { err, ok, type Result } from './result.ts';

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

export interface FrameError {
  readonly reason: 'frame-too-long';
  readonly message: string;
}

export const frameHeaderBytes = 5;

/** No frame is longer, whatever a decoder allows. */
export const maxFramePayloadBytes = 2 ** 30;

/** Cuts a byte stream into frames, however it is chunked. A length is believed only as far as its bytes arrive. */
export class FrameDecoder {
  readonly #maxPayloadBytes: number;
  #pending: Buffer = Buffer.alloc(0);
  #used = 0;
  #error: FrameError | undefined;

  constructor(maxPayloadBytes: number = maxFramePayloadBytes) {
    this.#maxPayloadBytes = Math.min(maxPayloadBytes, maxFramePayloadBytes);
  }

  /** bytes held of a frame that is not complete yet */
  get pendingBytes(): number {
    return this.#used;
  }

  /**
   * Takes the next bytes and gives the frames they complete. Payloads may share memory with `chunk`.
   * After an error every further call answers the same error.
   */
  push(chunk: Uint8Array): Result<readonly Frame[], FrameError> {
    if (this.#error !== undefined) return err(this.#error);
    let input = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const frames: Frame[] = [];
    if (this.#used > 0) {
      const taken = this.#complete(input, frames);
      if (this.#error !== undefined) return err(this.#error);
      input = input.subarray(taken);
    }
    while (input.length >= frameHeaderBytes) {
      const length = input.readUInt32LE(0);
      if (!this.#allowed(length)) return err(this.#error!);
      const end = frameHeaderBytes + length;
      if (input.length < end) break;
      frames.push({ type: input.readUInt8(4), payload: input.subarray(frameHeaderBytes, end) });
      input = input.subarray(end);
    }
    if (input.length > 0) this.#keep(input);
    return ok(frames);
  }

  /** Adds to the frame begun earlier; answers how many bytes of the input belonged to it. */
  #complete(input: Buffer, frames: Frame[]): number {
    let taken = 0;
    if (this.#used < frameHeaderBytes) {
      taken = Math.min(frameHeaderBytes - this.#used, input.length);
      this.#keep(input.subarray(0, taken));
      if (this.#used < frameHeaderBytes) return taken;
    }
    const length = this.#pending.readUInt32LE(0);
    if (!this.#allowed(length)) return taken;
    const end = frameHeaderBytes + length;
    const more = Math.min(end - this.#used, input.length - taken);
    this.#keep(input.subarray(taken, taken + more));
    taken += more;
    if (this.#used === end) {
      frames.push({ type: this.#pending.readUInt8(4), payload: this.#pending.subarray(frameHeaderBytes, end) });
      this.#pending = Buffer.alloc(0);
      this.#used = 0;
    }
    return taken;
  }

  #keep(bytes: Buffer): void {
    const wanted = this.#used + bytes.length;
    if (wanted > this.#pending.length) {
      const grown = Buffer.allocUnsafe(Math.max(wanted, this.#pending.length * 2, 256));
      this.#pending.copy(grown, 0, 0, this.#used);
      this.#pending = grown;
    }
    bytes.copy(this.#pending, this.#used);
    this.#used = wanted;
  }

  #allowed(length: number): boolean {
    if (length <= this.#maxPayloadBytes) return true;
    this.#error = {
      reason: 'frame-too-long',
      message: `a frame of ${length} bytes, at most ${this.#maxPayloadBytes} are allowed`,
    };
    this.#pending = Buffer.alloc(0);
    this.#used = 0;
    return false;
  }
}

/** Writes the fields of one frame. Text is UTF-8; a value out of its field's range is a bug and throws. */
export class FrameWriter {
  #bytes: Buffer;
  #used = frameHeaderBytes;

  constructor(type: number, sizeHintBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(frameHeaderBytes + sizeHintBytes);
    this.#bytes.writeUInt8(type, 4);
  }

  u8(value: number): this {
    this.#room(1);
    this.#used = this.#bytes.writeUInt8(value, this.#used);
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#used = this.#bytes.writeUInt16LE(value, this.#used);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#used = this.#bytes.writeUInt32LE(value, this.#used);
    return this;
  }

  i32(value: number): this {
    this.#room(4);
    this.#used = this.#bytes.writeInt32LE(value, this.#used);
    return this;
  }

  u64(value: number | bigint): this {
    this.#room(8);
    this.#used = this.#bytes.writeBigUInt64LE(BigInt(value), this.#used);
    return this;
  }

  /** u32 length and the bytes */
  bytes(value: string | Uint8Array): this {
    const length = typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
    this.u32(length);
    this.raw(value, length);
    return this;
  }

  /** u32 count and each as `bytes` */
  list(values: readonly string[]): this {
    this.u32(values.length);
    for (const value of values) this.bytes(value);
    return this;
  }

  /** the bytes alone; only as the last field */
  raw(value: string | Uint8Array, length: number = Buffer.byteLength(value)): this {
    this.#room(length);
    if (typeof value === 'string') this.#bytes.write(value, this.#used);
    else this.#bytes.set(value, this.#used);
    this.#used += length;
    return this;
  }

  /** The whole frame, header included. */
  finish(): Buffer {
    const length = this.#used - frameHeaderBytes;
    if (length > maxFramePayloadBytes) throw new Error(`a frame of ${length} bytes is too long`);
    this.#bytes.writeUInt32LE(length, 0);
    return this.#bytes.subarray(0, this.#used);
  }

  #room(more: number): void {
    const wanted = this.#used + more;
    if (wanted <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }
}

/**
 * Reads the fields of one payload. Reading past the end, or a count that cannot be, makes `failed` true and every
 * later field zero or empty: read everything, then look at `failed` once. Bytes left over at the end are no error.
 */
export class FrameReader {
  readonly #payload: Buffer;
  #at = 0;
  #failed = false;
  #exact = true;

  constructor(payload: Buffer) {
    this.#payload = payload;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** whether every text so far was valid UTF-8, so that encoding it again gives the same bytes */
  get exact(): boolean {
    return this.#exact;
  }

  u8(): number {
    return this.#take(1) ? this.#payload.readUInt8(this.#at - 1) : 0;
  }

  u16(): number {
    return this.#take(2) ? this.#payload.readUInt16LE(this.#at - 2) : 0;
  }

  u32(): number {
    return this.#take(4) ? this.#payload.readUInt32LE(this.#at - 4) : 0;
  }

  i32(): number {
    return this.#take(4) ? this.#payload.readInt32LE(this.#at - 4) : 0;
  }

  u64(): bigint {
    return this.#take(8) ? this.#payload.readBigUInt64LE(this.#at - 8) : 0n;
  }

  /** A view of the payload. */
  bytes(): Buffer {
    const length = this.u32();
    return this.#take(length) ? this.#payload.subarray(this.#at - length, this.#at) : Buffer.alloc(0);
  }

  text(): string {
    const bytes = this.bytes();
    const text = bytes.toString('utf8');
    if (this.#exact && text.includes('\ufffd') && !Buffer.from(text).equals(bytes)) this.#exact = false;
    return text;
  }

  list(): readonly string[] {
    const values: string[] = [];
    for (let left = this.count(4); left > 0 && !this.#failed; left -= 1) values.push(this.text());
    return values;
  }

  /** A u32 count of items of at least `itemBytes` each; more than the payload can hold is a failure. */
  count(itemBytes: number): number {
    const count = this.u32();
    if (count * itemBytes <= this.#payload.length - this.#at) return count;
    this.#failed = true;
    return 0;
  }

  /** All that is left. */
  rest(): Buffer {
    const rest = this.#payload.subarray(this.#at);
    this.#at = this.#payload.length;
    return this.#failed ? Buffer.alloc(0) : rest;
  }

  #take(length: number): boolean {
    if (this.#failed || length > this.#payload.length - this.#at) {
      this.#failed = true;
      return false;
    }
    this.#at += length;
    return true;
  }
}
