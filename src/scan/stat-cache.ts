// Digests and facts by what stat says (device, inode, size, both times), in memory and in one file across restarts.
// A file that was younger than two seconds when it was hashed could change again without a new time: it is not trusted.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DigestHash } from '../model/digest.ts';
import type { FileFacts, FileRecord, FileStat } from '../model/inputs.ts';
import { noFacts } from './file-facts.ts';

/** Age, by the later of both times, from which a stat proves the content. */
export const settledAgeMs = 2_000;

interface Entry {
  readonly record: FileRecord;
  readonly trusted: boolean;
  usedDay: number;
}

/** An entry, or the offset of its bytes in the loaded file while nobody has asked for it. */
type Slot = Entry | number;

const magic = 'icets file digests 2\n';
const headerBytes = 64;
const recordBytes = 96;
const dayMs = 86_400_000;

export class StatCache {
  readonly #devices = new Map<number, Map<number, Slot>>();
  #loaded: Buffer = Buffer.alloc(0);
  #loadedFacts: readonly FileFacts[] = [];
  #size = 0;
  #dirty = false;

  /**
   * @param file where it is kept; undefined keeps it in memory only
   * @param limit how many files are remembered; the longest unused go first
   */
  constructor(
    readonly file: string | undefined,
    readonly limit = 400_000,
    readonly nowMs: () => number = Date.now,
  ) {
    if (file !== undefined) this.#load(file);
  }

  get size(): number {
    return this.#size;
  }

  /** What is known of a file with this stat; undefined when it must be hashed (again). */
  get(stat: FileStat): FileRecord | undefined {
    const device = this.#devices.get(stat.dev);
    const slot = device?.get(stat.ino);
    if (device === undefined || slot === undefined) return undefined;
    const entry = typeof slot === 'number' ? this.#read(slot) : slot;
    if (entry === undefined) return undefined;
    const known = entry.record.stat;
    if (
      known.mtimeMs !== stat.mtimeMs ||
      known.ctimeMs !== stat.ctimeMs ||
      known.sizeBytes !== stat.sizeBytes ||
      !entry.trusted
    ) {
      return undefined;
    }
    if (typeof slot === 'number') device.set(stat.ino, entry);
    entry.usedDay = this.#today();
    return entry.record;
  }

  /** @param hashedAtMs wall clock just before the content was read */
  put(record: FileRecord, hashedAtMs: number): void {
    const { stat } = record;
    const trusted = hashedAtMs - Math.max(stat.mtimeMs, stat.ctimeMs) > settledAgeMs;
    let device = this.#devices.get(stat.dev);
    if (device === undefined) {
      device = new Map();
      this.#devices.set(stat.dev, device);
    }
    if (!device.delete(stat.ino)) this.#size += 1;
    device.set(stat.ino, { record, trusted, usedDay: this.#today() });
    if (trusted) this.#dirty = true;
    if (this.#size > this.limit) this.#shrink();
  }

  /** Writes the file when there is something new. Failing to is no failure: the cache is only slower next time. */
  async save(): Promise<void> {
    if (this.file === undefined || !this.#dirty) return;
    this.#dirty = false;
    const temporary = `${this.file}.${process.pid}.tmp`;
    try {
      await writeFile(temporary, this.#encode(), { mode: 0o600 });
      await rename(temporary, this.file);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }

  #today(): number {
    return Math.floor(this.nowMs() / dayMs);
  }

  #shrink(): void {
    const days: number[] = [];
    for (const device of this.#devices.values()) for (const slot of device.values()) days.push(this.#dayOf(slot));
    days.sort((a, b) => a - b);
    let excess = this.#size - Math.floor(this.limit * 0.9);
    const oldest = days[excess] ?? 0;
    for (const device of this.#devices.values()) {
      for (const [ino, slot] of device) {
        if (excess <= 0) return;
        if (this.#dayOf(slot) > oldest) continue;
        device.delete(ino);
        this.#size -= 1;
        excess -= 1;
      }
    }
  }

  #dayOf(slot: Slot): number {
    return typeof slot === 'number' ? this.#loaded.readUInt32LE(slot + 80) : slot.usedDay;
  }

  #read(offset: number): Entry | undefined {
    const bytes = this.#loaded;
    const factsIndex = bytes.readUInt32LE(offset + 84);
    const facts = factsIndex === 0 ? noFacts : this.#loadedFacts[factsIndex - 1];
    if (facts === undefined) return undefined;
    const sizeBytes = bytes.readDoubleLE(offset + 16);
    return {
      record: {
        digest: { hash: bytes.toString('hex', offset + 48, offset + 80) as DigestHash, sizeBytes },
        stat: {
          dev: bytes.readDoubleLE(offset),
          ino: bytes.readDoubleLE(offset + 8),
          sizeBytes,
          mtimeMs: bytes.readDoubleLE(offset + 24),
          ctimeMs: bytes.readDoubleLE(offset + 32),
          mode: bytes.readUInt32LE(offset + 88),
        },
        mtimeNs: bytes.readBigInt64LE(offset + 40),
        facts,
      },
      trusted: true,
      usedDay: bytes.readUInt32LE(offset + 80),
    };
  }

  #load(file: string): void {
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const bytes = readFileSync(file);
      if (bytes.length < headerBytes || bytes.toString('latin1', 0, magic.length) !== magic) return;
      const count = bytes.readUInt32LE(24);
      const records = headerBytes + count * recordBytes;
      if (bytes.length < records) return;
      if (!createHash('sha256').update(bytes.subarray(headerBytes)).digest().equals(bytes.subarray(32, 64))) return;
      this.#loadedFacts = JSON.parse(bytes.toString('utf8', records)) as FileFacts[];
      this.#loaded = bytes.subarray(0, records);
      for (let offset = headerBytes; offset < records; offset += recordBytes) {
        const dev = bytes.readDoubleLE(offset);
        let device = this.#devices.get(dev);
        if (device === undefined) {
          device = new Map<number, Slot>();
          this.#devices.set(dev, device);
        }
        device.set(bytes.readDoubleLE(offset + 8), offset);
        this.#size += 1;
      }
    } catch {
      // not there or not readable: it is built again
    }
  }

  #encode(): Buffer {
    const facts: FileFacts[] = [];
    const indexes = new Map<string, number>();
    const body = Buffer.alloc(headerBytes + this.#size * recordBytes);
    let offset = headerBytes;
    const indexOf = (some: FileFacts): number => {
      if (some === noFacts) return 0;
      const key = JSON.stringify(some);
      const known = indexes.get(key);
      if (known !== undefined) return known;
      facts.push(some);
      indexes.set(key, facts.length);
      return facts.length;
    };
    for (const device of this.#devices.values()) {
      for (const slot of device.values()) {
        if (typeof slot === 'number') {
          this.#loaded.copy(body, offset, slot, slot + recordBytes);
          const factsIndex = this.#loaded.readUInt32LE(slot + 84);
          const some = factsIndex === 0 ? noFacts : this.#loadedFacts[factsIndex - 1];
          body.writeUInt32LE(some === undefined ? 0 : indexOf(some), offset + 84);
        } else {
          if (!slot.trusted) continue;
          const { stat, digest, mtimeNs } = slot.record;
          body.writeDoubleLE(stat.dev, offset);
          body.writeDoubleLE(stat.ino, offset + 8);
          body.writeDoubleLE(stat.sizeBytes, offset + 16);
          body.writeDoubleLE(stat.mtimeMs, offset + 24);
          body.writeDoubleLE(stat.ctimeMs, offset + 32);
          body.writeBigInt64LE(mtimeNs, offset + 40);
          body.write(digest.hash, offset + 48, 'hex');
          body.writeUInt32LE(slot.usedDay, offset + 80);
          body.writeUInt32LE(indexOf(slot.record.facts), offset + 84);
          body.writeUInt32LE(stat.mode, offset + 88);
        }
        offset += recordBytes;
      }
    }
    const bytes = Buffer.concat([body.subarray(0, offset), Buffer.from(JSON.stringify(facts))]);
    bytes.write(magic, 0, 'latin1');
    bytes.writeUInt32LE((offset - headerBytes) / recordBytes, 24);
    createHash('sha256').update(bytes.subarray(headerBytes)).digest().copy(bytes, 32);
    return bytes;
  }
}
