// Large stable directories (system headers), materialised once by digest as files of their own and mounted read-only by many
// actions. A tree is complete or absent: it is built aside and renamed. Unaware of actions.

import { mkdirSync, readFileSync, readdirSync, renameSync, statSync, utimesSync } from 'node:fs';
import { copyFile, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { constants } from 'node:fs';
import { err, ok, type Result } from '../base/result.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { digestKey, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { RootDirectory, RootFile } from '../sandbox/root-tree.ts';
import { cancelled, type BlobFetcher } from './blob-fetcher.ts';
import type { InputLoader } from './input-loader.ts';
import { pathsOf } from './own-files.ts';
import { SingleFlight } from './single-flight.ts';
import type { Trash } from './trash.ts';

export interface HeldTree {
  /** absolute path of the materialised directory, whole and unchanging until released */
  readonly path: string;
  /** Allows the tree to be evicted again; calling it twice does nothing. */
  release(): void;
}

export interface WantedTree {
  readonly digest: Digest;
  /** tells apart several uses within one action: two paths must not share files */
  readonly copy: number;
  /** the absolute path at which the action sees it; this machine's own files there are taken where they are the same */
  readonly path: string;
}

export interface TreeCacheOptions {
  /** its own directory */
  readonly directory: string;
  readonly limitBytes: number;
  readonly inputMtimeSeconds: number;
  readonly fetcher: BlobFetcher;
  readonly loader: InputLoader;
  readonly trash: Trash;
  /** names the run of the kernel: a tree written before a crash of the machine may lack bytes. Default: asked of the kernel. */
  readonly bootId?: string;
}

interface Tree {
  readonly bytes: number;
  users: number;
}

/** Beside the tree itself; written last. */
interface Marker {
  readonly version: 1;
  readonly boot: string;
  readonly bytes: number;
}

interface TreeFile {
  readonly path: string;
  /** the same file as the action sees it, and as this machine may have it */
  readonly own: string;
  readonly file: RootFile;
}

const filesPerBatch = 256;
const copiesAtOnce = 8;

export class TreeCache {
  readonly #options: TreeCacheOptions;
  readonly #boot: string;
  /** complete trees by folder name, least recently used first */
  readonly #trees = new Map<string, Tree>();
  readonly #flights = new SingleFlight<Result<void, RemoteFailure>>();
  #building = 0;

  constructor(options: TreeCacheOptions) {
    this.#options = options;
    this.#boot = options.bootId ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    mkdirSync(options.directory, { recursive: true });
    const found: { readonly name: string; readonly bytes: number; readonly usedMs: number }[] = [];
    for (const name of readdirSync(options.directory)) {
      const marker = this.#marker(name);
      if (marker === undefined) options.trash.discard(`${options.directory}/${name}`);
      else found.push({ name, ...marker });
    }
    found.sort((a, b) => a.usedMs - b.usedMs);
    for (const { name, bytes } of found) this.#trees.set(name, { bytes, users: 0 });
    this.#evict();
  }

  get bytes(): number {
    let sum = 0;
    for (const tree of this.#trees.values()) sum += tree.bytes;
    return sum;
  }

  /** The tree on disk, made when it is not there. */
  async hold(wanted: WantedTree, from: BlobStore, signal: AbortSignal): Promise<Result<HeldTree, RemoteFailure>> {
    const name = `${wanted.digest.hash}-${wanted.digest.sizeBytes}.${wanted.copy}`;
    for (;;) {
      const tree = this.#trees.get(name);
      if (tree !== undefined) return ok(this.#lend(name, tree));
      const made = await this.#flights.run(name, signal, (own) => this.#make(name, wanted, from, own));
      if (made === undefined || signal.aborted) return err(cancelled);
      if (!made.ok) return made;
    }
  }

  #lend(name: string, tree: Tree): HeldTree {
    this.#trees.delete(name);
    this.#trees.set(name, tree);
    tree.users += 1;
    const path = `${this.#options.directory}/${name}`;
    let held = true;
    return {
      path: `${path}/tree`,
      release: () => {
        if (!held) return;
        held = false;
        tree.users -= 1;
        const now = Date.now() / 1000;
        try {
          utimesSync(`${path}/complete`, now, now);
        } catch {
          // Only the order of eviction after a restart depends on it.
        }
        this.#evict();
      },
    };
  }

  async #make(
    name: string,
    { digest, path }: WantedTree,
    from: BlobStore,
    signal: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    const loaded = await this.#options.loader.load(digest, [], from, signal);
    if (!loaded.ok) return loaded;
    const aside = `${this.#options.directory}/building-${process.pid}-${(this.#building += 1)}`;
    try {
      await mkdir(`${aside}/tree`, { recursive: true });
      const files: TreeFile[] = [];
      await layDirectories(loaded.value, { aside: `${aside}/tree`, own: path }, files);
      for (let start = 0; start < files.length; start += filesPerBatch) {
        if (signal.aborted) return err(cancelled);
        const copied = await this.#copy(files.slice(start, start + filesPerBatch), from, signal);
        if (!copied.ok) return copied;
      }
      const bytes = files.reduce((sum, { file }) => sum + diskBytes(file.digest.sizeBytes), 0);
      const marker: Marker = { version: 1, boot: this.#boot, bytes };
      await writeFile(`${aside}/complete`, JSON.stringify(marker));
      renameSync(aside, `${this.#options.directory}/${name}`);
      this.#trees.set(name, { bytes, users: 0 });
      return ok(undefined);
    } catch (error) {
      return err({ reason: 'worker-failed', message: `tree ${digestKey(digest)}: ${String(error)}` });
    } finally {
      this.#options.trash.discard(aside);
    }
  }

  async #copy(files: readonly TreeFile[], from: BlobStore, signal: AbortSignal): Promise<Result<void, RemoteFailure>> {
    const { fetcher, inputMtimeSeconds } = this.#options;
    const digests = files.map(({ file }) => file.digest);
    const pin = fetcher.store.pin(digests);
    try {
      const fetched = await fetcher.fetch(
        digests,
        from,
        signal,
        pathsOf(() => files.map(({ file, own }) => [file.digest, own])),
      );
      if (!fetched.ok) return fetched;
      const source = await fetcher.paths(files.map(({ file }) => file));
      if (!source.ok) return source;
      for (let start = 0; start < files.length; start += copiesAtOnce) {
        await Promise.all(
          files.slice(start, start + copiesAtOnce).map(async ({ path, file }) => {
            await copyFile(source.value(file.digest, file.executable), path, constants.COPYFILE_FICLONE);
            const time = file.mtimeSeconds ?? inputMtimeSeconds;
            await utimes(path, time, time);
          }),
        );
      }
      return ok(undefined);
    } finally {
      pin.release();
    }
  }

  #marker(name: string): { readonly bytes: number; readonly usedMs: number } | undefined {
    if (!/^[0-9a-f]{64}-[0-9]+\.[0-9]+$/.test(name)) return undefined;
    const path = `${this.#options.directory}/${name}/complete`;
    try {
      const marker = JSON.parse(readFileSync(path, 'utf8')) as Partial<Marker>;
      if (marker.version !== 1 || marker.boot !== this.#boot || typeof marker.bytes !== 'number') return undefined;
      return { bytes: marker.bytes, usedMs: statSync(path).mtimeMs };
    } catch {
      return undefined;
    }
  }

  #evict(): void {
    let bytes = this.bytes;
    for (const [name, tree] of this.#trees) {
      if (bytes <= this.#options.limitBytes) return;
      if (tree.users > 0) continue;
      this.#trees.delete(name);
      this.#options.trash.discard(`${this.#options.directory}/${name}`);
      bytes -= tree.bytes;
    }
  }
}

async function layDirectories(
  directory: RootDirectory,
  paths: { readonly aside: string; readonly own: string },
  files: TreeFile[],
): Promise<void> {
  for (const [name, entry] of directory.entries) {
    const here = { aside: `${paths.aside}/${name}`, own: `${paths.own}/${name}` };
    switch (entry.kind) {
      case 'directory':
        await mkdir(here.aside);
        await layDirectories(entry, here, files);
        break;
      case 'symlink':
        await symlink(entry.target, here.aside);
        break;
      case 'file':
        files.push({ path: here.aside, own: here.own, file: entry });
        break;
      case 'mount':
      case 'placeholder':
        throw new Error(`a tree by digest has no ${entry.kind}`);
    }
  }
}

/** Files take whole blocks; 4 KiB is the usual one. */
function diskBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4096) * 4096;
}
