// Takes the declared outputs out of an action's writable directories. What an action leaves there is hostile until it is known
// to be a regular file: nothing is followed, nothing waits. Unaware of stores.

import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { err, ok, type Result } from '../base/result.ts';
import type { RemoteFailure } from '../model/failure.ts';

const readLater = promisify(read);
/** larger outputs are read on another thread, for which handing over costs more than reading a small one */
const smallBytes = 1024 * 1024;

export interface CollectedOutput {
  readonly bytes: Buffer;
  readonly executable: boolean;
}

/**
 * Reads one output; undefined when there is none.
 * Failures: `invalid-request` for anything but a regular file, `limit-exceeded` above `limitBytes`.
 * @param directory a path that the action could not change
 * @param name one name
 */
export async function collectOutput(
  directory: string,
  name: string,
  limitBytes: number,
): Promise<Result<CollectedOutput | undefined, RemoteFailure>> {
  let descriptor: number;
  try {
    // O_NONBLOCK: opening a FIFO must not wait for its other end.
    descriptor = openSync(
      `${directory}/${name}`,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return ok(undefined);
    if (code === 'ELOOP') return notRegular(name);
    if (code === 'ENXIO') return notRegular(name);
    return err({ reason: 'worker-failed', message: `output ${JSON.stringify(name)}: ${code ?? String(error)}` });
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) return notRegular(name);
    if (stat.size > limitBytes) {
      return err({ reason: 'limit-exceeded', message: `output ${JSON.stringify(name)} has ${stat.size} bytes` });
    }
    const bytes = Buffer.allocUnsafe(stat.size);
    let filled = 0;
    while (filled < bytes.length) {
      const rest = bytes.length - filled;
      const bytesRead =
        stat.size <= smallBytes
          ? readSync(descriptor, bytes, filled, rest, null)
          : (await readLater(descriptor, bytes, filled, rest, null)).bytesRead;
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return ok({ bytes: bytes.subarray(0, filled), executable: (stat.mode & 0o100) !== 0 });
  } finally {
    closeSync(descriptor);
  }
}

function notRegular(name: string): { readonly ok: false; readonly error: RemoteFailure } {
  return err({ reason: 'invalid-request', message: `output ${JSON.stringify(name)} is no regular file` });
}
