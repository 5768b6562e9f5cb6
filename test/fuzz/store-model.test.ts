// The disk store against a plain map: any sequence of operations, restarts and damage, and never other bytes than those asked for.

import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/host/system-clock.ts';
import { digestOf } from '../../src/model/digest.ts';
import { openDiskStore, type DiskStore } from '../../src/store/disk-store.ts';

const budgetMs = Number(process.env.ICETS_FUZZ_MS ?? 5000);
const sizes = [0, 1, 100, 4096, 4097, 20_000, 70_000];
const limitBytes = 25 * 4096;

/** The blobs that a run works with: few enough that they meet again. */
const contents = Array.from({ length: 14 }, (_, n) => {
  const seed = createHash('sha256').update(`blob ${n}`).digest();
  return Buffer.alloc(sizes[n % sizes.length] as number, seed);
});
const digests = contents.map((bytes) => digestOf(bytes));

type Operation =
  | { readonly kind: 'write' | 'upload' | 'read' | 'chunk' | 'path' | 'find' | 'damage'; readonly n: number }
  | { readonly kind: 'wrong-write' | 'half-upload'; readonly n: number }
  | { readonly kind: 'reopen' };

const operations: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom('write', 'upload', 'read', 'chunk', 'path', 'find', 'damage', 'wrong-write', 'half-upload'),
      n: fc.nat(contents.length - 1),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'reopen' }) },
);

async function open(dir: string): Promise<DiskStore> {
  const store = await openDiskStore({ dir, limitBytes, clock: systemClock, log: silentLog, protectMs: 0 });
  if (!store.ok) throw new Error(store.error.message);
  return store.value;
}

/** Either the right bytes, or missing, or too full: nothing else. */
function acceptable(result: { ok: true; value: unknown } | { ok: false; error: { reason: string } }): boolean {
  return result.ok || ['missing-blob', 'store-failed'].includes(result.error.reason);
}

describe('the disk store under any use', () => {
  test('gives the right bytes or none, and keeps to its limit', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'icets-store-fuzz-'));
    let store = await open(dir);
    const run = async (operation: Operation): Promise<void> => {
      if (operation.kind === 'reopen') {
        await store.close();
        store = await open(dir);
        return;
      }
      const digest = digests[operation.n] as (typeof digests)[number];
      const bytes = contents[operation.n] as Buffer;
      switch (operation.kind) {
        case 'write':
          expect(acceptable(await store.write(digest, bytes))).toBe(true);
          break;
        case 'wrong-write':
          expect(await store.write(digest, Buffer.concat([bytes, Buffer.from('x')]))).toMatchObject({
            error: { reason: 'invalid-request' },
          });
          break;
        case 'upload':
        case 'half-upload': {
          const writer = await store.openWrite(digest);
          expect(acceptable(writer)).toBe(true);
          if (!writer.ok) break;
          const half = bytes.length >> 1;
          await writer.value.append(bytes.subarray(0, half));
          if (operation.kind === 'half-upload') {
            await writer.value.abort();
            break;
          }
          await writer.value.append(bytes.subarray(half));
          expect(await writer.value.commit()).toEqual({ ok: true, value: undefined });
          break;
        }
        case 'read': {
          const read = await store.read(digest);
          expect(acceptable(read)).toBe(true);
          if (read.ok) expect(Buffer.compare(read.value, bytes)).toBe(0);
          break;
        }
        case 'chunk': {
          const read = await store.readChunk(digest, bytes.length >> 1, 1000);
          expect(acceptable(read)).toBe(true);
          const from = bytes.length >> 1;
          if (read.ok) expect(Buffer.compare(read.value, bytes.subarray(from, from + 1000))).toBe(0);
          break;
        }
        case 'path':
          expect(acceptable(await store.pathFor(digest, { executable: operation.n % 2 === 0 }))).toBe(true);
          break;
        case 'find':
          expect((await store.findMissing([digest])).ok).toBe(true);
          break;
        case 'damage': {
          // Only what a crash of the machine does: the damage is there when the store is opened again.
          const path = await store.pathFor(digest, { executable: false });
          await store.close();
          if (path.ok && bytes.length > 0) {
            await chmod(path.value, 0o644);
            await writeFile(path.value, Buffer.alloc(Math.min(bytes.length, operation.n * 1000), operation.n % 3));
          }
          store = await open(dir);
          break;
        }
      }
      expect(store.figures().bytes).toBeLessThanOrEqual(limitBytes + 2 * 20 * 4096);
    };
    let running = Promise.resolve();
    const runAll = async (steps: readonly (readonly Operation[])[]): Promise<void> => {
      for (const step of steps) {
        const restarts = step.some(({ kind }) => kind === 'reopen' || kind === 'damage');
        // Operations of a step run at the same time, unless one of them closes the store.
        if (restarts) for (const operation of step) await run(operation);
        else await Promise.all(step.map(run));
      }
    };
    const steps = fc.array(fc.array(operations, { maxLength: 4 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(steps, (some) => (running = runAll(some))),
      { numRuns: 1_000_000, interruptAfterTimeLimit: 2 * budgetMs, markInterruptAsFailure: false },
    );
    // fast-check does not wait for the run that it interrupts.
    await running;
    await store.close();
    await rm(dir, { recursive: true });
  });
});
