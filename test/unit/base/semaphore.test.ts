import { describe, expect, test } from '@jest/globals';
import { Semaphore, type Permit } from '../../../src/base/semaphore.ts';

describe('Semaphore', () => {
  test('grants no more permits than it has and serves waiters in order', async () => {
    const semaphore = new Semaphore(2);
    const first = await semaphore.acquire();
    await semaphore.acquire();
    expect(semaphore.tryAcquire()).toBeUndefined();
    const order: string[] = [];
    const third = semaphore.acquire().then((permit) => {
      order.push('third');
      return permit;
    });
    const fourth = semaphore.acquire().then((permit) => {
      order.push('fourth');
      return permit;
    });
    expect(semaphore.waiting).toBe(2);
    first!.release();
    (await third)!.release();
    await fourth;
    expect(order).toEqual(['third', 'fourth']);
  });

  test('gives a permit back once however often it is released', async () => {
    const semaphore = new Semaphore(1);
    const permit = (await semaphore.acquire()) as Permit;
    permit.release();
    permit.release();
    expect(semaphore.free).toBe(1);
  });

  test('a waiter whose signal aborts gets nothing and leaves the queue', async () => {
    const semaphore = new Semaphore(1);
    const held = await semaphore.acquire();
    const controller = new AbortController();
    const waiting = semaphore.acquire(controller.signal);
    controller.abort();
    expect(await waiting).toBeUndefined();
    expect(semaphore.waiting).toBe(0);
    held!.release();
    expect(semaphore.free).toBe(1);
  });
});
