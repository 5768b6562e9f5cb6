// The same file of the same distribution: what a lease needs at a path where this machine has the very bytes need not be sent.
// Unaware of stores and of who asks.

import { open, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { digestKey, digestOf, sameDigest, type Digest } from '../model/digest.ts';

/** Where a distribution keeps its compilers and headers; nothing else of this machine is looked at. */
const systemFolders = ['/usr/', '/lib/', '/lib32/', '/lib64/', '/libx32/', '/bin/', '/opt/'];

/** Answers the absolute path that a blob has in what is being set up; `undefined` when it has none. */
export type PathOf = (digest: Digest) => string | undefined;

/** The same for these files; they are listed when the first is asked for. */
export function pathsOf(files: () => Iterable<readonly [digest: Digest, path: string]>): PathOf {
  let paths: Map<string, string> | undefined;
  return (digest) => {
    paths ??= new Map(Array.from(files(), ([each, path]) => [digestKey(each), path]));
    return paths.get(digestKey(digest));
  };
}

export class OwnFiles {
  /** @param folders absolute, each with a slash at its end */
  constructor(readonly folders: readonly string[] = systemFolders) {}

  /** Whether this machine has a plain file of this size there; its bytes are still to be compared. */
  async mayHave(digest: Digest, path: string): Promise<boolean> {
    const file = await this.#open(digest, path);
    await file?.close();
    return file !== undefined;
  }

  /** The file's bytes when they are those of the digest. For small files. */
  async read(digest: Digest, path: string): Promise<Uint8Array | undefined> {
    const file = await this.#open(digest, path);
    try {
      const bytes = await file?.readFile();
      return bytes !== undefined && sameDigest(digestOf(bytes), digest) ? bytes : undefined;
    } catch {
      return undefined;
    } finally {
      await file?.close();
    }
  }

  async #open(digest: Digest, path: string): Promise<FileHandle | undefined> {
    if (!this.folders.some((folder) => path.startsWith(folder))) return undefined;
    let file: FileHandle | undefined;
    try {
      // A pipe must not make anybody wait.
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const status = await file.stat();
      if (status.isFile() && status.size === digest.sizeBytes) return file;
    } catch {
      // Not here, or not for this user to read.
    }
    await file?.close();
    return undefined;
  }
}
