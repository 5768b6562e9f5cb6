// The folder of a disk store: its version, its sub folders, what is in them at the start, and the saved order of use.
// Unaware of limits and of who uses the blobs.

import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { Digest, DigestHash } from '../model/digest.ts';

const versionLine = 'icets-store 1\n';
const orderHeader = 'icets-order 1\n';
/** bytes of a hash kept in the saved order; enough to tell blobs apart, and a clash costs nothing but order */
const orderHashBytes = 16;

export interface FoundBlob {
  readonly digest: Digest;
  readonly plain: boolean;
  readonly executable: boolean;
}

/** Path below the store's folder of the file with a blob's bytes. */
export function blobPath(dir: string, digest: Digest, executable: boolean): string {
  const suffix = executable ? '.x' : '';
  return `${dir}/blobs/${digest.hash.slice(0, 2)}/${digest.hash}-${digest.sizeBytes}${suffix}`;
}

/**
 * Whether the folder is a store, or empty enough to become one; the error is a sentence for people. VERSION is the first
 * thing that a new store gets, so that without it only LOCK and an unfinished VERSION may be there. Changes nothing.
 */
export async function inspectFolder(dir: string): Promise<Result<void, string>> {
  const version = await readFile(join(dir, 'VERSION'), 'latin1').catch(ignoreAbsent);
  if (version?.startsWith('icets-store ') === true) return ok(undefined);
  const names = await readdir(dir);
  const temporary = names.includes('tmp') ? await readdir(join(dir, 'tmp')).catch(() => ['?']) : [];
  const foreign = [
    ...names.filter((name) => name !== 'LOCK' && name !== 'tmp'),
    ...temporary.filter((name) => name !== 'VERSION').map((name) => `tmp/${name}`),
  ];
  if (foreign.length === 0) return ok(undefined);
  return err(`${dir} is not a store and not empty: it holds ${foreign.slice(0, 3).join(', ')}`);
}

/**
 * Makes an inspected folder ready: no temporary file is left, a store of another version is emptied
 * (answers true then). The caller holds the folder's lock.
 */
export async function prepareFolder(dir: string): Promise<boolean> {
  const version = await readFile(join(dir, 'VERSION'), 'latin1').catch(ignoreAbsent);
  await rm(join(dir, 'tmp'), { recursive: true, force: true });
  await mkdir(join(dir, 'tmp'));
  if (version !== versionLine) {
    await rm(join(dir, 'blobs'), { recursive: true, force: true });
    await rm(join(dir, 'order'), { force: true });
    await writeFile(join(dir, 'tmp', 'VERSION'), versionLine);
    await rename(join(dir, 'tmp', 'VERSION'), join(dir, 'VERSION'));
  }
  await mkdir(join(dir, 'blobs'), { recursive: true });
  return version !== undefined && version !== versionLine;
}

/** Every blob by its file name, contents unread; files that cannot be blobs are removed. */
export async function scanFolder(dir: string): Promise<FoundBlob[]> {
  const found = new Map<string, { digest: Digest; plain: boolean; executable: boolean }>();
  const blobs = join(dir, 'blobs');
  const prefixes: string[] = [];
  for (const name of await readdir(blobs)) {
    if (/^[0-9a-f]{2}$/.test(name)) prefixes.push(name);
    else await rm(join(blobs, name), { recursive: true, force: true });
  }
  const listings = await Promise.all(
    prefixes.map(async (prefix) => ({ prefix, names: await readdir(join(blobs, prefix)) })),
  );
  for (const { prefix, names } of listings) {
    for (const name of names) {
      const match = /^([0-9a-f]{64})-(0|[1-9][0-9]{0,14})(\.x)?$/.exec(name);
      if (match === null || !name.startsWith(prefix)) {
        await rm(join(dir, 'blobs', prefix, name), { recursive: true, force: true });
        continue;
      }
      const key = `${match[1]}-${match[2]}`;
      const entry = found.get(key) ?? {
        digest: { hash: match[1] as DigestHash, sizeBytes: Number(match[2]) },
        plain: false,
        executable: false,
      };
      if (match[3] === undefined) entry.plain = true;
      else entry.executable = true;
      found.set(key, entry);
    }
  }
  return [...found.values()];
}

/** Writes down the order of use, least recent first. */
export async function saveOrder(dir: string, digests: Iterable<Digest>, count: number): Promise<void> {
  const bytes = Buffer.alloc(orderHeader.length + count * orderHashBytes);
  let at = bytes.write(orderHeader, 'latin1');
  for (const digest of digests) {
    if (at === bytes.length) break;
    at += bytes.write(digest.hash.slice(0, 2 * orderHashBytes), at, 'hex');
  }
  const temporary = join(dir, 'tmp', 'order');
  await writeFile(temporary, bytes.subarray(0, at));
  await rename(temporary, join(dir, 'order'));
}

/** Sorts what a scan found by the saved order; what was not in it is newer and comes last. */
export async function sortBySavedOrder(dir: string, found: FoundBlob[]): Promise<FoundBlob[]> {
  const bytes = await readFile(join(dir, 'order')).catch(ignoreAbsent);
  if (bytes === undefined || bytes.toString('latin1', 0, orderHeader.length) !== orderHeader) return found;
  const ranks = new Map<string, number>();
  for (let at = orderHeader.length; at + orderHashBytes <= bytes.length; at += orderHashBytes) {
    ranks.set(bytes.toString('hex', at, at + orderHashBytes), at);
  }
  const rankOf = (blob: FoundBlob) => ranks.get(blob.digest.hash.slice(0, 2 * orderHashBytes)) ?? Infinity;
  return found
    .map((blob) => ({ blob, rank: rankOf(blob) }))
    .sort((a, b) => (a.rank === b.rank ? 0 : a.rank - b.rank))
    .map(({ blob }) => blob);
}

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
