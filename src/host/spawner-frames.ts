// The spawner's requests and events as frames (docs/launcher-protocol.md, part "The spawner").
// Unaware of pipes and of who waits for what.

import { FrameReader, FrameWriter, type Frame } from '../base/frame.ts';
import type { ProcessSpec, ProcessStatus } from '../model/processes.ts';

export const spawnerProtocol = 2;

const requestTypes = { spawn: 1, kill: 2 } as const;
const eventTypes = { hello: 16, started: 17, output: 18, exited: 19, failed: 20 } as const;
const noLimit = 2n ** 64n - 1n;

export type SpawnerEvent =
  | { readonly kind: 'hello'; readonly protocol: number; readonly version: string }
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | { readonly kind: 'output'; readonly id: number; readonly stream: 1 | 2; readonly bytes: Buffer }
  | {
      readonly kind: 'exited';
      readonly id: number;
      readonly status: ProcessStatus;
      readonly userMs: number;
      readonly systemMs: number;
      readonly maxRssBytes: number;
      readonly wallMs: number;
      readonly truncated: boolean;
      readonly timedOut: boolean;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly errno: number; readonly message: string };

/** Whether a spec can be sent at all: no text may hold a zero byte, and there is something to run. */
export function isSpawnable(spec: ProcessSpec): boolean {
  const texts = [spec.executable ?? '', spec.cwd, ...spec.argv, ...Object.keys(spec.env), ...Object.values(spec.env)];
  return spec.argv.length > 0 && texts.every((text) => !text.includes('\0'));
}

export function encodeSpawn(id: number, spec: ProcessSpec): Buffer {
  const limits = spec.limits ?? {};
  const environment = Object.entries(spec.env).map(([name, value]) => `${name}=${value}`);
  const writer = new FrameWriter(requestTypes.spawn, 4096)
    .u32(id)
    .bytes(spec.executable ?? '')
    .list(spec.argv)
    .list(environment)
    .bytes(spec.cwd)
    .u8(spec.stderrTerminal === undefined ? 0 : 1)
    .u16(Math.min(spec.stderrTerminal?.columns ?? 0, 65535))
    .u16(Math.min(spec.stderrTerminal?.rows ?? 0, 65535));
  for (const limit of [limits.cpuSeconds, limits.addressSpaceBytes, limits.fileSizeBytes, limits.openFiles]) {
    writer.u64(limit === undefined ? noLimit : whole(limit));
  }
  return writer
    .u64(spec.timeoutMs === undefined ? 0 : Math.max(1, whole(spec.timeoutMs)))
    .u64(whole(spec.outputLimitBytes))
    .u8(spec.innerPidFd === undefined ? 0 : 1)
    .finish();
}

export function encodeKill(id: number): Buffer {
  return new FrameWriter(requestTypes.kill, 4).u32(id).finish();
}

/** Undefined when the frame is none of the spawner's events. */
export function decodeSpawnerEvent(frame: Frame): SpawnerEvent | undefined {
  const reader = new FrameReader(frame.payload);
  const event = readEvent(frame.type, reader);
  return reader.failed ? undefined : event;
}

function readEvent(type: number, reader: FrameReader): SpawnerEvent | undefined {
  switch (type) {
    case eventTypes.hello:
      return { kind: 'hello', protocol: reader.u32(), version: reader.text() };
    case eventTypes.started:
      return { kind: 'started', id: reader.u32(), pid: reader.u32() };
    case eventTypes.output:
      return { kind: 'output', id: reader.u32(), stream: reader.u8() === 1 ? 1 : 2, bytes: reader.rest() };
    case eventTypes.exited: {
      const id = reader.u32();
      const signalled = reader.u8() === 2;
      const value = reader.u32();
      const userMs = Number(reader.u64()) / 1000;
      const systemMs = Number(reader.u64()) / 1000;
      const maxRssBytes = Number(reader.u64());
      const wallMs = Number(reader.u64()) / 1000;
      const flags = reader.u8();
      return {
        kind: 'exited',
        id,
        status: signalled ? { kind: 'signalled', signal: value } : { kind: 'exited', code: value },
        userMs,
        systemMs,
        maxRssBytes,
        wallMs,
        truncated: (flags & 1) !== 0,
        timedOut: (flags & 2) !== 0,
      };
    }
    case eventTypes.failed:
      return { kind: 'failed', id: reader.u32(), errno: reader.u32(), message: reader.text() };
    default:
      return undefined;
  }
}

function whole(value: number): number {
  return Math.max(0, Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER));
}
