// Results by action in a folder of this machine, the least recently used given up when there are too many. Unaware of what the
// results refer to, except through `isComplete`.

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import type { Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ActionCache } from '../model/action-cache.ts';
import { ActionResult } from '../model/action.ts';
import type { CacheLimits, CacheRemoval } from '../model/cache-limits.ts';
import type { Clock } from '../model/clock.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { StoreOpenFailure } from './disk-store.ts';
import { lockFolder, type FolderLock } from './store-lock.ts';
import { mayBeLmdb } from './lmdb-check.ts';
import { messageOf, systemErrorCode } from './system-error.ts';

export interface ActionCacheOptions {
  /** absolute path of the cache's own folder; made when absent */
  readonly dir: string;
  /** bytes of results and their book-keeping; what the database itself adds is not counted */
  readonly limitBytes: number;
  /** 200,000 when not given */
  readonly maxEntries?: number;
  /** asked before a result is given; a result that is not complete any more is dropped. Not asked when not given. */
  readonly isComplete?: (result: ActionResult) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface DiskActionCache extends ActionCache {
  figures(): {
    readonly entries: number;
    readonly bytes: number;
    readonly limitBytes: number;
    /** since it was opened */
    readonly evicted: number;
  };
  /** Gives up results, the least recently used first; uses are remembered to the hour over a restart. */
  trim(limits: CacheLimits): Promise<Result<CacheRemoval, RemoteFailure>>;
  /** Waits for what was put, and frees the folder for another process. */
  close(): Promise<void>;
}

interface Usage {
  readonly bytes: number;
  /** ms since the epoch */
  usedMs: number;
  /** the last use that was saved; one within an hour of it is not saved again */
  savedMs: number;
}

const versionLine = 'icets-action-cache 1\n';
const checksumBytes = 8;
const overheadBytes = 256;
const maxResultBytes = 4 * 1024 * 1024;
const saveUseAfterMs = 3_600_000;

/** Opens or makes the cache; one of another version or one that cannot be read is made anew. */
export async function openActionCache(options: ActionCacheOptions): Promise<Result<DiskActionCache, StoreOpenFailure>> {
  const { dir, log } = options;
  let lock: FolderLock | undefined;
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const locked = await lockFolder(dir);
    if (!locked.ok) {
      const { pid } = locked.error;
      return err({ reason: 'locked', message: `${dir} is in use by process ${pid ?? 'of an unknown number'}`, pid });
    }
    lock = locked.value;
    const data = join(dir, 'lmdb');
    const opening = join(dir, 'OPENING');
    const version = await readText(join(dir, 'VERSION'));
    // A database that is damaged badly enough takes the whole process down when it is read. The marker tells the next start.
    const fellOver = (await readText(opening)) !== undefined;
    const damaged = fellOver || !(await mayBeLmdb(join(data, 'data.mdb')));
    if (version !== versionLine || damaged) {
      if (version !== undefined) log.warn({ dir, damaged }, 'the action cache is made anew');
      await rm(data, { recursive: true, force: true });
      await writeFile(join(dir, 'VERSION.new'), versionLine);
      await rename(join(dir, 'VERSION.new'), join(dir, 'VERSION'));
    }
    await writeFile(opening, '');
    let cache: LmdbActionCache;
    try {
      cache = new LmdbActionCache(options, openDatabase(data), lock);
    } catch (error) {
      log.warn({ dir, error: messageOf(error) }, 'the action cache cannot be read and is made anew');
      await rm(data, { recursive: true, force: true });
      cache = new LmdbActionCache(options, openDatabase(data), lock);
    }
    await rm(opening, { force: true });
    return ok(cache);
  } catch (error) {
    await lock?.release();
    return err({ reason: 'store-failed', message: messageOf(error) });
  }
}

function openDatabase(path: string): RootDatabase<Buffer, string> {
  return open<Buffer, string>({ path, noSubdir: false, encoding: 'binary', maxDbs: 2, cache: false });
}

class LmdbActionCache implements DiskActionCache {
  readonly #results: Database<Buffer, string>;
  readonly #used: Database<Buffer, string>;
  /** by key, the least recently used first */
  readonly #usage = new Map<string, Usage>();
  #bytes = 0;
  #evicted = 0;
  #closed = false;

  /** Throws when the database cannot be read. */
  constructor(
    private readonly options: ActionCacheOptions,
    private readonly root: RootDatabase<Buffer, string>,
    private readonly lock: FolderLock,
  ) {
    this.#results = root.openDB<Buffer, string>({ name: 'results', encoding: 'binary' });
    this.#used = root.openDB<Buffer, string>({ name: 'used', encoding: 'binary' });
    const found: { readonly key: string; readonly usage: Usage }[] = [];
    for (const { key, value } of this.#used.getRange()) {
      if (value.length !== 12) throw new Error(`a damaged entry: ${key}`);
      found.push({ key, usage: usageOf(value) });
    }
    found.sort((a, b) => a.usage.savedMs - b.usage.savedMs);
    for (const { key, usage } of found) {
      this.#usage.set(key, usage);
      this.#bytes += usage.bytes;
    }
  }

  async get(action: Digest): Promise<Result<ActionResult | undefined, RemoteFailure>> {
    const key = digestKey(action);
    if (this.#closed || !this.#usage.has(key)) return ok(undefined);
    let result: ActionResult | undefined;
    try {
      const value = this.#results.getBinary(key);
      result = value === undefined ? undefined : unpack(value);
    } catch (error) {
      return err({ reason: 'store-failed', message: messageOf(error) });
    }
    const complete = result !== undefined && ((await this.options.isComplete?.(result)) ?? true);
    if (!complete) {
      await this.remove(action);
      return ok(undefined);
    }
    this.#use(key);
    return ok(result);
  }

  async put(action: Digest, result: ActionResult): Promise<Result<void, RemoteFailure>> {
    const payload = ActionResult.encode(result).finish();
    if (payload.byteLength > maxResultBytes) {
      return err({ reason: 'limit-exceeded', message: `a result of ${payload.byteLength} bytes is too large to keep` });
    }
    const key = digestKey(action);
    const value = Buffer.concat([checksum(payload), payload]);
    const nowMs = this.options.clock.nowMs();
    const usage: Usage = { bytes: value.byteLength + overheadBytes, usedMs: nowMs, savedMs: nowMs };
    return this.#written(() => {
      const writes = [this.#results.put(key, value), this.#used.put(key, packUsage(usage))];
      this.#forget(key);
      this.#usage.set(key, usage);
      this.#bytes += usage.bytes;
      return [...writes, ...this.#shrink()];
    });
  }

  async remove(action: Digest): Promise<Result<void, RemoteFailure>> {
    const key = digestKey(action);
    return this.#written(() => this.#delete(key));
  }

  figures(): {
    readonly entries: number;
    readonly bytes: number;
    readonly limitBytes: number;
    readonly evicted: number;
  } {
    const { limitBytes } = this.options;
    return { entries: this.#usage.size, bytes: this.#bytes, limitBytes, evicted: this.#evicted };
  }

  async trim({ maxBytes, unusedForMs }: CacheLimits): Promise<Result<CacheRemoval, RemoteFailure>> {
    const before = this.figures();
    const untilMs = unusedForMs === undefined ? -Infinity : this.options.clock.nowMs() - unusedForMs;
    const written = await this.#written(() => {
      const writes: Promise<boolean>[] = [];
      for (const [key, { usedMs }] of this.#usage) {
        if (usedMs >= untilMs && (maxBytes === undefined || this.#bytes <= maxBytes)) break;
        writes.push(...this.#delete(key));
      }
      return writes;
    });
    if (!written.ok) return written;
    return ok({ entries: before.entries - this.#usage.size, bytes: before.bytes - this.#bytes });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.root.flushed;
      await this.root.close();
    } catch (error) {
      this.options.log.warn({ error: messageOf(error) }, 'the action cache did not close well');
    }
    await this.lock.release();
  }

  #use(key: string): void {
    const usage = this.#usage.get(key);
    if (usage === undefined) return;
    this.#usage.delete(key);
    this.#usage.set(key, usage);
    const now = this.options.clock.nowMs();
    usage.usedMs = now;
    if (now - usage.savedMs < saveUseAfterMs) return;
    usage.savedMs = now;
    void this.#written(() => [this.#used.put(key, packUsage(usage))]);
  }

  /** Gives up the least recently used, a little more than needed so that it is not done at every put. */
  #shrink(): Promise<boolean>[] {
    const maxEntries = this.options.maxEntries ?? 200_000;
    if (this.#bytes <= this.options.limitBytes && this.#usage.size <= maxEntries) return [];
    const writes: Promise<boolean>[] = [];
    for (const key of this.#usage.keys()) {
      if (this.#bytes <= this.options.limitBytes * 0.95 && this.#usage.size <= maxEntries * 0.95) break;
      if (this.#usage.size === 1) break;
      writes.push(...this.#delete(key));
      this.#evicted += 1;
    }
    return writes;
  }

  #delete(key: string): Promise<boolean>[] {
    this.#forget(key);
    return [this.#results.remove(key), this.#used.remove(key)];
  }

  #forget(key: string): void {
    this.#bytes -= this.#usage.get(key)?.bytes ?? 0;
    this.#usage.delete(key);
  }

  async #written(write: () => Promise<boolean>[]): Promise<Result<void, RemoteFailure>> {
    if (this.#closed) return err({ reason: 'store-failed', message: 'the action cache is closed' });
    try {
      await Promise.all(write());
      return ok(undefined);
    } catch (error) {
      return err({ reason: 'store-failed', message: messageOf(error) });
    }
  }
}

function usageOf(value: Buffer): Usage {
  const savedMs = value.readDoubleLE(0);
  return { usedMs: savedMs, savedMs, bytes: value.readUInt32LE(8) };
}

function packUsage(usage: Usage): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeDoubleLE(usage.savedMs, 0);
  bytes.writeUInt32LE(usage.bytes, 8);
  return bytes;
}

/** The result in a stored value; undefined when it is damaged. */
function unpack(value: Buffer): ActionResult | undefined {
  const payload = value.subarray(checksumBytes);
  if (!checksum(payload).equals(value.subarray(0, checksumBytes))) return undefined;
  try {
    return ActionResult.decode(payload);
  } catch {
    return undefined;
  }
}

function checksum(payload: Uint8Array): Buffer {
  return createHash('sha256').update(payload).digest().subarray(0, checksumBytes);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
