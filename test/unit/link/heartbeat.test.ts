import { describe, expect, test } from '@jest/globals';
import { defaultHeartbeat, startHeartbeat } from '../../../src/link/heartbeat.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function setUp() {
  const clock = new FakeClock();
  const peer = { bytes: 0, paused: false, pings: 0, silentMs: undefined as number | undefined };
  const stop = startHeartbeat(clock, defaultHeartbeat, {
    bytesRead: () => peer.bytes,
    paused: () => peer.paused,
    ping: () => (peer.pings += 1),
    dead: (silentMs) => (peer.silentMs = silentMs),
  });
  return { clock, peer, stop };
}

describe('the heartbeat', () => {
  test('lets a peer live from which bytes come, and does not ask it', async () => {
    const { clock, peer } = setUp();
    for (let second = 0; second < 60; second += 1) {
      peer.bytes += 1;
      await clock.advance(1000);
    }
    expect(peer).toMatchObject({ silentMs: undefined, pings: 0 });
  });

  test('asks a peer after each second without a byte', async () => {
    const { clock, peer } = setUp();
    await clock.advance(3000);
    expect(peer.pings).toBe(3);
    peer.bytes += 1;
    await clock.advance(1000);
    expect(peer.pings).toBe(3);
    await clock.advance(3000);
    expect(peer).toMatchObject({ silentMs: undefined, pings: 6 });
  });

  test('declares a silent peer dead after four seconds and before five', async () => {
    const { clock, peer } = setUp();
    await clock.advance(3900);
    expect(peer.silentMs).toBeUndefined();
    await clock.advance(1000);
    expect(peer.silentMs).toBeGreaterThanOrEqual(4000);
    expect(clock.pending).toBe(0);
  });

  test('does not take its own sleep for the silence of the peer', () => {
    const due: (() => void)[] = [];
    let nowMs = 0;
    const peer = { bytes: 0, dead: false, pings: 0 };
    startHeartbeat(
      {
        nowMs: () => nowMs,
        monotonicMs: () => nowMs,
        after: (_delayMs, callback) => {
          due.push(callback);
          return { cancel() {} };
        },
      },
      defaultHeartbeat,
      {
        bytesRead: () => peer.bytes,
        paused: () => false,
        ping: () => (peer.pings += 1),
        dead: () => (peer.dead = true),
      },
    );
    const tick = (ms: number) => {
      nowMs += ms;
      due.shift()?.();
    };
    for (let n = 0; n < 3; n += 1) tick(1000);
    const before = peer.pings;
    // Stopped for an hour, with 3 s of silence before it: the peer gets its full time again, and is asked at once.
    tick(3_600_000);
    expect(peer.pings).toBe(before + 1);
    for (let n = 0; n < 3; n += 1) tick(1000);
    expect(peer.dead).toBe(false);
    tick(1000);
    expect(peer.dead).toBe(true);
  });

  test('does not count the time in which nothing is read from the peer', async () => {
    const { clock, peer } = setUp();
    peer.paused = true;
    await clock.advance(60_000);
    expect(peer.silentMs).toBeUndefined();
    peer.paused = false;
    await clock.advance(5_000);
    expect(peer.silentMs).toBeDefined();
  });

  test('ends', async () => {
    const { clock, peer, stop } = setUp();
    stop();
    await clock.advance(60_000);
    expect(peer).toMatchObject({ pings: 0, silentMs: undefined });
  });
});
