// Reads the Directory messages of input roots and keeps the directories that were built from them, by digest.
// Unaware of files' contents and of the disk.

import { err, ok, type Result } from '../base/result.ts';
import { Directory } from '../model/action.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { digestKey, parseDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { defaultTreeLimits, directoryFrom, type RootDirectory, type TreeLimits } from '../sandbox/root-tree.ts';
import { readVerified } from './blob-fetcher.ts';

/** Names from a directory down to a mount below it. */
export type MountPath = readonly string[];

const keptEntries = 400_000;
const largestMessageBytes = 16 * 1024 * 1024;

interface Visit {
  readonly digest: Digest;
  /** never empty paths; no mounts: the directory is exactly its message */
  readonly mounts: readonly MountPath[];
}

interface Reading {
  readonly messages: Map<string, Directory>;
  /** directories without mounts that this load uses */
  readonly held: Map<string, RootDirectory>;
}

export class InputLoader {
  /** least recently used first */
  readonly #whole = new Map<string, RootDirectory>();
  #weight = 0;

  constructor(readonly limits: TreeLimits = defaultTreeLimits) {}

  /**
   * The directory with this digest; sub directories that `mounts` names become mounts and are not read.
   * Failures: `missing-blob`, `invalid-request` (names, digests, size), what the store says.
   */
  async load(
    root: Digest,
    mounts: readonly MountPath[],
    from: BlobStore,
    signal: AbortSignal,
  ): Promise<Result<RootDirectory, RemoteFailure>> {
    const reading: Reading = { messages: new Map(), held: new Map() };
    let level: Visit[] = [{ digest: root, mounts }];
    const seen = new Set<string>();
    for (let depth = 0; level.length > 0; depth++) {
      if (depth >= this.limits.depth) return invalid(`more than ${this.limits.depth} levels of directories`);
      const read = await this.#read(level, reading, from, signal);
      if (!read.ok) return read;
      if (reading.messages.size > this.limits.entries) return invalid(`more than ${this.limits.entries} directories`);
      const next: Visit[] = [];
      for (const visit of level) {
        if (this.#known(visit, reading) !== undefined) continue;
        for (const node of reading.messages.get(digestKey(visit.digest))?.directories ?? []) {
          const digest = parseDigest(node.digest);
          if (digest === undefined) return invalid(`no digest for ${JSON.stringify(node.name)}`);
          const below = mountsBelow(visit.mounts, node.name);
          if (below === 'mount') continue;
          if (below.length === 0) {
            if (seen.has(digestKey(digest))) continue;
            seen.add(digestKey(digest));
          }
          next.push({ digest, mounts: below });
        }
      }
      level = next;
    }
    return this.#build({ digest: root, mounts }, reading);
  }

  async #read(
    level: readonly Visit[],
    reading: Reading,
    from: BlobStore,
    signal: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    const wanted = new Map<string, Digest>();
    for (const visit of level) {
      const key = digestKey(visit.digest);
      if (reading.messages.has(key) || this.#known(visit, reading) !== undefined) continue;
      if (visit.digest.sizeBytes > largestMessageBytes) return invalid('a Directory message is too large');
      wanted.set(key, visit.digest);
    }
    const digests = [...wanted.values()];
    const blobs = await readVerified(from, digests, signal);
    if (!blobs.ok) return blobs;
    for (const [index, digest] of digests.entries()) {
      try {
        reading.messages.set(digestKey(digest), Directory.decode(blobs.value[index]!));
      } catch {
        return invalid(`${digestKey(digest)} is no Directory message`);
      }
    }
    return ok(undefined);
  }

  /** What is known of a directory stays at hand until the load ends, whatever is forgotten meanwhile. */
  #known(visit: Visit, { held }: Reading): RootDirectory | undefined {
    if (visit.mounts.length > 0) return undefined;
    const key = digestKey(visit.digest);
    const at = held.get(key);
    if (at !== undefined) return at;
    const known = this.#whole.get(key);
    if (known === undefined) return undefined;
    this.#whole.delete(key);
    this.#whole.set(key, known);
    held.set(key, known);
    return known;
  }

  #build(visit: Visit, reading: Reading): Result<RootDirectory, RemoteFailure> {
    const key = digestKey(visit.digest);
    const known = this.#known(visit, reading);
    if (known !== undefined) return ok(known);
    const message = reading.messages.get(key);
    if (message === undefined) throw new Error(`directory ${key} was not read`);
    let failure: RemoteFailure | undefined;
    const built = directoryFrom(
      message,
      (name, digest) => {
        const below = mountsBelow(visit.mounts, name);
        if (below === 'mount') return { kind: 'mount', digest };
        const child = this.#build({ digest, mounts: below }, reading);
        if (child.ok) return child.value;
        failure = child.error;
        return undefined;
      },
      visit.mounts.length === 0 ? visit.digest : undefined,
      this.limits,
    );
    if (!built.ok) return failure === undefined ? invalid(built.error) : err(failure);
    if (visit.mounts.length === 0) {
      reading.held.set(key, built.value);
      this.#keep(key, built.value);
    }
    return built;
  }

  #keep(key: string, directory: RootDirectory): void {
    this.#whole.set(key, directory);
    this.#weight += directory.entries.size + 1;
    for (const [oldest, old] of this.#whole) {
      if (this.#weight <= keptEntries || oldest === key) break;
      this.#whole.delete(oldest);
      this.#weight -= old.entries.size + 1;
    }
  }
}

function mountsBelow(mounts: readonly MountPath[], name: string): 'mount' | readonly MountPath[] {
  if (mounts.length === 0) return mounts;
  const below: MountPath[] = [];
  for (const [head, ...rest] of mounts) {
    if (head !== name) continue;
    if (rest.length === 0) return 'mount';
    below.push(rest);
  }
  return below;
}

function invalid(message: string): { readonly ok: false; readonly error: RemoteFailure } {
  return err({ reason: 'invalid-request', message });
}
