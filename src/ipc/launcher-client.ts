// The launcher in TypeScript, for machines where no C compiler works: the same protocol and the same promises as
// launcher.c, at the price of starting Node for every command. Knows nothing of compilers either.

import { spawn, type StdioOptions } from 'node:child_process';
import { fstatSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { isatty, WriteStream } from 'node:tty';
import { FrameDecoder } from '../base/frame.ts';
import type { ProcessStatus } from '../model/processes.ts';
import { markHung, reachAgent } from './agent-starter.ts';
import { nextGuard, readCommandWords, resolveCommand, type ResolvedCommand } from './command-word.ts';
import {
  decodeAgentMessage,
  encodeMessage,
  launcherProtocol,
  type AgentMessage,
  type LauncherRequest,
  type RemoteResult,
} from './launcher-frames.ts';
import { ownPlace, prepareSocketFolder, socketFolder } from './socket-folder.ts';

export interface ClientOptions {
  /** as after `icets`; may begin with `--as NAME` */
  readonly args: readonly string[];
  /** build of this client */
  readonly version: string;
  /** path of the bundled agent */
  readonly agentScript: string;
  /** Runs one of icets' own commands in this process. */
  runOwnCommand(args: readonly string[]): Promise<void>;
}

type Answer =
  | { readonly kind: 'direct'; readonly why: string }
  | { readonly kind: 'local' }
  | { readonly kind: 'result'; readonly result: RemoteResult; readonly earlier: readonly Segment[] };

interface Segment {
  readonly stream: 1 | 2;
  readonly bytes: Uint8Array;
}

const passedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Does what the launcher does and ends the process as the command ended; returns only for own commands. */
export async function main(options: ClientOptions): Promise<void> {
  const words = readCommandWords(options.args);
  if (words.noCache) process.env['ICETS_NO_CACHE'] = '1';
  if (words.kind === 'own') return options.runOwnCommand(words.args);
  const command = resolveCommand(words, process.env);
  if (!command.ok) {
    writeAll(2, Buffer.from(`${command.error}\n`));
    process.exit(127);
  }
  if (isSet('ICETS_DISABLE')) return runDirectly(command.value, 'ICETS_DISABLE is set');
  if (isSet('ICETS_GUARD')) return runDirectly(command.value, 'a launcher is above us already');
  const uid = process.geteuid?.() ?? 0;
  const folder = socketFolder(process.env, uid);
  const prepared = folder === undefined ? undefined : prepareSocketFolder(folder, uid);
  if (folder === undefined || !prepared?.ok) return runDirectly(command.value, 'the socket folder is not usable');
  const socket = await reachAgent(folder, options.agentScript);
  if (typeof socket === 'string') return runDirectly(command.value, socket);

  const answer = await ask(socket, folder, command.value, options.version);
  switch (answer.kind) {
    case 'direct':
      socket.destroy();
      return runDirectly(command.value, answer.why);
    case 'local':
      return runLocally(command.value, socket);
    case 'result':
      return commit(command.value, socket, answer);
  }
}

function ask(socket: Socket, folder: string, command: ResolvedCommand, version: string): Promise<Answer> {
  const patienceMs = Number(process.env['ICETS_HEARTBEAT_MS'] ?? '') || 6000;
  return new Promise((resolve) => {
    const decoder = new FrameDecoder();
    const earlier: Segment[] = [];
    let greeted = false;
    const end = (answer: Answer) => {
      clearTimeout(silence);
      socket.removeAllListeners('data');
      socket.pause();
      resolve(answer);
    };
    const direct = (why: string) => end({ kind: 'direct', why });
    const silence = setTimeout(() => {
      markHung(folder);
      direct('the agent was silent for too long');
    }, patienceMs);
    const take = (message: AgentMessage): boolean => {
      if (!greeted) {
        greeted = message.kind === 'hello' && message.protocol === launcherProtocol;
        if (!greeted) direct('the agent speaks another protocol');
        return greeted;
      }
      switch (message.kind) {
        case 'heartbeat':
          return true;
        case 'output':
          earlier.push({ stream: message.stream, bytes: message.bytes });
          return true;
        case 'run-locally':
          end({ kind: 'local' });
          return false;
        case 'result':
          end({ kind: 'result', result: message, earlier });
          return false;
        case 'exec':
          direct('the agent says so');
          return false;
        case 'refused':
          direct(`the agent refused: ${message.message}`);
          return false;
        case 'hello':
          direct('the agent sent something that cannot be understood');
          return false;
      }
    };
    socket.on('data', (chunk: Buffer) => {
      silence.refresh();
      const frames = decoder.push(chunk);
      if (!frames.ok) return direct(frames.error.message);
      for (const frame of frames.value) {
        const message = decodeAgentMessage(frame);
        if (message === undefined) return direct('the agent sent something that cannot be understood');
        if (!take(message)) return;
      }
    });
    socket.on('error', (error) => direct(error.message));
    socket.on('close', () => direct('the agent went away'));
    socket.write(
      encodeMessage({ kind: 'hello', protocol: launcherProtocol, version, builtMs: 0, features: ['output'] }),
    );
    socket.write(encodeMessage(describe(command)));
  });
}

const sentNames = new Set(
  `PATH PWD HOME TMPDIR TMP TEMP TZ TZDIR COLORTERM COLUMNS LINES NO_COLOR FORCE_COLOR VTE_VERSION LANG LANGUAGE LOCPATH
  NLSPATH GCONV_PATH OUTPUT_CHARSET GNUTARGET LD_AUDIT CPATH C_INCLUDE_PATH QA_OVERRIDE_GCC3_OPTIONS CPLUS_INCLUDE_PATH
  OBJC_INCLUDE_PATH OBJCPLUS_INCLUDE_PATH LIBRARY_PATH COMPILER_PATH LD_LIBRARY_PATH LD_PRELOAD SOURCE_DATE_EPOCH
  DEPENDENCIES_OUTPUT SUNPRO_DEPENDENCIES EXPERIMENTAL_SARIF_SOCKET MAKEFLAGS MAKELEVEL NINJA_STATUS`.split(/\s+/),
);
const sentPrefixes = `LC_ GCC_ CLANG_ CC_ CCC_ AS_ TERM CLICOLOR ASAN_ CMAKE_ ICETS_`.split(' ');

/** Whether the agent gets to see this variable; the same rule as `is_sent` in launcher.c. */
export function isSentVariable(name: string): boolean {
  return sentNames.has(name) || sentPrefixes.some((prefix) => name.startsWith(prefix));
}

function describe(command: ResolvedCommand): LauncherRequest {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && isSentVariable(name)) env[name] = value;
  }
  const stdoutTerminal = isatty(1);
  const stderrTerminal = isatty(2);
  const [columns, rows] = stderrTerminal || stdoutTerminal ? terminalSize(stderrTerminal ? 2 : 1) : [0, 0];
  return {
    kind: 'request',
    pid: process.pid,
    umask: process.umask(),
    ...ownPlace(),
    stdoutTerminal,
    stderrTerminal,
    columns,
    rows,
    cwd: process.cwd(),
    program: command.program,
    argv: command.argv,
    env,
    exact: true,
  };
}

function terminalSize(fd: 1 | 2): [number, number] {
  const stream = fd === 1 ? process.stdout : process.stderr;
  return stream instanceof WriteStream ? [stream.columns ?? 0, stream.rows ?? 0] : [0, 0];
}

function commit(command: ResolvedCommand, socket: Socket, answer: Answer & { kind: 'result' }): void | Promise<void> {
  const { result, earlier } = answer;
  for (const [index, { from, to }] of result.renames.entries()) {
    try {
      renameSync(from, to);
    } catch (error) {
      const errno = -((error as NodeJS.ErrnoException).errno ?? -constants.errno.EIO);
      socket.end(encodeMessage({ kind: 'committed', succeeded: false, index, errno }));
      return runDirectly(command, 'a result could not be put in place');
    }
  }
  for (const path of result.unlinks) {
    try {
      rmSync(path, { force: true });
    } catch {
      // As unlink in the C launcher: what cannot be removed stays.
    }
  }
  const message = encodeMessage({ kind: 'committed', succeeded: true, index: result.renames.length, errno: 0 });
  return new Promise(() => {
    socket.removeAllListeners('close');
    const finish = () => {
      for (const { stream, bytes } of earlier) writeAll(stream, bytes);
      writeAll(1, result.stdout);
      writeAll(2, result.stderr);
      process.exit(result.exitCode);
    };
    socket.on('close', finish);
    socket.resume();
    socket.end(message, () => socket.destroy());
  });
}

async function runLocally(command: ResolvedCommand, socket: Socket): Promise<void> {
  const startMs = performance.now();
  socket.removeAllListeners('close');
  socket.on('error', () => {});
  const status = await run(command);
  const wallMs = performance.now() - startMs;
  // Node cannot tell what a child used.
  const usage = { userMs: 0, systemMs: 0, maxRssBytes: 0 };
  await new Promise<void>((resolve) => {
    socket.on('close', resolve);
    setTimeout(resolve, 1000);
    socket.resume();
    socket.end(encodeMessage({ kind: 'ended', status, ...usage, wallMs }), () => socket.destroy());
  });
  endAs(status);
}

async function runDirectly(command: ResolvedCommand, why: string): Promise<void> {
  if (isSet('ICETS_DEBUG')) writeAll(2, Buffer.from(`icets: debug: run directly: ${why}\n`));
  endAs(await run(command));
}

/** Runs the command with everything that is the user's, and passes signals on that were meant for it. */
function run(command: ResolvedCommand): Promise<ProcessStatus> {
  const env: NodeJS.ProcessEnv = { ...process.env };
  env['ICETS_GUARD'] = nextGuard(process.env['ICETS_GUARD'], command.program);
  const saved = process.env['ICETS_SAVED_NODE_EXTRA_CA_CERTS'];
  if (saved !== undefined) env['NODE_EXTRA_CA_CERTS'] = saved;
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      // From a terminal the child has it as well and is about to end; sent to us alone, it is passed on.
      setTimeout(() => child.kill(signal), 100);
    };
    // Before the child exists: a signal in between would end us and leave the child behind.
    for (const name of passedSignals) process.on(name, onSignal);
    const child = spawn(command.program, command.argv.slice(1), {
      argv0: command.argv[0] ?? command.program,
      stdio: inheritedDescriptors(),
      env,
    });
    const end = (status: ProcessStatus) => {
      for (const name of passedSignals) process.off(name, onSignal);
      resolve(status);
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      writeAll(2, Buffer.from(`icets: cannot run ${command.program}: ${error.code ?? error.message}\n`));
      end({ kind: 'exited', code: error.code === 'ENOENT' ? 127 : 126 });
    });
    child.on('exit', (code, signal) => {
      if (signal === null) end({ kind: 'exited', code: code ?? 1 });
      else end({ kind: 'signalled', signal: constants.signals[signal] });
    });
  });
}

/** 0, 1, 2 and the jobserver's descriptors: Node closes all others. */
function inheritedDescriptors(): StdioOptions {
  const pipes = /--jobserver-(?:auth|fds)=(\d+),(\d+)/.exec(process.env['MAKEFLAGS'] ?? '');
  const wanted = [pipes?.[1], pipes?.[2]].map(Number).filter((fd) => fd > 2 && fd < 256 && isOpen(fd));
  const stdio: ('inherit' | 'ignore')[] = ['inherit', 'inherit', 'inherit'];
  for (let fd = 3; fd <= Math.max(0, ...wanted); fd += 1) stdio.push(wanted.includes(fd) ? 'inherit' : 'ignore');
  return stdio;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

function endAs(status: ProcessStatus): never {
  if (status.kind === 'signalled') process.kill(process.pid, status.signal);
  process.exit(status.kind === 'exited' ? status.code : 128 + status.signal);
}

function writeAll(fd: 1 | 2, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.byteLength > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function isSet(name: string): boolean {
  const value = process.env[name];
  return value !== undefined && value !== '' && value !== '0';
}
