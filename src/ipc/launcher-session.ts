// One launcher's connection, from its Hello to the end of its command. Unaware of who decides what becomes of it.

import type { Socket } from 'node:net';
import { deferred, type Deferred } from '../base/deferred.ts';
import { FrameDecoder, type Frame } from '../base/frame.ts';
import { unreachable } from '../base/unreachable.ts';
import {
  decodeLauncherMessage,
  encodeMessage,
  launcherProtocol,
  type AgentMessage,
  type Hello,
  type LauncherMessage,
  type LauncherRequest,
  type LocalEnd,
  type Refusal,
  type RemoteResult,
} from './launcher-frames.ts';

export type CommitOutcome =
  | { readonly kind: 'committed' }
  /** The rename of this index failed; the launcher runs the command itself and reports nothing more. */
  | { readonly kind: 'rename-failed'; readonly index: number; readonly errno: number }
  /** The launcher went away without a word: the renames may have happened or not. */
  | { readonly kind: 'gone' };

/** What the agent can do with one request. Exactly one of the three answers is given, once; a second one is a bug. */
export interface LauncherSession {
  /** Aborted when the launcher goes away (Ctrl-C, kill) before its command is over. */
  readonly gone: AbortSignal;
  /** The launcher runs the command with all that is the user's, and tells how it ended. `step` is for its debug line. */
  runLocally(step?: string): Promise<LocalEnd | 'gone'>;
  /** The launcher becomes the command; nothing more is heard of it. */
  exec(): void;
  /** The launcher puts the outputs in place (renames, then unlinks), prints and exits. */
  finish(result: RemoteResult): Promise<CommitOutcome>;
}

export interface SessionOwner {
  readonly version: string;
  readonly builtMs: number;
  readonly maxFrameBytes: number;
  requested(request: LauncherRequest, session: LauncherSession): void;
  otherVersion(hello: Hello): void;
  /** The connection is closed. */
  ended(connection: LauncherConnection): void;
}

type State =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'asking' }
  | { readonly kind: 'open' }
  | { readonly kind: 'local'; readonly answer: Deferred<LocalEnd | 'gone'> }
  | { readonly kind: 'committing'; readonly answer: Deferred<CommitOutcome> }
  | { readonly kind: 'over' }
  | { readonly kind: 'gone' };

/** Output beyond this travels in frames before the result. */
const outputFrameBytes = 1 << 20;

/** A launcher that has not asked anything after so many beats is dropped. */
const patienceBeats = 15;

export class LauncherConnection implements LauncherSession {
  readonly #socket: Socket;
  readonly #owner: SessionOwner;
  readonly #decoder: FrameDecoder;
  readonly #gone = new AbortController();
  #state: State = { kind: 'greeting' };
  #beats = 0;
  /** Our greeting, while it waits for the first frame after it: each write wakes the launcher, which costs it 0.07 ms. */
  #greeting: Buffer | undefined;

  constructor(socket: Socket, owner: SessionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#decoder = new FrameDecoder(owner.maxFrameBytes);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether the agent owes this launcher something. */
  get isOpen(): boolean {
    return this.#state.kind === 'open' || this.#state.kind === 'local' || this.#state.kind === 'committing';
  }

  /** Called every two seconds by the server. */
  beat(): void {
    if (this.#state.kind === 'open') {
      // A launcher that does not read (it may be stopped) gets no pile of heartbeats.
      if (this.#socket.writableLength === 0) this.#send({ kind: 'heartbeat' });
      return;
    }
    if (this.#state.kind !== 'greeting' && this.#state.kind !== 'asking') return;
    this.#beats += 1;
    if (this.#beats > patienceBeats) this.#socket.destroy();
  }

  runLocally(step = ''): Promise<LocalEnd | 'gone'> {
    if (!this.#mayAnswer()) return Promise.resolve('gone');
    const answer = deferred<LocalEnd | 'gone'>();
    this.#state = { kind: 'local', answer };
    this.#send({ kind: 'run-locally', step });
    return answer.promise;
  }

  exec(): void {
    if (!this.#mayAnswer()) return;
    this.#state = { kind: 'over' };
    this.#send({ kind: 'exec' });
    this.#socket.destroySoon();
  }

  async finish(result: RemoteResult): Promise<CommitOutcome> {
    if (!this.#mayAnswer()) return { kind: 'gone' };
    const answer = deferred<CommitOutcome>();
    this.#state = { kind: 'committing', answer };
    const stdout = await this.#sendLong(1, result.stdout);
    const stderr = await this.#sendLong(2, result.stderr);
    this.#send({ kind: 'result', ...result, stdout, stderr });
    return answer.promise;
  }

  /** Ends the connection with a reason that the launcher may show when it is asked to explain itself. */
  refuse(reason: Refusal, message: string): void {
    const wasOpen = this.isOpen;
    if (!wasOpen) this.#greeting = encodeMessage(this.#hello());
    this.#send({ kind: 'refused', reason, message });
    this.#socket.destroySoon();
    this.#end(wasOpen ? 'gone' : 'over');
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Sends all but the last part of a long output; answers that part. */
  async #sendLong(stream: 1 | 2, bytes: Uint8Array): Promise<Uint8Array> {
    let rest = bytes;
    while (rest.byteLength > outputFrameBytes && this.#state.kind === 'committing') {
      const more = this.#send({ kind: 'output', stream, bytes: rest.subarray(0, outputFrameBytes) });
      rest = rest.subarray(outputFrameBytes);
      if (!more) await this.#drained();
    }
    return rest;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off('drain', done);
        this.gone.removeEventListener('abort', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.gone.addEventListener('abort', done);
      if (this.gone.aborted) done();
    });
  }

  #mayAnswer(): boolean {
    if (this.#state.kind === 'gone') return false;
    if (this.#state.kind !== 'open') throw new Error(`a second answer to a launcher (${this.#state.kind})`);
    return true;
  }

  #send(message: AgentMessage): boolean {
    if (!this.#socket.writable) return true;
    const frame = encodeMessage(message);
    const greeting = this.#greeting;
    this.#greeting = undefined;
    return this.#socket.write(greeting === undefined ? frame : Buffer.concat([greeting, frame]));
  }

  #hello(): Hello {
    const { version, builtMs } = this.#owner;
    return { kind: 'hello', protocol: launcherProtocol, version, builtMs, features: ['heartbeat'] };
  }

  #read(chunk: Buffer): void {
    if (this.#state.kind === 'over' || this.#state.kind === 'gone') return;
    const frames = this.#decoder.push(chunk);
    if (!frames.ok) return this.refuse('malformed', frames.error.message);
    for (const frame of frames.value) {
      const trouble = this.#take(frame);
      if (trouble !== undefined) return this.refuse('malformed', trouble);
    }
  }

  /** Applies one frame; answers what is wrong with it, if anything is. */
  #take(frame: Frame): string | undefined {
    const state = this.#state;
    if (state.kind === 'over' || state.kind === 'gone') return undefined;
    const message = decodeLauncherMessage(frame);
    if (message === undefined) return `a frame of type ${frame.type} that cannot be read`;
    switch (state.kind) {
      case 'greeting':
        return message.kind === 'hello' ? this.#greet(message) : outOfTurn(message);
      case 'asking':
        if (message.kind !== 'request') return outOfTurn(message);
        this.#state = { kind: 'open' };
        this.#owner.requested(message, this);
        return undefined;
      case 'local':
        if (message.kind !== 'ended') return outOfTurn(message);
        this.#end('over');
        state.answer.resolve(message);
        return undefined;
      case 'committing': {
        if (message.kind !== 'committed') return outOfTurn(message);
        this.#end('over');
        const { succeeded, index, errno } = message;
        state.answer.resolve(succeeded ? { kind: 'committed' } : { kind: 'rename-failed', index, errno });
        return undefined;
      }
      case 'open':
        return outOfTurn(message);
      default:
        return unreachable(state);
    }
  }

  #greet(hello: Hello): undefined {
    if (hello.protocol !== launcherProtocol || hello.version !== this.#owner.version) {
      this.refuse('other-version', `the agent is ${this.#owner.version}, the launcher ${hello.version}`);
      this.#owner.otherVersion(hello);
      return;
    }
    this.#state = { kind: 'asking' };
    if (hello.features.includes('patient')) this.#greeting = encodeMessage(this.#hello());
    else this.#send(this.#hello());
  }

  #closed(): void {
    if (this.#state.kind !== 'over') this.#end('gone');
    this.#owner.ended(this);
  }

  #end(kind: 'over' | 'gone'): void {
    const state = this.#state;
    if (state.kind === 'over' || state.kind === 'gone') return;
    this.#state = { kind };
    if (kind === 'over') return;
    this.#gone.abort();
    if (state.kind === 'local') state.answer.resolve('gone');
    if (state.kind === 'committing') state.answer.resolve({ kind: 'gone' });
  }
}

function outOfTurn(message: LauncherMessage): string {
  return `a frame '${message.kind}' out of turn`;
}
