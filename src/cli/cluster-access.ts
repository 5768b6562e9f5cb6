// The agent's way to the cluster: finds the scheduler's URL, keeps one Link to it, and follows when the URL changes
// (icets down, icets up).

import { hostname } from 'node:os';
import type { RemoteAccess } from '../agent/remote-access.ts';
import { Uploader } from '../agent/uploader.ts';
import type { Log } from '../base/log.ts';
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../model/clock.ts';
import type { AgentStatus } from '../model/status.ts';
import { openLinkClient, type LinkClient } from '../link/link-client.ts';
import { linkRemoteExecutor } from '../link/link-remote-executor.ts';
import { version } from './installation.ts';
import { schedulerUrl } from './scheduler-url.ts';
import type { Settings } from './settings.ts';
import { readToken } from './token.ts';

const lookAgainMs = 200;
const waitForConnectionMs = 1000;
const knownForMs = 120_000;
const readAtOnceBytes = 256 * 1024;

interface Connection {
  readonly url: string;
  readonly client: LinkClient;
  readonly access: RemoteAccess & { kind: 'connected' };
  readonly openedMs: number;
}

export class ClusterAccess {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #log: Log;
  #connection: Connection | undefined;
  #problem = 'no scheduler is known; icets up starts one';
  #lookedMs = -Infinity;

  constructor(settings: Settings, clock: Clock, log: Log) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
  }

  /** The cluster as it can be used now; a connection that is just being made is waited for, briefly. */
  async access(): Promise<RemoteAccess> {
    this.look();
    const connection = this.#connection;
    if (connection === undefined) return { kind: 'none', message: this.#problem };
    if (connection.client.state.kind === 'connecting') await this.#settled(connection);
    const { state } = connection.client;
    switch (state.kind) {
      case 'connected':
        return connection.access;
      case 'connecting':
      case 'refused':
        return { kind: 'none', message: state.message };
      case 'closed':
        return { kind: 'none', message: 'the connection is closed' };
    }
  }

  status(): AgentStatus['scheduler'] {
    const connection = this.#connection;
    if (connection === undefined) return { url: '', state: 'none', message: this.#problem };
    const { state } = connection.client;
    const message = state.kind === 'connecting' || state.kind === 'refused' ? state.message : '';
    return { url: connection.url, state: state.kind === 'connected' ? 'connected' : 'connecting', message };
  }

  async close(): Promise<void> {
    await this.#connection?.client.close();
  }

  /** Opens the connection when there is none, or another one when the scheduler has moved. */
  look(): void {
    if (this.#connection?.client.state.kind === 'connected') return;
    const now = this.#clock.monotonicMs();
    if (now - this.#lookedMs < lookAgainMs) return;
    this.#lookedMs = now;
    const url = schedulerUrl(this.#settings);
    if (url === this.#connection?.url) return;
    void this.#connection?.client.close();
    this.#connection = undefined;
    if (url === undefined) {
      this.#problem = 'no scheduler is known; icets up starts one';
      return;
    }
    const token = readToken(this.#settings.tokenFile);
    if (!token.ok) {
      this.#problem = token.error;
      return;
    }
    const client = openLinkClient({
      url,
      token: token.value,
      role: 'agent',
      stages: false,
      name: hostname(),
      version,
      clock: this.#clock,
      log: this.#log,
    });
    const executor = linkRemoteExecutor(client);
    const uploader = new Uploader({
      blobs: executor.blobs,
      readFile: readInput,
      nowMs: () => this.#clock.monotonicMs(),
      knownForMs,
    });
    client.onStateChange((state) => {
      this.#log.info({ state, url }, 'link to the scheduler');
      if (state.kind === 'connected') uploader.forget();
    });
    this.#connection = { url, client, access: { kind: 'connected', executor, uploader }, openedMs: now };
  }

  /** Waits until the first attempt has succeeded or failed, at most a second after the connection was opened. */
  async #settled(connection: Connection): Promise<void> {
    const remainingMs = waitForConnectionMs - (this.#clock.monotonicMs() - connection.openedMs);
    if (remainingMs <= 0) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        stopListening();
        resolve();
      };
      const timer = this.#clock.after(remainingMs, done);
      const stopListening = connection.client.onStateChange(done);
    });
  }
}

/** A small file at once: the thread pool costs more than the read. */
async function readInput(path: string): Promise<Uint8Array> {
  const size = statSync(path).size;
  return size <= readAtOnceBytes ? readFileSync(path) : readFile(path);
}
