// The first frames of a connection: who is there, which protocol, which features. Unaware of sockets.

import { err, ok, type Result } from '../base/result.ts';
import type { Hello, Reject, Welcome, WorkerInfo } from '../proto/generated/icets/link/v1/link.ts';
import { decodeFrame, type FrameBody } from './frame-codec.ts';

export const linkProtocol = 1;

/** What this version can do beyond the protocol's core; both sides use what both know. */
export const linkFeatures: readonly string[] = ['execute-stage', 'upload-abort'];

/** path of the WebSocket on a scheduler's port */
export const linkPath = '/link';

export type LinkRole = 'agent' | 'cli' | 'worker';

/** A checked Hello. */
export type Peer =
  | { readonly role: 'agent' | 'cli'; readonly name: string; readonly version: string; readonly features: string[] }
  | {
      readonly role: 'worker';
      readonly name: string;
      readonly version: string;
      readonly features: string[];
      readonly worker: WorkerInfo;
    };

/** Reads the first frame on the listening side; the error goes back to the peer as it is. */
export function readHello(bytes: Uint8Array): Result<Peer, Reject> {
  const body = firstBody(bytes);
  if (body?.$case !== 'hello') return err({ reason: 'protocol-error', message: 'the first frame must be a Hello' });
  const hello: Hello = body.value;
  if (hello.protocol !== linkProtocol) {
    const message = `this scheduler speaks Link protocol ${linkProtocol}, the peer (icets ${printable(hello.version, 40)}) speaks ${hello.protocol}`;
    return err({ reason: 'protocol', message });
  }
  const who = {
    name: printable(hello.name, 128),
    version: printable(hello.version, 40),
    features: linkFeatures.filter((feature) => hello.features.includes(feature)),
  };
  if (who.name === '') return err({ reason: 'invalid-hello', message: 'a Hello without a name' });
  switch (hello.role) {
    case 'agent':
    case 'cli':
      return ok({ role: hello.role, ...who });
    case 'worker': {
      const worker = readWorkerInfo(hello.worker);
      return worker.ok ? ok({ role: 'worker', ...who, worker: worker.value }) : worker;
    }
    default:
      return err({ reason: 'invalid-hello', message: `no role ${JSON.stringify(printable(hello.role, 40))}` });
  }
}

/** Reads the first frame on the connecting side. */
export function readWelcome(bytes: Uint8Array): Result<Welcome, Reject> {
  const body = firstBody(bytes);
  switch (body?.$case) {
    case 'welcome':
      if (body.value.protocol === linkProtocol) return ok(body.value);
      return err({ reason: 'protocol', message: `the scheduler speaks Link protocol ${body.value.protocol}` });
    case 'reject':
      return err({ reason: printable(body.value.reason, 40), message: printable(body.value.message, 400) });
    default:
      return err({ reason: 'protocol-error', message: 'the scheduler did not answer with a Welcome' });
  }
}

/** Text of a peer as it may stand in a log or on a terminal: no control characters, not long. */
export function printable(text: string, maxLength: number): string {
  return text.replace(/\p{C}/gu, '?').slice(0, maxLength);
}

function firstBody(bytes: Uint8Array): FrameBody | undefined {
  const decoded = decodeFrame(bytes);
  return decoded.ok && decoded.value.kind === 'notice' ? decoded.value.body : undefined;
}

function readWorkerInfo(info: WorkerInfo | undefined): Result<WorkerInfo, Reject> {
  const wrong = (message: string) => err({ reason: 'invalid-hello', message });
  if (info === undefined) return wrong('a worker without its WorkerInfo');
  if (!/^[\w.:-]{1,128}$/.test(info.id)) return wrong('a worker id must be 1 to 128 letters, digits, or any of _.:-');
  if (!/^\w{1,32}$/.test(info.arch)) return wrong('a worker without an architecture');
  if (info.slots < 1 || info.slots > 4096) return wrong(`a worker with ${info.slots} slots`);
  if (info.memoryBytes < 0) return wrong('a worker with negative memory');
  return ok({ ...info, url: printable(info.url, 256) });
}
