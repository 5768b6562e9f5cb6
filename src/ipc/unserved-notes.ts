// Notes that launchers leave when a command ran without the agent: so that even those steps get a record.
// Format (docs/launcher-protocol.md): for each command an Unserved frame and the Request frame, appended at once.

import { readFileSync, renameSync, rmSync } from 'node:fs';
import { FrameDecoder, FrameReader } from '../base/frame.ts';
import { decodeLauncherMessage, type LauncherRequest } from './launcher-frames.ts';

export interface UnservedNote {
  /** milliseconds since the epoch */
  readonly atMs: number;
  readonly why: string;
  readonly request: LauncherRequest;
}

const unservedFrame = 5;

/** Takes the notes of a socket folder away and answers them; a torn or foreign tail is dropped. */
export function takeUnservedNotes(socketDir: string): UnservedNote[] {
  const taken = `${socketDir}/unserved.${process.pid}`;
  try {
    renameSync(`${socketDir}/unserved`, taken);
  } catch {
    return [];
  }
  // A launcher that had the file open before the rename may still be writing: its note is torn or lost, no more.
  const bytes = readFileSync(taken);
  rmSync(taken, { force: true });
  return readUnservedNotes(bytes);
}

export function readUnservedNotes(bytes: Uint8Array): UnservedNote[] {
  const frames = new FrameDecoder().push(bytes);
  if (!frames.ok) return [];
  const notes: UnservedNote[] = [];
  let head: { atMs: number; why: string } | undefined;
  for (const frame of frames.value) {
    if (frame.type === unservedFrame) {
      const reader = new FrameReader(frame.payload);
      const atMs = Number(reader.u64());
      const why = reader.text();
      head = reader.failed ? undefined : { atMs, why };
      continue;
    }
    const request = decodeLauncherMessage(frame);
    if (head !== undefined && request?.kind === 'request') notes.push({ ...head, request });
    head = undefined;
  }
  return notes;
}
