// Port: running other programs. The real one goes through the C spawner, since a Node process must not fork
// (1.5 ms blocking at 56 MB of memory, 37 ms at 600 MB).

import type { Result } from '../base/result.ts';

export interface ProcessLimits {
  /** RLIMIT_CPU, seconds */
  readonly cpuSeconds?: number;
  /** RLIMIT_AS, bytes */
  readonly addressSpaceBytes?: number;
  /** RLIMIT_FSIZE, bytes */
  readonly fileSizeBytes?: number;
  /** RLIMIT_NOFILE */
  readonly openFiles?: number;
  /** RLIMIT_CORE is always 0 */
}

export interface ProcessSpec {
  /** argv[0] included; the program is `executable` if given, else argv[0], looked up in `env.PATH` when it has no slash */
  readonly argv: readonly string[];
  readonly executable?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** standard error is a pseudo-terminal of this size instead of a pipe; output is passed on unchanged (no CR added) */
  readonly stderrTerminal?: { readonly columns: number; readonly rows: number };
  /** bytes of stdout and of stderr kept each; when exceeded the process is killed and `truncated` set */
  readonly outputLimitBytes: number;
  readonly limits?: ProcessLimits;
  /** wall time; the whole process group gets SIGKILL after it */
  readonly timeoutMs?: number;
  /**
   * The program is a sandbox (bwrap --info-fd 3): it writes `"child-pid": N` to this descriptor and may leave N behind when it
   * ends. N is then killed, and its resource use and that of what it waited for count as the program's. An implementation
   * without resource use opens the descriptor and ignores what is written.
   */
  readonly innerPidFd?: 3;
}

export type ProcessStatus =
  { readonly kind: 'exited'; readonly code: number } | { readonly kind: 'signalled'; readonly signal: number };

export interface ProcessExit {
  readonly status: ProcessStatus;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly truncated: boolean;
  readonly timedOut: boolean;
  readonly wallMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssBytes: number;
}

export type ProcessFailure =
  | { readonly reason: 'not-started'; readonly message: string; readonly errno: string }
  | { readonly reason: 'cancelled'; readonly message: string }
  | { readonly reason: 'spawner-lost'; readonly message: string };

export interface Processes {
  /** Standard input is /dev/null. `onStarted` is called once the program runs. Aborting kills the process group. */
  run(
    spec: ProcessSpec,
    options?: { readonly signal?: AbortSignal; readonly onStarted?: () => void },
  ): Promise<Result<ProcessExit, ProcessFailure>>;
}
