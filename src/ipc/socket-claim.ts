// Listening on the agent's socket so that of several agents that start at once exactly one does, and a socket that a
// dead agent left behind is replaced. A lock file would do it too, but Node cannot lock files.

import { randomBytes } from 'node:crypto';
import { linkSync, lstatSync, readdirSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { err, ok, type Result } from '../base/result.ts';
import { socketAddress, socketName } from './socket-folder.ts';

export type ClaimFailure =
  /** another agent answers on the socket */
  | { readonly reason: 'in-use'; readonly message: string }
  | { readonly reason: 'cannot-listen'; readonly message: string };

export interface SocketClaim {
  readonly path: string;
  /** Takes the socket away from the folder if it is still this one; connections stay. */
  withdraw(): void;
}

/**
 * The server listens under a name of its own, which is then linked to the real one: linking succeeds for one agent only.
 * A socket in the way on which nobody answers is first moved aside and compared, so that a fast rival's is put back.
 */
export async function claimSocket(server: Server, folder: string): Promise<Result<SocketClaim, ClaimFailure>> {
  const wanted = `${folder}/${socketName}`;
  const ownName = `${socketName}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const own = `${folder}/${ownName}`;
  sweepLeftovers(folder);
  const listening = await listen(server, folder, ownName);
  if (!listening.ok) return listening;
  const inode = lstatSync(own, { bigint: true }).ino;
  try {
    for (;;) {
      try {
        linkSync(own, wanted);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const found = lstatSync(wanted, { bigint: true, throwIfNoEntry: false });
      if (found === undefined) continue;
      if (await answers(folder)) {
        server.close();
        return err({ reason: 'in-use', message: `an agent answers on ${wanted}` });
      }
      moveAside(wanted, `${own}.stale`, found.ino);
    }
    unlinkSync(own);
  } catch (error) {
    server.close();
    return err({ reason: 'cannot-listen', message: (error as Error).message });
  }
  return ok({
    path: wanted,
    withdraw() {
      const now = lstatSync(wanted, { bigint: true, throwIfNoEntry: false });
      if (now?.ino === inode) rmSync(wanted, { force: true });
    },
  });
}

function listen(server: Server, folder: string, name: string): Promise<Result<void, ClaimFailure>> {
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve(err({ reason: 'cannot-listen', message: error.message }));
    const address = socketAddress(folder, name);
    server.once('error', fail);
    server.once('close', () => address.release());
    server.listen({ path: address.path, backlog: 1024 }, () => {
      server.off('error', fail);
      resolve(ok(undefined));
    });
  });
}

/** Whether anybody accepts connections on the folder's socket. */
export function answers(folder: string): Promise<boolean> {
  const address = socketAddress(folder, socketName);
  return new Promise((resolve) => {
    const socket = connect({ path: address.path });
    const end = (answer: boolean) => {
      socket.destroy();
      address.release();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      end(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK');
    });
  });
}

function moveAside(path: string, aside: string, inode: bigint): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = lstatSync(aside, { bigint: true });
  if (moved.ino !== inode) {
    try {
      linkSync(aside, path);
    } catch {
      // Somebody else has the name by now, and the one moved aside serves whom it has and then idles out.
    }
  }
  rmSync(aside, { force: true });
}

/** Removes what agents left that died while they claimed. */
function sweepLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^agent\.sock\.(\d+)\./.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(`${folder}/${name}`, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
