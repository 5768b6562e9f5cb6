// The Processes port over one long-lived `launcher --spawner` child: the only fork of this Node process is that child's.
// When it is lost, what was running is answered `spawner-lost`, and the next run starts another one.

import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { FrameDecoder } from '../base/frame.ts';
import { silentLog, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { unreachable } from '../base/unreachable.ts';
import type { ProcessExit, ProcessFailure, Processes } from '../model/processes.ts';
import {
  decodeSpawnerEvent,
  encodeKill,
  encodeSpawn,
  isSpawnable,
  spawnerProtocol,
  type SpawnerEvent,
} from './spawner-frames.ts';

export interface SpawnerOptions {
  /** the launcher binary, see launcher-binary.ts */
  readonly launcherPath: string;
  readonly log?: Log;
  /** of the spawner and all that it runs, -20 to 19; this process's own when not given */
  readonly niceness?: number | undefined;
}

export interface SpawnerProcesses extends Processes {
  /** Process id of the spawner while there is one. */
  readonly spawnerPid: number | undefined;
  /** Kills everything that runs and ends the spawner; later runs fail. Resolves when the spawner is gone. */
  close(): Promise<void>;
}

type Outcome = Result<ProcessExit, ProcessFailure>;

interface Run {
  readonly chunks: { readonly 1: Buffer[]; readonly 2: Buffer[] };
  readonly onStarted: (() => void) | undefined;
  readonly settle: (outcome: Outcome) => void;
  cancelled: boolean;
}

interface Spawner {
  readonly child: ChildProcess;
  readonly input: Socket;
  readonly output: Socket;
  readonly runs: Map<number, Run>;
  readonly gone: Promise<void>;
}

export function spawnerProcesses(options: SpawnerOptions): SpawnerProcesses {
  const log = options.log ?? silentLog;
  let spawner: Spawner | undefined;
  let lastId = 0;
  let closed = false;

  function start(): Spawner {
    const child = spawn(options.launcherPath, ['--spawner'], { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/', env: {} });
    if (options.niceness !== undefined && child.pid !== undefined) lower(child.pid, options.niceness);
    const input = child.stdin as Socket;
    const output = child.stdout as Socket;
    const runs = new Map<number, Run>();
    const decoder = new FrameDecoder();
    let lost = false;
    let reportGone: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      reportGone = resolve;
    });
    const lose = (message: string) => {
      if (lost) return;
      lost = true;
      if (spawner?.child === child) spawner = undefined;
      if (!closed) log.warn({ message, running: runs.size }, 'the spawner is lost');
      input.destroy();
      output.destroy();
      child.kill('SIGKILL');
      for (const run of runs.values()) run.settle(err({ reason: 'spawner-lost', message }));
      runs.clear();
    };
    child.on('error', (error) => {
      lose(error.message);
      reportGone();
    });
    child.on('exit', (code, signal) => {
      lose(`the spawner ended with ${signal ?? code ?? 'nothing'}`);
      reportGone();
    });
    input.on('error', (error) => lose(error.message));
    output.on('error', (error) => lose(error.message));
    output.on('end', () => lose('the spawner closed its output'));
    output.on('data', (chunk: Buffer) => {
      const frames = decoder.push(chunk);
      if (!frames.ok) return lose(frames.error.message);
      for (const frame of frames.value) {
        const event = decodeSpawnerEvent(frame);
        if (event === undefined) return lose(`an event of type ${frame.type} that cannot be read`);
        const trouble = take(event, runs);
        if (trouble !== undefined) return lose(trouble);
      }
      if (runs.size === 0) hold(false);
    });
    const started: Spawner = { child, input, output, runs, gone };
    hold(false, started);
    return started;
  }

  /** Only while something runs does the spawner keep this process alive. */
  function hold(busy: boolean, which: Spawner | undefined = spawner): void {
    if (which === undefined) return;
    if (busy) {
      which.child.ref();
      which.output.ref();
    } else {
      which.child.unref();
      which.input.unref();
      which.output.unref();
    }
  }

  return {
    get spawnerPid() {
      return spawner?.child.pid;
    },

    async run(spec, runOptions = {}) {
      const { signal, onStarted } = runOptions;
      if (closed) return err({ reason: 'spawner-lost', message: 'closed' });
      if (signal?.aborted) return err({ reason: 'cancelled', message: 'cancelled before it started' });
      if (!isSpawnable(spec)) {
        return err({ reason: 'not-started', message: 'nothing to run, or a zero byte in it', errno: 'EINVAL' });
      }
      spawner ??= start();
      const { input, runs } = spawner;
      lastId = (lastId + 1) % 2 ** 32;
      const id = lastId;
      hold(true);
      return new Promise<Outcome>((resolve) => {
        const onAbort = () => {
          run.cancelled = true;
          input.write(encodeKill(id));
        };
        const run: Run = {
          chunks: { 1: [], 2: [] },
          onStarted,
          settle(outcome) {
            signal?.removeEventListener('abort', onAbort);
            resolve(run.cancelled && outcome.ok ? err({ reason: 'cancelled', message: 'cancelled' }) : outcome);
          },
          cancelled: false,
        };
        runs.set(id, run);
        signal?.addEventListener('abort', onAbort, { once: true });
        input.write(encodeSpawn(id, spec));
      });
    },

    async close() {
      closed = true;
      const last = spawner;
      if (last === undefined) return;
      last.child.ref();
      last.input.end();
      await last.gone;
    },
  };
}

/** Applies one event; answers what is wrong with it, if anything is. */
function take(event: SpawnerEvent, runs: Map<number, Run>): string | undefined {
  if (event.kind === 'hello') {
    return event.protocol === spawnerProtocol ? undefined : `the spawner speaks protocol ${event.protocol}`;
  }
  const run = runs.get(event.id);
  if (run === undefined) return `an event for ${event.id}, which does not run`;
  switch (event.kind) {
    case 'started':
      run.onStarted?.();
      return undefined;
    case 'output':
      run.chunks[event.stream].push(event.bytes);
      return undefined;
    case 'failed': {
      runs.delete(event.id);
      run.settle(err({ reason: 'not-started', message: event.message, errno: errnoName(event.errno) }));
      return undefined;
    }
    case 'exited': {
      runs.delete(event.id);
      const { kind: _kind, id: _id, ...exit } = event;
      run.settle(ok({ ...exit, stdout: Buffer.concat(run.chunks[1]), stderr: Buffer.concat(run.chunks[2]) }));
      return undefined;
    }
    default:
      return unreachable(event);
  }
}

/** Before it has read its first request, so that nothing runs as it was. */
function lower(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It is gone already, or the limits forbid it.
  }
}

function errnoName(errno: number): string {
  return errno > 0 ? getSystemErrorName(-errno) : 'UNKNOWN';
}
