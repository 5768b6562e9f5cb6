// The launcher's protocol as typed messages and their frames; docs/launcher-protocol.md is the contract.
// Unaware of sockets, of order and of time.

import { FrameReader, FrameWriter, type Frame } from '../base/frame.ts';
import { unreachable } from '../base/unreachable.ts';
import type { ProcessStatus } from '../model/processes.ts';

export const launcherProtocol = 1;

const types = {
  hello: 1,
  request: 2,
  ended: 3,
  committed: 4,
  heartbeat: 16,
  'run-locally': 17,
  exec: 18,
  output: 19,
  result: 20,
  refused: 21,
} as const;

/** First frame of both sides. */
export interface Hello {
  readonly kind: 'hello';
  readonly protocol: number;
  /** build of the side that speaks */
  readonly version: string;
  /** when that build was made, milliseconds since the epoch; 0 when it does not say */
  readonly builtMs: number;
  readonly features: readonly string[];
}

/** One command, as the build gave it to the launcher. */
export interface LauncherRequest {
  readonly kind: 'request';
  readonly pid: number;
  readonly umask: number;
  /** where the launcher lives: mount namespace and root directory; compare with `ownPlace()` */
  readonly mountNamespace: string;
  readonly root: string;
  readonly stdoutTerminal: boolean;
  readonly stderrTerminal: boolean;
  /** of the terminal that standard error (else standard output) is; 0 when neither is one */
  readonly columns: number;
  readonly rows: number;
  readonly cwd: string;
  /** the compiler as it would be executed: found on PATH, or as the command names it (then maybe relative to cwd) */
  readonly program: string;
  /** as the compiler would get it, argv[0] included */
  readonly argv: readonly string[];
  /** the variables that may matter, see the protocol document */
  readonly env: Readonly<Record<string, string>>;
  /** false when something above is not UTF-8, so that these strings do not say what the launcher has */
  readonly exact: boolean;
}

/** How a command ended that the launcher ran itself. */
export interface LocalEnd {
  readonly kind: 'ended';
  readonly status: ProcessStatus;
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssBytes: number;
  readonly wallMs: number;
}

export interface Committed {
  readonly kind: 'committed';
  readonly succeeded: boolean;
  /** how many renames were done; the one of this index failed when not `succeeded` */
  readonly index: number;
  readonly errno: number;
}

export interface Renaming {
  readonly from: string;
  readonly to: string;
}

export interface RemoteResult {
  /** 0-255 */
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** done by the launcher, in this order */
  readonly renames: readonly Renaming[];
  /** removed afterwards; missing ones are no error */
  readonly unlinks: readonly string[];
}

export const refusals = ['other-version', 'malformed', 'unavailable'] as const;
export type Refusal = (typeof refusals)[number];

export type LauncherMessage = Hello | LauncherRequest | LocalEnd | Committed;

export type AgentMessage =
  | Hello
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'run-locally'; readonly step: string }
  | { readonly kind: 'exec' }
  | { readonly kind: 'output'; readonly stream: 1 | 2; readonly bytes: Uint8Array }
  | ({ readonly kind: 'result' } & RemoteResult)
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly message: string };

/** @throws when a number is out of its field's range: a bug of the caller */
export function encodeMessage(message: LauncherMessage | AgentMessage): Buffer {
  const writer = new FrameWriter(types[message.kind], sizeHint(message));
  switch (message.kind) {
    case 'hello':
      return writer
        .raw('ICET')
        .u16(message.protocol)
        .u16(0)
        .u64(message.builtMs)
        .bytes(message.version)
        .list(message.features)
        .finish();
    case 'request': {
      const root = message.root.split(':');
      return writer
        .u32(message.pid)
        .u32(message.umask)
        .u64(BigInt(message.mountNamespace))
        .u64(BigInt(root[0] ?? 0))
        .u64(BigInt(root[1] ?? 0))
        .u8((message.stdoutTerminal ? 1 : 0) | (message.stderrTerminal ? 2 : 0))
        .u16(message.columns)
        .u16(message.rows)
        .bytes(message.cwd)
        .bytes(message.program)
        .list(message.argv)
        .list(Object.entries(message.env).map(([name, value]) => `${name}=${value}`))
        .finish();
    }
    case 'ended':
      return writer
        .u8(message.status.kind === 'signalled' ? 2 : 1)
        .u32(message.status.kind === 'signalled' ? message.status.signal : message.status.code)
        .u64(Math.round(message.userMs * 1000))
        .u64(Math.round(message.systemMs * 1000))
        .u64(message.maxRssBytes)
        .u64(Math.round(message.wallMs * 1000))
        .finish();
    case 'committed':
      return writer
        .u8(message.succeeded ? 1 : 0)
        .u32(message.index)
        .u32(message.errno)
        .finish();
    case 'heartbeat':
    case 'exec':
      return writer.finish();
    case 'run-locally':
      return writer.bytes(message.step).finish();
    case 'output':
      return writer.u8(message.stream).raw(message.bytes, message.bytes.byteLength).finish();
    case 'result':
      writer.u32(message.exitCode).bytes(message.stdout).bytes(message.stderr).u32(message.renames.length);
      for (const { from, to } of message.renames) writer.bytes(from).bytes(to);
      return writer.list(message.unlinks).finish();
    case 'refused':
      return writer
        .u8(refusals.indexOf(message.reason) + 1)
        .bytes(message.message)
        .finish();
    default:
      return unreachable(message);
  }
}

/** What a launcher says; undefined when the frame is not one of a launcher's, or its fields do not fit. */
export function decodeLauncherMessage(frame: Frame): LauncherMessage | undefined {
  const reader = new FrameReader(frame.payload);
  switch (frame.type) {
    case types.hello:
      return readHello(reader);
    case types.request:
      return readRequest(reader);
    case types.ended: {
      const kind = reader.u8();
      const value = reader.u32();
      const status: ProcessStatus = kind === 2 ? { kind: 'signalled', signal: value } : { kind: 'exited', code: value };
      const userMs = Number(reader.u64()) / 1000;
      const systemMs = Number(reader.u64()) / 1000;
      const maxRssBytes = Number(reader.u64());
      const wallMs = Number(reader.u64()) / 1000;
      if (reader.failed || (kind !== 1 && kind !== 2)) return undefined;
      return { kind: 'ended', status, userMs, systemMs, maxRssBytes, wallMs };
    }
    case types.committed: {
      const committed = { kind: 'committed', succeeded: reader.u8() === 1, index: reader.u32(), errno: reader.u32() };
      return reader.failed ? undefined : (committed as Committed);
    }
    default:
      return undefined;
  }
}

/** What an agent says; undefined when the frame is not one of an agent's, or its fields do not fit. */
export function decodeAgentMessage(frame: Frame): AgentMessage | undefined {
  const reader = new FrameReader(frame.payload);
  const message = readAgentMessage(frame.type, reader);
  return reader.failed ? undefined : message;
}

function readAgentMessage(type: number, reader: FrameReader): AgentMessage | undefined {
  switch (type) {
    case types.hello:
      return readHello(reader);
    case types.heartbeat:
      return { kind: 'heartbeat' };
    case types['run-locally']: {
      const step = reader.text();
      return step.includes('\0') ? undefined : { kind: 'run-locally', step };
    }
    case types.exec:
      return { kind: 'exec' };
    case types.output: {
      const stream = reader.u8();
      return stream === 1 || stream === 2 ? { kind: 'output', stream, bytes: reader.rest() } : undefined;
    }
    case types.result: {
      const exitCode = reader.u32();
      const stdout = reader.bytes();
      const stderr = reader.bytes();
      const renames: Renaming[] = [];
      for (let left = reader.count(8); left > 0 && !reader.failed; left -= 1) {
        renames.push({ from: reader.text(), to: reader.text() });
      }
      const unlinks = reader.list();
      const paths = [...renames.flatMap(({ from, to }) => [from, to]), ...unlinks];
      if (exitCode > 255 || paths.some((path) => path.includes('\0'))) return undefined;
      if (renames.some(({ from, to }) => from === '' || to === '')) return undefined;
      return { kind: 'result', exitCode, stdout, stderr, renames, unlinks };
    }
    case types.refused:
      return { kind: 'refused', reason: refusals[reader.u8() - 1] ?? 'unavailable', message: reader.text() };
    default:
      return undefined;
  }
}

function readHello(reader: FrameReader): Hello | undefined {
  const magic = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
  if (String.fromCharCode(...magic) !== 'ICET') return undefined;
  const protocol = reader.u16();
  reader.u16();
  const builtMs = Number(reader.u64());
  const version = reader.text();
  const features = reader.list();
  return reader.failed ? undefined : { kind: 'hello', protocol, version, builtMs, features };
}

function readRequest(reader: FrameReader): LauncherRequest | undefined {
  const pid = reader.u32();
  const umask = reader.u32();
  const mountNamespace = String(reader.u64());
  const rootDevice = reader.u64();
  const root = `${rootDevice}:${reader.u64()}`;
  const terminals = reader.u8();
  const columns = reader.u16();
  const rows = reader.u16();
  const cwd = reader.text();
  const program = reader.text();
  const argv = reader.list();
  const env = environmentOf(reader.list());
  if (reader.failed || argv.length === 0 || !cwd.startsWith('/') || program === '') return undefined;
  if ([cwd, program, ...argv, ...Object.values(env)].some((text) => text.includes('\0'))) return undefined;
  return {
    kind: 'request',
    pid,
    umask: umask & 0o777,
    mountNamespace,
    root,
    stdoutTerminal: (terminals & 1) !== 0,
    stderrTerminal: (terminals & 2) !== 0,
    columns,
    rows,
    cwd,
    program,
    argv,
    env,
    exact: reader.exact,
  };
}

/** Of several entries with one name the first counts, as getenv has it. No prototype: any name may be asked for. */
function environmentOf(entries: readonly string[]): Record<string, string> {
  const env = Object.create(null) as Record<string, string>;
  for (const entry of entries) {
    const at = entry.indexOf('=');
    if (at > 0) env[entry.slice(0, at)] ??= entry.slice(at + 1);
  }
  return env;
}

function sizeHint(message: LauncherMessage | AgentMessage): number {
  if (message.kind === 'output') return message.bytes.byteLength + 1;
  if (message.kind === 'result') return message.stdout.byteLength + message.stderr.byteLength + 1024;
  return message.kind === 'request' ? 4096 : 128;
}
