// One blob's file: written through a temporary file, checked, copied. Unaware of limits and of what else is stored.

import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { chmod, copyFile, open, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises';
import { err, ok, type Result } from '../base/result.ts';
import type { BlobWriter } from '../model/blob-store.ts';
import type { Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { wrongDigest } from './blob-check.ts';
import { messageOf, systemErrorCode } from './system-error.ts';

/** mtime of every file in a disk store, seconds since the epoch. */
export const blobMtimeSeconds = 1;

const readBytes = 1024 * 1024;

/** An error of the file system as a failure of the store; anything else is a bug and thrown on. */
export function storeFailed(error: unknown): RemoteFailure {
  if (systemErrorCode(error) === undefined) throw error;
  return { reason: 'store-failed', message: messageOf(error) };
}

export function isAbsent(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOENT';
}

export function isDiskFull(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Writes bytes that are known to be right, then renames: the blob is there whole or not at all. Throws errors of the file system. */
export async function writeBlobFile(temporary: string, target: string, bytes: Uint8Array): Promise<void> {
  try {
    const handle = await open(temporary, 'wx', 0o444);
    try {
      await handle.writeFile(bytes);
      await seal(handle, 0o444);
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The same in one go, without other threads. */
export function writeSmallBlobFile(temporary: string, target: string, bytes: Uint8Array): void {
  try {
    const file = openSync(temporary, 'wx', 0o444);
    try {
      writeFileSync(file, bytes);
      futimesSync(file, blobMtimeSeconds, blobMtimeSeconds);
      if ((fstatSync(file).mode & 0o777) !== 0o444) fchmodSync(file, 0o444);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** A second file that may be executed; it shares blocks where the file system can do that. */
export async function copyExecutable(source: string, temporary: string, target: string): Promise<void> {
  try {
    await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(temporary, 0o555);
    await utimes(temporary, blobMtimeSeconds, blobMtimeSeconds);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Whether a file has the size and the hash; false when it is absent. */
export async function fileHasDigest(path: string, digest: Digest): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
  try {
    if ((await handle.stat()).size !== digest.sizeBytes) return false;
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, digest.sizeBytes + 1));
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
    return hash.digest('hex') === digest.hash;
  } finally {
    await handle.close();
  }
}

export async function fileHasSize(path: string, digest: Digest): Promise<boolean> {
  try {
    return (await stat(path)).size === digest.sizeBytes;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** Takes a blob in pieces; `finish` is called with the complete, checked temporary file and moves it away. */
export class BlobFileWriter implements BlobWriter {
  readonly #hash: Hash = createHash('sha256');
  #size = 0;
  #state: { readonly kind: 'open'; readonly handle: FileHandle } | { readonly kind: 'ended' };

  private constructor(
    handle: FileHandle,
    private readonly digest: Digest,
    private readonly temporary: string,
    private readonly finish: () => Promise<void>,
    private readonly ended: () => void,
  ) {
    this.#state = { kind: 'open', handle };
  }

  /** @param ended called once, however the upload ends; throws errors of the file system */
  static async open(
    digest: Digest,
    temporary: string,
    finish: () => Promise<void>,
    ended: () => void,
  ): Promise<BlobFileWriter> {
    return new BlobFileWriter(await open(temporary, 'wx', 0o444), digest, temporary, finish, ended);
  }

  async append(bytes: Uint8Array): Promise<Result<void, RemoteFailure>> {
    if (this.#state.kind === 'ended') return err(uploadEnded());
    if (this.#size + bytes.byteLength > this.digest.sizeBytes) {
      await this.abort();
      return err(wrongDigest(this.digest));
    }
    this.#hash.update(bytes);
    this.#size += bytes.byteLength;
    try {
      await this.#state.handle.writeFile(bytes);
      return ok(undefined);
    } catch (error) {
      await this.abort();
      return err(storeFailed(error));
    }
  }

  async commit(): Promise<Result<void, RemoteFailure>> {
    if (this.#state.kind === 'ended') return err(uploadEnded());
    if (this.#size !== this.digest.sizeBytes || this.#hash.digest('hex') !== this.digest.hash) {
      await this.abort();
      return err(wrongDigest(this.digest));
    }
    const { handle } = this.#state;
    this.#state = { kind: 'ended' };
    try {
      try {
        await seal(handle, 0o444);
      } finally {
        await handle.close();
      }
      await this.finish();
      return ok(undefined);
    } catch (error) {
      await rm(this.temporary, { force: true });
      return err(storeFailed(error));
    } finally {
      this.ended();
    }
  }

  async abort(): Promise<void> {
    if (this.#state.kind === 'ended') return;
    const { handle } = this.#state;
    this.#state = { kind: 'ended' };
    await handle.close().catch(() => undefined);
    await rm(this.temporary, { force: true }).catch(() => undefined);
    this.ended();
  }
}

function uploadEnded(): RemoteFailure {
  return { reason: 'invalid-request', message: 'this upload has ended' };
}

/** The mode needs setting only where the umask took bits away; asked each time, since a umask can change. */
async function seal(handle: FileHandle, mode: number): Promise<void> {
  await handle.utimes(blobMtimeSeconds, blobMtimeSeconds);
  if (((await handle.stat()).mode & 0o777) !== mode) await handle.chmod(mode);
}
