// The Processes port over node:child_process: good enough for tests, without terminals and without speed.

import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { err, ok } from '../../src/base/result.ts';
import type { Processes, ProcessSpec } from '../../src/model/processes.ts';

/** for programs that expect a descriptor 3, see `innerPidFd` */
const nowhere = openSync('/dev/null', 'w');

export const childProcesses: Processes = {
  run(spec, options = {}) {
    return new Promise((resolve) => {
      if (options.signal?.aborted) {
        resolve(err({ reason: 'cancelled', message: 'cancelled before the start' }));
        return;
      }
      const argv = [...limiter(spec), ...spec.argv];
      const started = performance.now();
      const child = spawn(argv[0]!, argv.slice(1), {
        cwd: spec.cwd,
        env: { ...spec.env },
        stdio: ['ignore', 'pipe', 'pipe', nowhere],
        detached: true,
      });
      let timedOut = false;
      let truncated = false;
      let cancelled = false;
      const kill = () => {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      };
      const onAbort = () => {
        cancelled = true;
        kill();
      };
      options.signal?.addEventListener('abort', onAbort, { once: true });
      const timer = setTimeout(() => {
        timedOut = true;
        kill();
      }, spec.timeoutMs ?? 600_000);
      const keep = (stream: NodeJS.ReadableStream) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        stream.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > spec.outputLimitBytes) {
            if (!truncated) kill();
            truncated = true;
          } else {
            chunks.push(chunk);
          }
        });
        return chunks;
      };
      const stdout = keep(child.stdout!);
      const stderr = keep(child.stderr!);
      child.on('spawn', () => options.onStarted?.());
      child.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        resolve(err({ reason: 'not-started', message: error.message, errno: error.code ?? '' }));
      });
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', onAbort);
        if (cancelled) {
          resolve(err({ reason: 'cancelled', message: 'cancelled' }));
          return;
        }
        resolve(
          ok({
            status: signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'signalled', signal: 9 },
            stdout: Buffer.concat(stdout),
            stderr: Buffer.concat(stderr),
            truncated,
            timedOut,
            wallMs: performance.now() - started,
            userMs: 0,
            systemMs: 0,
            maxRssBytes: 0,
          }),
        );
      });
    });
  },
};

function limiter(spec: ProcessSpec): string[] {
  const { fileSizeBytes, addressSpaceBytes, openFiles, cpuSeconds } = spec.limits ?? {};
  const options: string[] = [];
  if (fileSizeBytes !== undefined) options.push(`--fsize=${fileSizeBytes}`);
  if (addressSpaceBytes !== undefined) options.push(`--as=${addressSpaceBytes}`);
  if (openFiles !== undefined) options.push(`--nofile=${openFiles}`);
  if (cpuSeconds !== undefined) options.push(`--cpu=${cpuSeconds}`);
  return options.length === 0 ? [] : ['/usr/bin/prlimit', ...options, '--'];
}
