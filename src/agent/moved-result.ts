// A result that was made in the canonical place, as it would be had it been made in the true one; or why nobody can tell.
// Pure; unaware of where results come from.

import { asBuffer } from '../base/as-buffer.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CompilerFamily } from '../compiler/compiler-family.ts';
import { mentions } from '../compiler/moved-arguments.ts';
import { moveDepfile } from '../compiler/moved-depfile.ts';
import type { OutputRole } from '../compiler/parsed-compile.ts';
import type { PathMove } from '../model/path-move.ts';
import type { ReceivedResult } from './received-result.ts';

/** Why a result is not used and the compile goes its ordinary way; counted as `base.stuck.REASON`, explained in docs/guide/cache.md. */
export const stuckReasons = [
  /** a symbolic link leads into the directory or out of it */
  'link',
  /** the dependency list is not the predicted one */
  'unproven',
  /** the compile failed, and what it printed names the true directory: a source does too */
  'named-in-source',
  /** an output has the canonical name in it: a name that no prefix map covers got into it */
  'place-in-output',
  /** an output names the true directory */
  'directory-in-output',
  /** an output cannot be searched for names */
  'compressed-output',
  'dependency-list',
  /** a message on a terminal, where its length decides how it is laid out */
  'terminal-message',
] as const;

export type StuckReason = (typeof stuckReasons)[number];

export interface Stuck {
  readonly reason: StuckReason;
  readonly detail: string;
}

export interface MovedResult {
  readonly received: ReceivedResult;
  /** by the received files' paths; files without a role are not the user's */
  readonly roles: ReadonlyMap<string, OutputRole>;
  readonly family: CompilerFamily['kind'];
  readonly terminal: boolean;
  readonly move: PathMove;
}

/** Gives the dependency list and the messages their true names; everything else must have none. */
export function moveBack({ received, roles, family, terminal, move }: MovedResult): Result<ReceivedResult, Stuck> {
  const marker = Buffer.from(move.to.slice(1));
  const files = new Map<string, Uint8Array>();
  for (const [path, bytes] of received.files) {
    const role = roles.get(path);
    if (role === 'depfile') {
      const text = Buffer.from(bytes).toString('latin1');
      const moved = moveDepfile(text, family, (word) => move.back(word));
      if (moved === undefined || moved.includes(move.to)) return stuck('dependency-list', path);
      files.set(path, Buffer.from(moved, 'latin1'));
      continue;
    }
    if (role !== undefined) {
      const found = whyStuck(asBuffer(bytes), marker, move);
      if (found !== undefined) return stuck(found, path);
    }
    files.set(path, bytes);
  }
  const stdout = movedText(received.stdout, move);
  const stderr = movedText(received.stderr, move);
  if (terminal && (stdout !== received.stdout || stderr !== received.stderr)) {
    return stuck('terminal-message', 'a message names a file');
  }
  return ok({ files, stdout, stderr });
}

/** Whether what a compile printed shows that a source names the true directory, which is not there in the canonical place. */
export function namesTrueDirectory({ stdout, stderr }: ReceivedResult, move: PathMove): boolean {
  return [stdout, stderr].some((bytes) => mentions(asBuffer(bytes).toString('latin1'), move));
}

function whyStuck(bytes: Buffer, marker: Buffer, move: PathMove): StuckReason | undefined {
  if (bytes.includes(marker)) return 'place-in-output';
  if (hasCompressedSections(bytes)) return 'compressed-output';
  // most outputs do not have it at all
  const named = bytes.includes(move.from) && (move.from.includes('/', 1) || mentions(bytes.toString('latin1'), move));
  return named ? 'directory-in-output' : undefined;
}

function movedText(bytes: Uint8Array, move: PathMove): Uint8Array {
  const buffer = asBuffer(bytes);
  if (!buffer.includes(move.to)) return bytes;
  return Buffer.from(
    buffer.toString('latin1').replaceAll(move.to, () => move.from),
    'latin1',
  );
}

const compressedFlag = 0x800;

/** Whether an ELF file has a section whose text nobody can search; also when its table of sections is not understood. */
export function hasCompressedSections(bytes: Buffer): boolean {
  if (bytes.length < 0x40 || bytes.readUInt32BE(0) !== 0x7f454c46) return false;
  const wide = bytes[4] === 2;
  const little = bytes[5] === 1;
  const read16 = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const read32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  // the halves of 64 bits that matter: files and flags are small
  const low = (at: number) => read32(wide && !little ? at + 4 : at);
  const table = low(wide ? 0x28 : 0x20);
  const entryBytes = read16(wide ? 0x3a : 0x2e);
  // more than 0xff00 sections are counted in the first entry
  const listed = read16(wide ? 0x3c : 0x30);
  if (table === 0) return false;
  if (table + 0x40 > bytes.length) return true;
  const count = listed === 0 ? low(table + (wide ? 0x20 : 0x14)) : listed;
  if (table + count * entryBytes > bytes.length) return true;
  for (let at = table; at < table + count * entryBytes; at += entryBytes) {
    if ((low(at + 8) & compressedFlag) !== 0) return true;
  }
  return false;
}

function stuck(reason: StuckReason, detail: string): Result<never, Stuck> {
  return err({ reason, detail });
}
