// Digests and facts of files by path: stat first, read and hash only what the stat cache does not know.

import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, type BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import { err, ok, type Result } from '../base/result.ts';
import { digestOf, type Digest, type DigestHash } from '../model/digest.ts';
import type { FileDigests, FileFacts, FileRecord, FileStat, InputFailure } from '../model/inputs.ts';
import { fileFacts, joinFacts, noFacts } from './file-facts.ts';
import { isRegular, type PathStats } from './path-stats.ts';
import type { StatCache } from './stat-cache.ts';

const chunkBytes = 1 << 20;
/** text before a chunk that is looked at with it, so that nothing hides on the boundary */
const overlapBytes = 4096;
/** beyond this a file is no source text: its facts are not searched */
const factsLimitBytes = 64 << 20;

export class StatFileDigests implements FileDigests {
  readonly #buffer = Buffer.allocUnsafeSlow(overlapBytes + chunkBytes);

  constructor(
    readonly stats: PathStats,
    readonly cache: StatCache,
    readonly nowMs: () => number = Date.now,
  ) {}

  file(path: string, notBeforeMs?: number): Result<FileRecord, InputFailure> {
    const stat = this.stats.stat(path, notBeforeMs);
    if (stat === undefined) return unshippable(path, 'there is no such file');
    const first = this.record(path, stat);
    if (first.ok || first.error.reason !== 'input-changed') return first;
    const again = this.stats.stat(path);
    return again === undefined ? first : this.record(path, again);
  }

  /** The same for a file whose stat (links followed) is known. */
  record(path: string, stat: FileStat): Result<FileRecord, InputFailure> {
    if (!isRegular(stat)) return unshippable(path, 'is no regular file');
    const known = this.cache.get(stat);
    if (known !== undefined) return ok(known);
    return this.#hash(path, stat);
  }

  async warm(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const stat = this.stats.stat(path);
      if (stat === undefined || !isRegular(stat) || stat.sizeBytes <= chunkBytes) continue;
      if (this.cache.get(stat) !== undefined) continue;
      await this.#hashInSlices(path, stat);
    }
  }

  /** The same at once. Blocks. */
  readNow(path: string, digest: Digest): Result<Buffer, InputFailure> {
    try {
      const bytes = readFileSync(path);
      if (bytes.length === digest.sizeBytes && digestOf(bytes).hash === digest.hash) return ok(bytes);
    } catch {
      // gone, or no longer to be read
    }
    return changed(path);
  }

  async read(path: string, digest: Digest): Promise<Result<Uint8Array, InputFailure>> {
    try {
      const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const bytes = await handle.readFile();
        if (bytes.length === digest.sizeBytes && digestOf(bytes).hash === digest.hash) return ok(bytes);
        return changed(path);
      } finally {
        await handle.close();
      }
    } catch {
      return changed(path);
    }
  }

  #hash(path: string, stat: FileStat): Result<FileRecord, InputFailure> {
    const hashedAtMs = this.nowMs();
    let descriptor: number;
    try {
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      return unshippable(path, `cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`);
    }
    try {
      const hash = createHash('sha256');
      let facts: FileFacts = noFacts;
      let sizeBytes = 0;
      let kept = 0;
      let program = false;
      for (;;) {
        const got = readSync(descriptor, this.#buffer, overlapBytes, chunkBytes, null);
        if (got === 0) break;
        if (sizeBytes === 0) program = isElf(this.#buffer.subarray(overlapBytes, overlapBytes + got));
        sizeBytes += got;
        hash.update(this.#buffer.subarray(overlapBytes, overlapBytes + got));
        if (!program && sizeBytes <= factsLimitBytes) {
          facts = joinFacts(facts, fileFacts(this.#buffer.subarray(overlapBytes - kept, overlapBytes + got)));
        }
        kept = Math.min(overlapBytes, got);
        if (sizeBytes < stat.sizeBytes) {
          this.#buffer.copyWithin(overlapBytes - kept, overlapBytes + got - kept, overlapBytes + got);
        }
      }
      const after = fstatSync(descriptor, { bigint: true });
      if (sizeBytes !== stat.sizeBytes || !sameMoment(after, stat)) return changed(path);
      return ok(this.#keep(stat, hash.digest('hex'), after.mtimeNs, facts, hashedAtMs));
    } catch (error) {
      return unshippable(path, `cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`);
    } finally {
      closeSync(descriptor);
    }
  }

  async #hashInSlices(path: string, stat: FileStat): Promise<void> {
    const hashedAtMs = this.nowMs();
    try {
      const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const hash = createHash('sha256');
        const buffer = Buffer.allocUnsafeSlow(overlapBytes + chunkBytes);
        let facts: FileFacts = noFacts;
        let sizeBytes = 0;
        let kept = 0;
        let program = false;
        for (;;) {
          const { bytesRead } = await handle.read(buffer, overlapBytes, chunkBytes, null);
          if (bytesRead === 0) break;
          if (sizeBytes === 0) program = isElf(buffer.subarray(overlapBytes, overlapBytes + bytesRead));
          sizeBytes += bytesRead;
          hash.update(buffer.subarray(overlapBytes, overlapBytes + bytesRead));
          if (!program && stat.sizeBytes <= factsLimitBytes) {
            facts = joinFacts(facts, fileFacts(buffer.subarray(overlapBytes - kept, overlapBytes + bytesRead)));
          }
          kept = Math.min(overlapBytes, bytesRead);
          buffer.copyWithin(overlapBytes - kept, overlapBytes + bytesRead - kept, overlapBytes + bytesRead);
        }
        const after = await handle.stat({ bigint: true });
        if (sizeBytes === stat.sizeBytes && sameMoment(after, stat)) {
          this.#keep(stat, hash.digest('hex'), after.mtimeNs, facts, hashedAtMs);
        }
      } finally {
        await handle.close();
      }
    } catch {
      // the following `file` says what is wrong
    }
  }

  #keep(stat: FileStat, hash: string, mtimeNs: bigint, facts: FileFacts, hashedAtMs: number): FileRecord {
    const record = { digest: { hash: hash as DigestHash, sizeBytes: stat.sizeBytes }, stat, mtimeNs, facts };
    this.cache.put(record, hashedAtMs);
    return record;
  }
}

/** A program, library or object: no compile gets through its first byte as text, so it has no facts to look for. */
function isElf(head: Buffer): boolean {
  return head.length >= 16 && head.readUInt32BE(0) === 0x7f454c46 && head[6] === 1 && head[15] === 0;
}

function sameMoment(after: BigIntStats, before: FileStat): boolean {
  return (
    Number(after.ino) === before.ino &&
    milliseconds(after.mtimeNs) === before.mtimeMs &&
    milliseconds(after.ctimeNs) === before.ctimeMs
  );
}

/** As Node rounds it in its ordinary stats. */
function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000_000n) * 1_000 + Number(ns % 1_000_000_000n) / 1_000_000;
}

function unshippable(path: string, message: string): Result<never, InputFailure> {
  return err({ reason: 'unshippable-path', path, message });
}

function changed(path: string): Result<never, InputFailure> {
  return err({ reason: 'input-changed', path, message: 'changed while it was read' });
}
