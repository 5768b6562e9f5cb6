// A file that grows by batches, each with a part that is read at once and one that is read as needed. A batch names the one
// before it by its sum: what another process has written in between ends the file. Unaware of what is in the batches.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';

export interface Batch {
  /** checked already */
  readonly shared: string;
  /** not checked: whoever reads of it compares sums that are in `shared` */
  readonly rest: Buffer;
}

const sumBytes = 16;
/** lengths of both parts, then the sum over the sum before, the lengths and the shared part */
const headBytes = 8 + sumBytes;

export class BatchFile {
  readonly #path: string;
  readonly #magic: Buffer;
  /** as this process has left it; undefined when nothing can be appended */
  #bytes: number | undefined = 0;
  #sum: Buffer;

  /** @param version of what the batches mean: those of another one are passed over */
  constructor(path: string, version: string) {
    this.#path = path;
    this.#magic = Buffer.from(`icets batches 1 ${version}\n`, 'utf8');
    this.#sum = sumOf(this.#magic);
  }

  /** What can be read of the file: everything up to a torn end. */
  load(): Batch[] {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path);
    } catch {
      return [];
    }
    const batches: Batch[] = [];
    let at = this.#magic.length;
    if (bytes.compare(this.#magic, 0, at, 0, Math.min(at, bytes.length)) !== 0) return [];
    while (at + headBytes <= bytes.length) {
      const start = at + headBytes;
      const middle = start + bytes.readUInt32LE(at);
      const end = middle + bytes.readUInt32LE(at + 4);
      if (end > bytes.length) break;
      const sum = sumOf(this.#sum, bytes.subarray(at, at + 8), bytes.subarray(start, middle));
      if (sum.compare(bytes, at + 8, start) !== 0) break;
      batches.push({ shared: bytes.toString('utf8', start, middle), rest: bytes.subarray(middle, end) });
      this.#sum = sum;
      at = end;
    }
    this.#bytes = at === bytes.length ? at : undefined;
    return batches;
  }

  /** Whether the file is as this process has left it, and smaller than the limit. */
  takesMore(limitBytes: number): boolean {
    if (this.#bytes === undefined || this.#bytes > limitBytes) return false;
    return this.#bytes === 0 || sizeOf(this.#path) === this.#bytes;
  }

  /** The next batch is the first of a new file; the one so far is kept under another name. */
  turn(path: string): void {
    this.#begin();
    try {
      renameSync(this.#path, path);
    } catch {
      // not there
    }
  }

  /** False when it could not be written: then there is no file, and the next batch is its first. */
  append(shared: string, rest: Buffer): boolean {
    const first = Buffer.from(shared, 'utf8');
    const head = Buffer.alloc(headBytes);
    head.writeUInt32LE(first.length, 0);
    head.writeUInt32LE(rest.length, 4);
    const sum = sumOf(this.#sum, head.subarray(0, 8), first);
    sum.copy(head, 8);
    const isNew = this.#bytes === 0;
    const bytes = Buffer.concat([...(isNew ? [this.#magic] : []), head, first, rest]);
    try {
      const descriptor = openSync(this.#path, isNew ? 'w' : 'a', 0o600);
      try {
        if (writeSync(descriptor, bytes) !== bytes.length) throw new Error('the disk is full');
      } finally {
        closeSync(descriptor);
      }
    } catch {
      this.#begin();
      this.#remove();
      return false;
    }
    this.#sum = sum;
    this.#bytes = (this.#bytes ?? 0) + bytes.length;
    return true;
  }

  #remove(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // what is left of it is cut off by the next one that begins
    }
  }

  #begin(): void {
    this.#bytes = 0;
    this.#sum = sumOf(this.#magic);
  }
}

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch {
    return undefined;
  }
}

function sumOf(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, sumBytes);
}
