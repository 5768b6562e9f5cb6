// Runs one program in a bubblewrap sandbox and tells a program's end from a sandbox's failure. Unaware of actions.

import { err, ok, type Result } from '../base/result.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { ProcessExit, ProcessFailure, Processes, ProcessLimits } from '../model/processes.ts';
import { bubblewrapArguments, type SandboxDescription } from './bubblewrap-plan.ts';
import { killStraySandboxes } from './stray-sandboxes.ts';

export interface SandboxLimits {
  readonly timeoutMs: number;
  /** stdout and stderr, each */
  readonly outputBytes: number;
  readonly process: ProcessLimits;
}

export interface SandboxExit {
  /** as a shell would give it: 128 + n after signal n */
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly wallMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssBytes: number;
}

/** What the sandbox of this machine can do. */
export interface SandboxAbility {
  readonly forbidNamespaces: boolean;
}

/** bwrap does not wait for the process in which the program ran; without this the figures would be those of bwrap alone. */
const innerPidFd = 3;
const bubblewrapEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin' };

/** Tries the sandbox once on the machine's own root; `worker-failed` when there is no bubblewrap or it is not allowed to work. */
export async function probeSandbox(processes: Processes): Promise<Result<SandboxAbility, RemoteFailure>> {
  const attempt = async (forbidNamespaces: boolean) => {
    const argv = ['bwrap', '--unshare-user', '--unshare-pid', '--unshare-net'];
    if (forbidNamespaces) argv.push('--disable-userns');
    argv.push('--uid', '1000', '--gid', '1000', '--ro-bind', '/', '/', '--proc', '/proc', '--', 'true');
    return processes.run({ argv, env: bubblewrapEnvironment, cwd: '/', outputLimitBytes: 65536, timeoutMs: 10_000 });
  };
  for (const forbidNamespaces of [true, false]) {
    const run = await attempt(forbidNamespaces);
    if (!run.ok) return err({ reason: 'worker-failed', message: `bubblewrap: ${run.error.message}` });
    const { status, stderr } = run.value;
    if (status.kind === 'exited' && status.code === 0) return ok({ forbidNamespaces });
    if (!forbidNamespaces)
      return err({ reason: 'worker-failed', message: firstLine(stderr) || 'bubblewrap does not work' });
  }
  return err({ reason: 'worker-failed', message: 'bubblewrap does not work' });
}

/**
 * Runs the program to its end. Failures: `cancelled`, `limit-exceeded`, `invalid-request` (the program is not in the root),
 * `worker-failed`.
 */
export async function runSandboxed(
  processes: Processes,
  description: SandboxDescription,
  limits: SandboxLimits,
  options: {
    readonly signal: AbortSignal;
    readonly onStarted: () => void;
    readonly stderrTerminal: { readonly columns: number; readonly rows: number } | undefined;
  },
): Promise<Result<SandboxExit, RemoteFailure>> {
  const run = await processes.run(
    {
      argv: bubblewrapArguments({ ...description, innerPidFd }),
      env: bubblewrapEnvironment,
      cwd: '/',
      ...(options.stderrTerminal === undefined ? {} : { stderrTerminal: options.stderrTerminal }),
      outputLimitBytes: limits.outputBytes,
      limits: limits.process,
      timeoutMs: limits.timeoutMs,
      innerPidFd,
    },
    { signal: options.signal, onStarted: options.onStarted },
  );
  // Whoever was killed from outside may have left its inner process running.
  const ended = run.ok && run.value.status.kind === 'exited' && !run.value.timedOut && !run.value.truncated;
  if (!ended) killStraySandboxes(description.root);
  if (!run.ok) return err(notRun(run.error));
  return judge(run.value, limits);
}

function notRun(failure: ProcessFailure): RemoteFailure {
  if (failure.reason === 'cancelled') return { reason: 'cancelled', message: failure.message };
  return { reason: 'worker-failed', message: `bubblewrap: ${failure.message}` };
}

function judge(exit: ProcessExit, limits: SandboxLimits): Result<SandboxExit, RemoteFailure> {
  const exceeded = (message: string) => err<RemoteFailure>({ reason: 'limit-exceeded', message });
  if (exit.timedOut) return exceeded(`the action ran longer than ${limits.timeoutMs} ms`);
  if (exit.truncated) return exceeded(`the action printed more than ${limits.outputBytes} bytes`);
  if (exit.status.kind === 'signalled') {
    // The signal hit bubblewrap itself; a signal inside is an exit status.
    return err({ reason: 'worker-failed', message: `the sandbox died of signal ${exit.status.signal}` });
  }
  const exitCode = exit.status.code;
  if (exitCode !== 0) {
    const complaint = /^bwrap: .*/.exec(firstLine(exit.stderr))?.[0];
    if (complaint !== undefined && exitCode === 1) {
      const missing = /^bwrap: execvp .*: No such file or directory$/.test(complaint);
      return err({ reason: missing ? 'invalid-request' : 'worker-failed', message: complaint });
    }
    const limit = limitHit(exitCode, exit.stderr);
    if (limit !== undefined) return exceeded(limit);
  }
  const { stdout, stderr, wallMs, userMs, systemMs, maxRssBytes } = exit;
  return ok({ exitCode, stdout, stderr, wallMs, userMs, systemMs, maxRssBytes });
}

const fileSizeSignal = 25;

/** A compiler that hits a limit of ours says so in its own words and fails; that must not look like an error of the source. */
function limitHit(exitCode: number, stderr: Uint8Array): string | undefined {
  if (exitCode === 128 + fileSizeSignal) return 'an output file grew too large';
  const text = Buffer.from(stderr.buffer, stderr.byteOffset, Math.min(stderr.byteLength, 65536)).toString('latin1');
  if (/^[^\n:]*: (?:fatal error|internal compiler error): File size limit exceeded/m.test(text)) {
    return 'an output file grew too large';
  }
  if (
    /^(?:[^\n:]*: (?:out of memory|virtual memory exhausted|memory exhausted)|LLVM ERROR: out of memory)/m.test(text)
  ) {
    return 'the compiler ran out of the memory that an action may use';
  }
  return undefined;
}

function firstLine(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 2000)).toString('utf8');
  return text.split(/\r?\n/, 1)[0] ?? '';
}
