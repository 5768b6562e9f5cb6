// Where the agent's socket is, and whether that folder is safe to use. The C launcher follows the same rules.

import { chmodSync, closeSync, constants, lstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { err, ok, type Result } from '../base/result.ts';

export const socketName = 'agent.sock';

export type SocketFolderFailure = {
  readonly reason: 'unsafe-folder';
  readonly message: string;
};

/** The folder for a user's environment; not checked and not made. Undefined when the environment asks for nonsense. */
export function socketFolder(env: Readonly<Record<string, string | undefined>>, uid: number): string | undefined {
  const told = env['ICETS_SOCKET_DIR'];
  if (told !== undefined && told !== '') return told.startsWith('/') ? trimmed(told) : undefined;
  const runtime = env['XDG_RUNTIME_DIR'];
  if (runtime !== undefined && isUsableRuntimeFolder(runtime, uid)) return trimmed(`${runtime}/icets`);
  const temporary = env['TMPDIR'];
  return `${temporary?.startsWith('/') ? temporary : '/tmp'}/icets-${uid}`;
}

/**
 * Makes the folder when it is missing and checks that it is a real folder, ours, and of mode 0700. Node cannot ask a
 * socket for its peer's credentials: that nobody else can enter this folder is what keeps other users out.
 */
export function prepareSocketFolder(folder: string, uid: number): Result<void, SocketFolderFailure> {
  const unsafe = (message: string) => err({ reason: 'unsafe-folder' as const, message: `${folder}: ${message}` });
  if (!folder.startsWith('/')) return unsafe('not an absolute path');
  try {
    if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) {
      mkdirSync(folder, { mode: 0o700 });
      chmodSync(folder, 0o700);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return unsafe((error as Error).message);
  }
  const status = lstatSync(folder, { throwIfNoEntry: false });
  if (status === undefined || !status.isDirectory()) return unsafe('not a folder');
  if (status.uid !== uid) return unsafe(`belongs to user ${status.uid}`);
  if ((status.mode & 0o777) !== 0o700) return unsafe(`has mode ${(status.mode & 0o777).toString(8)}, not 700`);
  return ok(undefined);
}

/** A path of a file in that folder that fits into a socket address, however long the folder's own is. */
export interface SocketAddress {
  readonly path: string;
  release(): void;
}

const longestAddressBytes = 107;

export function socketAddress(folder: string, name: string): SocketAddress {
  const path = `${folder}/${name}`;
  if (Buffer.byteLength(path) <= longestAddressBytes) return { path, release() {} };
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  let open = true;
  return {
    path: `/proc/self/fd/${fd}/${name}`,
    release() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Identity of the mount namespace and root directory of this process, in the form of a LauncherRequest. */
export function ownPlace(): { readonly mountNamespace: string; readonly root: string } {
  const root = statSync('/', { bigint: true });
  const namespace = statSync('/proc/self/ns/mnt', { bigint: true, throwIfNoEntry: false });
  return { mountNamespace: String(namespace?.ino ?? 0n), root: `${root.dev}:${root.ino}` };
}

function isUsableRuntimeFolder(path: string, uid: number): boolean {
  if (!path.startsWith('/')) return false;
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    return status !== undefined && status.isDirectory() && status.uid === uid && (status.mode & 0o700) === 0o700;
  } catch {
    return false;
  }
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') || '/' : path;
}
