// What a store holds, in order of use, and which blobs may go when room is needed. Unaware of files and of the bytes.

import { digestKey, type Digest } from '../model/digest.ts';
import type { Pin } from './local-blob-store.ts';

/** How much is known about the bytes behind an entry: only a file name, the right size as well, or the right hash. */
export type Trust = 'named' | 'sized' | 'verified';

export interface IndexEntry {
  readonly digest: Digest;
  trust: Trust;
  /** the second file, which may be executed; `none` when it was not needed yet */
  executable: 'none' | 'named' | 'verified';
  /** monotonic ms until which the blob is kept although nobody has pinned it */
  protectedUntilMs: number;
  /** when it was written or used last in this process, on the index's clock; found at the start counts as used then */
  usedMs: number;
}

/** Keeps entries from the least to the most recently used, with their cost in bytes. */
export class BlobIndex {
  readonly #entries = new Map<string, IndexEntry>();
  readonly #pins = new Map<string, number>();
  #bytes = 0;

  /**
   * @param costOf bytes that one file with a blob of this size takes
   * @param nowMs the clock of `usedMs`
   */
  constructor(
    private readonly costOf: (sizeBytes: number) => number,
    private readonly nowMs: () => number,
  ) {}

  get count(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** From the least to the most recently used. */
  entries(): IterableIterator<IndexEntry> {
    return this.#entries.values();
  }

  peek(digest: Digest): IndexEntry | undefined {
    return this.#entries.get(digestKey(digest));
  }

  /** Finds an entry and makes it the most recently used. */
  use(digest: Digest): IndexEntry | undefined {
    const key = digestKey(digest);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.usedMs = this.nowMs();
    return entry;
  }

  /** Adds or replaces an entry as the most recently used one. */
  add(digest: Digest, trust: Trust, executable: IndexEntry['executable'] = 'none'): IndexEntry {
    const before = this.remove(digest);
    const entry: IndexEntry = {
      digest,
      trust,
      executable: before?.executable ?? executable,
      protectedUntilMs: before?.protectedUntilMs ?? 0,
      usedMs: this.nowMs(),
    };
    this.#entries.set(digestKey(digest), entry);
    this.#bytes += this.#cost(entry);
    return entry;
  }

  setExecutable(entry: IndexEntry, executable: IndexEntry['executable']): void {
    const held = this.peek(entry.digest) === entry;
    if (held) this.#bytes -= this.#cost(entry);
    entry.executable = executable;
    if (held) this.#bytes += this.#cost(entry);
  }

  remove(digest: Digest): IndexEntry | undefined {
    const key = digestKey(digest);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#bytes -= this.#cost(entry);
    return entry;
  }

  pin(digests: readonly Digest[]): Pin {
    const keys = digests.map(digestKey);
    for (const key of keys) this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        for (const key of keys) {
          const left = (this.#pins.get(key) ?? 1) - 1;
          if (left === 0) this.#pins.delete(key);
          else this.#pins.set(key, left);
        }
      },
    };
  }

  pinned(digest: Digest): boolean {
    return this.#pins.has(digestKey(digest));
  }

  /**
   * Takes the least recently used entries out until at most `targetBytes` are left, and answers them. Pinned ones stay;
   * protected ones stay as well unless `evenProtected`.
   */
  takeVictims(targetBytes: number, nowMs: number, evenProtected: boolean): IndexEntry[] {
    const victims: IndexEntry[] = [];
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= targetBytes) break;
      if (this.#pins.has(key)) continue;
      if (!evenProtected && entry.protectedUntilMs > nowMs) continue;
      this.#entries.delete(key);
      this.#bytes -= this.#cost(entry);
      victims.push(entry);
    }
    return victims;
  }

  /** Takes out what was last used before a moment of the index's clock, pinned and protected entries excepted. */
  takeUnused(beforeMs: number, nowMs: number): IndexEntry[] {
    const victims: IndexEntry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.usedMs >= beforeMs) break;
      if (this.pinned(entry.digest) || entry.protectedUntilMs > nowMs) continue;
      victims.push(entry);
    }
    for (const { digest } of victims) this.remove(digest);
    return victims;
  }

  #cost(entry: IndexEntry): number {
    const one = this.costOf(entry.digest.sizeBytes);
    return entry.executable === 'none' ? one : 2 * one;
  }
}
