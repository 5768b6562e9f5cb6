// Serves launchers on the unix socket of a private folder: who may connect is decided by the folder's owner and mode.
// Unaware of what becomes of a command; that is the agent's business.

import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { silentLog, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Clock } from '../model/clock.ts';
import type { Hello, LauncherRequest } from './launcher-frames.ts';
import { LauncherConnection, type LauncherSession, type SessionOwner } from './launcher-session.ts';
import { claimSocket, type ClaimFailure } from './socket-claim.ts';
import { prepareSocketFolder, type SocketFolderFailure } from './socket-folder.ts';

export interface LauncherServerOptions {
  /** absolute; made when missing, must be a folder of this user with mode 0700 */
  readonly socketDir: string;
  /** build of this agent; launchers of another one are refused and run their commands directly */
  readonly version: string;
  /** when that build was made, milliseconds since the epoch; 0 when unknown */
  readonly builtMs?: number;
  /**
   * A launcher asks. Answer through the session, once. What this throws or rejects with is a bug: it is logged, and
   * the launcher runs its command directly.
   */
  onRequest(request: LauncherRequest, session: LauncherSession): void | Promise<void>;
  /** A launcher of another build was refused; a newer one (`builtMs`) is a reason to `retire`. */
  onOtherVersion?(hello: Hello): void;
  /** The number of open sessions has changed. */
  onSessionsChanged?(open: number): void;
  readonly heartbeatMs?: number;
  /** no frame of a launcher may be longer */
  readonly maxFrameBytes?: number;
  readonly clock?: Pick<Clock, 'after'>;
  readonly log?: Log;
}

export interface LauncherServer {
  readonly socketPath: string;
  /** launchers that wait for an answer or run locally */
  readonly openSessions: number;
  /** Gives the socket's name free, so that the next launcher starts another agent; open sessions go on. */
  retire(): void;
  /** Retires and drops every connection: those launchers run their commands directly. */
  close(): Promise<void>;
}

export type ServeFailure = SocketFolderFailure | ClaimFailure;

const timers: Pick<Clock, 'after'> = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export async function serveLaunchers(options: LauncherServerOptions): Promise<Result<LauncherServer, ServeFailure>> {
  const { socketDir, heartbeatMs = 2000, clock = timers, log = silentLog } = options;
  const prepared = prepareSocketFolder(socketDir, process.geteuid?.() ?? 0);
  if (!prepared.ok) return prepared;

  const connections = new Set<LauncherConnection>();
  const openSessions = () => [...connections].filter((connection) => connection.isOpen).length;
  let beating = false;
  const keepBeating = () => {
    if (beating) return;
    beating = true;
    clock.after(heartbeatMs, () => {
      beating = false;
      for (const connection of connections) connection.beat();
      if (connections.size > 0) keepBeating();
    });
  };

  const owner: SessionOwner = {
    version: options.version,
    builtMs: options.builtMs ?? 0,
    maxFrameBytes: options.maxFrameBytes ?? 64 << 20,
    requested(request, session) {
      options.onSessionsChanged?.(openSessions());
      Promise.resolve()
        .then(() => options.onRequest(request, session))
        .catch((error: unknown) => {
          log.error({ error: String(error), argv: request.argv.slice(0, 8) }, 'a request was answered by a bug');
          try {
            session.exec();
          } catch {
            // It had its answer already.
          }
        });
    },
    otherVersion(hello) {
      options.onOtherVersion?.(hello);
    },
    ended(connection) {
      connections.delete(connection);
      options.onSessionsChanged?.(openSessions());
    },
  };

  const server = createServer((socket: Socket) => {
    connections.add(new LauncherConnection(socket, owner));
    keepBeating();
  });
  const claim = await claimSocket(server, socketDir);
  if (!claim.ok) return err(claim.error);
  server.on('error', (error) => log.error({ error: error.message }, 'the launcher socket failed'));
  for (const stamp of ['agent.failed', 'agent.hung']) rmSync(`${socketDir}/${stamp}`, { force: true });

  let retired: Promise<void> | undefined;
  const retire = () => {
    retired ??= new Promise((resolve) => {
      claim.value.withdraw();
      server.close(() => resolve());
    });
    return retired;
  };
  return ok({
    socketPath: claim.value.path,
    get openSessions() {
      return openSessions();
    },
    retire() {
      void retire();
    },
    async close() {
      const done = retire();
      for (const connection of connections) connection.destroy();
      await done;
    },
  });
}
