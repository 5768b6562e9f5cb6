import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { FrameWriter } from '../../../src/base/frame.ts';
import { encodeMessage, type LauncherRequest } from '../../../src/ipc/launcher-frames.ts';
import { readUnservedNotes, takeUnservedNotes } from '../../../src/ipc/unserved-notes.ts';

const request: LauncherRequest = {
  kind: 'request',
  pid: 1,
  umask: 18,
  mountNamespace: '1',
  root: '2:3',
  stdoutTerminal: false,
  stderrTerminal: false,
  columns: 0,
  rows: 0,
  cwd: '/project',
  program: '/usr/bin/gcc',
  argv: ['gcc', '-c', 'a.c', '-o', 'a.o'],
  env: { PATH: '/usr/bin' },
  exact: true,
};

function note(why: string): Buffer {
  return Buffer.concat([new FrameWriter(5).u64(1234).bytes(why).finish(), encodeMessage(request)]);
}

describe('notes of unserved commands', () => {
  test('say when, why and which command', () => {
    const notes = readUnservedNotes(Buffer.concat([note('the agent hangs'), note('no agent')]));
    expect(notes.map(({ atMs, why }) => ({ atMs, why }))).toEqual([
      { atMs: 1234, why: 'the agent hangs' },
      { atMs: 1234, why: 'no agent' },
    ]);
    expect(notes[0]?.request.argv).toEqual(request.argv);
  });

  test('survive a torn end and bytes that are no notes', () => {
    const whole = note('the agent hangs');
    expect(readUnservedNotes(Buffer.concat([whole, whole.subarray(0, whole.length - 3)]))).toHaveLength(1);
    expect(readUnservedNotes(Buffer.from('something else entirely, long enough for a header'))).toEqual([]);
    expect(readUnservedNotes(encodeMessage(request))).toEqual([]);
  });

  test('are taken once', () => {
    const folder = mkdtempSync(join(tmpdir(), 'icets-notes-'));
    writeFileSync(join(folder, 'unserved'), note('no agent'));
    expect(takeUnservedNotes(folder)).toHaveLength(1);
    expect(takeUnservedNotes(folder)).toEqual([]);
    expect(existsSync(join(folder, 'unserved'))).toBe(false);
    rmSync(folder, { recursive: true });
  });
});
