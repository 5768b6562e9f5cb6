// Writes a result's files beside their targets under temporary names; the launcher renames them (the commit point).

import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  openSync,
  rmSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { WriteJournal } from './write-journal.ts';

export interface ResultFile {
  /** absolute path */
  readonly target: string;
  readonly bytes: Uint8Array;
  /** whether the compiler would leave the mode of a file of this size that exists as it is */
  keepsMode(existingBytes: number): boolean;
}

export interface PendingRename {
  readonly from: string;
  readonly to: string;
}

export class PendingWrites {
  constructor(
    readonly renames: readonly PendingRename[],
    private readonly journal: WriteJournal,
  ) {}

  /** The launcher has renamed every file. */
  committed(): void {
    for (const rename of this.renames) this.journal.settle(rename.from);
  }

  /** Removes the temporary files that are still there. */
  discard(): void {
    for (const rename of this.renames) {
      rmSync(rename.from, { force: true });
      this.journal.settle(rename.from);
    }
  }
}

/** Why a path cannot be replaced by a rename the way the compiler would rewrite it; undefined when it can. */
export function whyNotReplaceable(path: string): string | undefined {
  const stats = existing(path);
  if (stats === undefined) return undefined;
  if (!stats.isFile()) return `${path} is not a regular file`;
  if (stats.nlink > 1) return `${path} has other hard links`;
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch {
    return `${path} is write-protected`;
  }
}

/** Writes every file; on trouble removes what was written and answers one line about it. */
export function writeResult(
  files: readonly ResultFile[],
  umask: number,
  journal: WriteJournal,
): Result<PendingWrites, string> {
  const renames: PendingRename[] = [];
  try {
    for (const file of files) {
      const present = existing(file.target);
      const kept = present !== undefined && file.keepsMode(present.size) ? present.mode : undefined;
      const mode = (kept ?? 0o666 & ~umask) & 0o7777;
      const temporary = journal.reserve(dirname(file.target));
      renames.push({ from: temporary, to: file.target });
      const fd = openSync(temporary, 'wx', 0o600);
      try {
        let at = 0;
        while (at < file.bytes.byteLength) at += writeSync(fd, file.bytes, at);
        fchmodSync(fd, mode);
      } finally {
        closeSync(fd);
      }
    }
    return ok(new PendingWrites(renames, journal));
  } catch (error) {
    new PendingWrites(renames, journal).discard();
    return err((error as Error).message);
  }
}

function existing(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
