// Frames to bytes and back, with their shape checked. Unaware of connections and of what a frame asks for.

import { err, ok, type Result } from '../base/result.ts';
import { Frame } from '../proto/generated/icets/link/v1/link.ts';

export type FrameBody = NonNullable<Frame['body']>;
export type FrameCase = FrameBody['$case'];
/** The message inside a body of this case. */
export type FrameValue<C extends FrameCase> = Extract<FrameBody, { readonly $case: C }>['value'];

/** `body` is undefined when the sender knows a message that this side does not. */
export type IncomingFrame =
  | { readonly kind: 'request'; readonly id: number; readonly body: FrameBody | undefined }
  | { readonly kind: 'reply'; readonly to: number; readonly body: FrameBody | undefined }
  | { readonly kind: 'notice'; readonly body: FrameBody | undefined };

export interface FrameError {
  readonly reason: 'bad-frame' | 'too-many-parts';
  readonly message: string;
}

/** entries of one list in a frame; a findMissing of ours has at most 5,000 */
const maxParts = 50_000;
/** frames below this cannot hold enough parts to hurt */
const uncountedBytes = 2 * maxParts;

export function encodeFrame(frame: Frame): Uint8Array {
  return Frame.encode(frame).finish();
}

/** Reads one binary message; nothing in it is trusted beyond its shape. */
export function decodeFrame(bytes: Uint8Array): Result<IncomingFrame, FrameError> {
  if (bytes.byteLength > uncountedBytes && !partsWithin(bytes, maxParts)) {
    return err({ reason: 'too-many-parts', message: `a frame with more than ${maxParts} parts` });
  }
  let frame: Frame;
  try {
    frame = Frame.decode(bytes);
  } catch (error) {
    return err({ reason: 'bad-frame', message: `not a frame: ${(error as Error).message}` });
  }
  const { id, replyTo, body } = frame;
  if (id !== 0 && replyTo !== 0) return err({ reason: 'bad-frame', message: 'a frame that is a request and a reply' });
  if (id !== 0) return ok({ kind: 'request', id, body });
  if (replyTo !== 0) return ok({ kind: 'reply', to: replyTo, body });
  return ok({ kind: 'notice', body });
}

/**
 * Counts the fields of the frame and of its body without making objects: two bytes on the wire could otherwise become a hundred
 * in memory, four million times. False when there are too many; bytes that cannot be read are left to the decoder.
 */
function partsWithin(bytes: Uint8Array, limit: number): boolean {
  let parts = 0;
  let pos = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; pos < bytes.byteLength && shift < 70; shift += 7) {
      const byte = bytes[pos] ?? 0;
      pos += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return NaN;
  };
  while (pos < bytes.byteLength) {
    parts += 1;
    if (parts > limit) return false;
    const tag = varint();
    switch (tag % 8) {
      case 0:
        varint();
        break;
      case 1:
        pos += 8;
        break;
      case 5:
        pos += 4;
        break;
      case 2: {
        const length = varint();
        // Field numbers from 10 on are bodies at the frame's own level: their fields are walked instead of skipped. Inside of a
        // body all numbers are below 10.
        if (Math.floor(tag / 8) < 10) pos += length;
        break;
      }
      default:
        return true;
    }
    if (Number.isNaN(pos) || Number.isNaN(tag)) return true;
  }
  return true;
}
