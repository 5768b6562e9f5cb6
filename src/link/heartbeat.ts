// Notices a peer that has gone silent. Unaware of frames: it counts bytes, and only time in which this process itself was awake.

import type { Clock, Timer } from '../model/clock.ts';

export interface HeartbeatOptions {
  /** a Ping goes out when nothing has come for so long */
  readonly intervalMs: number;
  /** silence after which the peer counts as dead */
  readonly deadAfterMs: number;
}

export const defaultHeartbeat: HeartbeatOptions = { intervalMs: 1_000, deadAfterMs: 4_000 };

export interface HeartbeatPeer {
  /** how many bytes have ever been read from the peer */
  bytesRead(): number;
  /** true while this side does not want to read; silence then means nothing */
  paused(): boolean;
  ping(): void;
  /** Called once; the heartbeat has ended. */
  dead(silentMs: number): void;
}

/** Starts watching; answers a function that ends it. */
export function startHeartbeat(clock: Clock, options: HeartbeatOptions, peer: HeartbeatPeer): () => void {
  const tickMs = Math.min(options.intervalMs, Math.max(1, options.deadAfterMs / 4));
  let timer: Timer | undefined;
  let silentMs = 0;
  let lastBytes = peer.bytesRead();
  let lastTick = clock.monotonicMs();
  const tick = () => {
    const now = clock.monotonicMs();
    const elapsedMs = now - lastTick;
    lastTick = now;
    const bytes = peer.bytesRead();
    // A late tick: this process was stopped, starved or asleep, and what the peer sent meanwhile is still unread.
    const late = elapsedMs > tickMs + Math.max(tickMs, options.intervalMs);
    if (bytes !== lastBytes || late || peer.paused()) silentMs = 0;
    else silentMs += elapsedMs;
    lastBytes = bytes;
    if (silentMs >= options.deadAfterMs) {
      timer = undefined;
      peer.dead(silentMs);
      return;
    }
    // the peer's own ping is a sign of life as well: the two take turns by themselves
    if (silentMs >= options.intervalMs || late) peer.ping();
    timer = clock.after(tickMs, tick);
  };
  timer = clock.after(tickMs, tick);
  return () => {
    timer?.cancel();
    timer = undefined;
  };
}
