// Makes room in a disk store: decides with the index what goes, removes the files in turn, and counts what is being written.
// Unaware of reading and writing.

import { rm } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CacheLimits, CacheRemoval } from '../model/cache-limits.ts';
import type { Clock } from '../model/clock.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { storeFailed } from './blob-file.ts';
import type { BlobIndex, IndexEntry } from './blob-index.ts';
import { blobPath } from './store-folder.ts';

/** what a file of one byte takes on disk */
export const blockBytes = 4096;

export interface BlobEvictionOptions {
  readonly dir: string;
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Room that a blob will need; released once the blob is in the index, or given up. */
export interface Reservation {
  readonly release: () => void;
}

export class BlobEviction {
  /** blobs whose files are being removed */
  readonly #leaving = new Map<string, Promise<void>>();
  #reservedBytes = 0;

  constructor(
    private readonly options: BlobEvictionOptions,
    private readonly index: BlobIndex,
  ) {}

  /** Evicts until a blob of this size fits, and keeps that room free. */
  reserve(sizeBytes: number): Result<Reservation, RemoteFailure> {
    const { limitBytes } = this.options;
    if (sizeBytes > limitBytes) {
      const message = `a blob of ${sizeBytes} bytes is larger than the store (${limitBytes})`;
      return err({ reason: 'limit-exceeded', message });
    }
    const cost = Math.max(sizeBytes, blockBytes);
    if (!this.trim(cost)) return err({ reason: 'store-failed', message: 'the store is full of blobs that are in use' });
    this.#reservedBytes += cost;
    let held = true;
    return ok({
      release: () => {
        if (held) this.#reservedBytes -= cost;
        held = false;
      },
    });
  }

  /** Evicts until `freeBytes` are free; false when that cannot be. */
  trim(freeBytes: number): boolean {
    const { limitBytes } = this.options;
    const target = limitBytes - this.#reservedBytes - freeBytes;
    if (this.index.bytes <= target) return true;
    // A little more than asked for, so that a full store does not sort out its victims anew at every write.
    const roomy = target - Math.floor(limitBytes / 100 / blockBytes) * blockBytes;
    void this.#evict(roomy, false);
    if (this.index.bytes > target) void this.#evict(roomy, true);
    return this.index.bytes <= target;
  }

  /** The disk itself is full: gives up a part of what is kept, however much the limit would allow. */
  async shrink(sizeBytes: number): Promise<void> {
    this.options.log.warn({ dir: this.options.dir }, 'the disk is full; blobs are given up');
    await this.#evict(Math.max(0, Math.floor(this.index.bytes * 0.95) - sizeBytes - blockBytes), false);
  }

  /** Gives up what `limits` rule out and is not in use, and waits until the files are gone. */
  async shed(limits: CacheLimits): Promise<CacheRemoval> {
    const before = { entries: this.index.count, bytes: this.index.bytes };
    const nowMs = this.options.clock.monotonicMs();
    const { maxBytes, unusedForMs } = limits;
    const victims = unusedForMs === undefined ? [] : this.index.takeUnused(nowMs - unusedForMs, nowMs);
    if (maxBytes !== undefined) victims.push(...this.index.takeVictims(maxBytes, nowMs, false));
    const removal = { entries: before.entries - this.index.count, bytes: before.bytes - this.index.bytes };
    const removed = this.#removeInTurn(victims);
    for (const victim of victims) this.#leaving.set(digestKey(victim.digest), removed);
    await removed;
    return removal;
  }

  /** Removes the files of an entry that is out of the index. */
  async remove(entry: IndexEntry): Promise<void> {
    const removed = this.#removeInTurn([entry]);
    this.#leaving.set(digestKey(entry.digest), removed);
    await removed;
  }

  /** Waits until files of an evicted blob of this digest are gone; undefined when none are on their way out. */
  gone(digest: Digest): Promise<void> | undefined {
    return this.#leaving.get(digestKey(digest));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#leaving.values());
  }

  #evict(targetBytes: number, evenProtected: boolean): Promise<void> {
    const victims = this.index.takeVictims(targetBytes, this.options.clock.monotonicMs(), evenProtected);
    if (victims.length === 0) return Promise.resolve();
    this.options.log.debug({ blobs: victims.length, evenProtected }, 'blobs evicted');
    const removed = this.#removeInTurn(victims);
    for (const victim of victims) this.#leaving.set(digestKey(victim.digest), removed);
    return removed;
  }

  /** The caller puts the victims into #leaving before the first of them can be taken out again. */
  async #removeInTurn(victims: readonly IndexEntry[]): Promise<void> {
    for (const { digest, executable } of victims) {
      try {
        if (executable !== 'none') await rm(blobPath(this.options.dir, digest, true), { force: true });
        await rm(blobPath(this.options.dir, digest, false), { force: true });
      } catch (error) {
        this.options.log.warn({ error: storeFailed(error).message }, 'a blob could not be removed');
      }
      this.#leaving.delete(digestKey(digest));
    }
  }
}
