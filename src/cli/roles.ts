// Starting one of icets' own roles as a background process, and ending it again.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { err, ok, type Result } from '../base/result.ts';
import { isRunning, processStartTicks } from './cluster-file.ts';
import { cliScript } from './installation.ts';

const startTimeoutMs = 30_000;

/** What a role in the foreground prints on its first line once it serves. */
export interface ReadyLine {
  readonly ready: true;
  readonly url: string;
}

export interface StartedRole {
  readonly role: string;
  readonly pid: number;
  readonly startTicks: string;
  readonly url: string;
}

/** Starts `icets ARGS…` detached, its messages in `LOGDIR/NAME.out`, and waits until it says that it is ready. */
export async function startRole(
  role: string,
  args: readonly string[],
  logDir: string,
  name: string,
): Promise<Result<StartedRole, string>> {
  mkdirSync(logDir, { recursive: true, mode: 0o700 });
  const outPath = join(logDir, `${name}.out`);
  const out = openSync(outPath, 'a', 0o600);
  const env = { ...process.env };
  delete env['NODE_EXTRA_CA_CERTS'];
  const child = spawn(process.execPath, [cliScript(), ...args], {
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', 'pipe', out],
  });
  closeSync(out);
  const firstLines = child.stdout;
  if (firstLines === null) return err(`the ${role} did not start`);
  const ready = await new Promise<ReadyLine | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), startTimeoutMs);
    const done = (value: ReadyLine | undefined) => {
      clearTimeout(timer);
      resolve(value);
    };
    createInterface({ input: firstLines }).once('line', (line) => {
      try {
        done(JSON.parse(line) as ReadyLine);
      } catch {
        done(undefined);
      }
    });
    child.once('error', () => done(undefined));
    child.once('exit', () => done(undefined));
  });
  firstLines.destroy();
  child.unref();
  const pid = child.pid;
  const startTicks = pid === undefined ? undefined : processStartTicks(pid);
  if (ready === undefined || pid === undefined || startTicks === undefined) {
    if (pid !== undefined) child.kill('SIGKILL');
    return err(`the ${role} did not start; see ${outPath}`);
  }
  return ok({ role, pid, startTicks, url: ready.url });
}

/** Asks a process to end and makes it end after `graceMs`; true when it is gone. */
export async function endProcess(
  entry: { readonly pid: number; readonly startTicks: string },
  graceMs: number,
): Promise<boolean> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isRunning(entry)) return true;
    try {
      process.kill(entry.pid, signal);
      // A stopped process handles SIGTERM only when it goes on.
      if (signal === 'SIGTERM') process.kill(entry.pid, 'SIGCONT');
    } catch {
      return !isRunning(entry);
    }
    const until = Date.now() + graceMs;
    while (isRunning(entry) && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return !isRunning(entry);
}
