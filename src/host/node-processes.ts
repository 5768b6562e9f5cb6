// The Processes port with Node's own child processes, for machines where the launcher cannot be compiled. Poorer than
// the spawner: it forks this process, knows no resource use, and a terminal is replaced by a pipe.

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { openSync } from 'node:fs';
import { constants } from 'node:os';
import { err, ok } from '../base/result.ts';
import type { Processes, ProcessLimits, ProcessStatus } from '../model/processes.ts';

/** After the program has ended, how long something it left behind may hold its output open. */
const drainMs = 2000;

let nowhereFd: number | undefined;

/** Where the number of an inner process goes that nobody reads; a descriptor above 2 cannot be 'ignore'. */
function nowhere(): number {
  return (nowhereFd ??= openSync('/dev/null', 'w'));
}

export function nodeProcesses(): Processes {
  return {
    async run(spec, { signal, onStarted } = {}) {
      if (signal?.aborted) return err({ reason: 'cancelled', message: 'cancelled before it started' });
      const program = spec.executable ?? spec.argv[0];
      if (program === undefined) {
        return err({ reason: 'not-started', message: 'nothing to run', errno: 'EINVAL' });
      }
      const limits = limitCommands(spec.limits);
      const startMs = performance.now();
      let child: ChildProcess;
      try {
        const options = {
          cwd: spec.cwd,
          env: spec.env,
          detached: true,
          stdio: ['ignore', 'pipe', 'pipe', ...(spec.innerPidFd === undefined ? [] : [nowhere()])] as StdioOptions,
        };
        child =
          limits === ''
            ? spawn(program, spec.argv.slice(1), { ...options, argv0: spec.argv[0] ?? program })
            : spawn('/bin/sh', ['-c', `${limits} exec "$0" "$@"`, program, ...spec.argv.slice(1)], options);
      } catch (error) {
        return err({ reason: 'not-started', message: (error as Error).message, errno: 'EINVAL' });
      }

      return new Promise((resolve) => {
        let truncated = false;
        let timedOut = false;
        let cancelled = false;
        let status: ProcessStatus | undefined;
        const kill = () => {
          if (child.pid === undefined || status !== undefined) return;
          try {
            process.kill(-child.pid, 'SIGKILL');
          } catch {
            child.kill('SIGKILL');
          }
        };
        const collect = (stream: NodeJS.ReadableStream | null): Buffer[] => {
          const chunks: Buffer[] = [];
          let sizeBytes = 0;
          stream?.on('data', (chunk: Buffer) => {
            const room = spec.outputLimitBytes - sizeBytes;
            const kept = chunk.subarray(0, Math.max(0, room));
            sizeBytes += kept.length;
            if (kept.length > 0) chunks.push(kept);
            if (kept.length === chunk.length || truncated) return;
            truncated = true;
            kill();
          });
          return chunks;
        };
        const stdout = collect(child.stdout);
        const stderr = collect(child.stderr);
        const onAbort = () => {
          cancelled = true;
          kill();
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        const timer =
          spec.timeoutMs === undefined
            ? undefined
            : setTimeout(() => {
                timedOut = true;
                kill();
              }, spec.timeoutMs);
        const settle = (outcome: Parameters<typeof resolve>[0]) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
          resolve(outcome);
        };
        child.on('spawn', () => onStarted?.());
        child.on('error', (error: NodeJS.ErrnoException) => {
          if (child.pid !== undefined) return;
          settle(err({ reason: 'not-started', message: error.message, errno: error.code ?? 'UNKNOWN' }));
        });
        child.on('exit', (code, signalName) => {
          status =
            signalName === null
              ? { kind: 'exited', code: code ?? 1 }
              : { kind: 'signalled', signal: constants.signals[signalName] };
          const drain = setTimeout(() => {
            child.stdout?.destroy();
            child.stderr?.destroy();
          }, drainMs);
          child.on('close', () => clearTimeout(drain));
        });
        child.on('close', () => {
          if (status === undefined) return;
          if (cancelled) return settle(err({ reason: 'cancelled', message: 'cancelled' }));
          settle(
            ok({
              status,
              stdout: Buffer.concat(stdout),
              stderr: Buffer.concat(stderr),
              truncated,
              timedOut,
              wallMs: performance.now() - startMs,
              userMs: 0,
              systemMs: 0,
              maxRssBytes: 0,
            }),
          );
        });
      });
    },
  };
}

/** Node cannot set limits: sh does it before it becomes the program. */
function limitCommands(limits: ProcessLimits | undefined): string {
  const commands: string[] = [];
  const add = (option: string, value: number | undefined, unit: number) => {
    if (value !== undefined) commands.push(`ulimit -${option} ${Math.ceil(value / unit)};`);
  };
  add('t', limits?.cpuSeconds, 1);
  add('v', limits?.addressSpaceBytes, 1024);
  add('f', limits?.fileSizeBytes, 512);
  add('n', limits?.openFiles, 1);
  return commands.join(' ');
}
