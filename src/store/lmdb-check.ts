// Whether a file may be handed to LMDB: opening one that is damaged ends the process by a signal instead of an error. Looks at the
// two meta pages (each starts a page: magic number at 24, page size at 48, last page at 144, transaction at 152) and the length.

import { open } from 'node:fs/promises';
import { systemErrorCode } from './system-error.ts';

const magic = 0xbeefc0de;
const metaBytes = 160;
const sparePages = 64;

/** False for a file that is there and is no LMDB database, or a much shorter one than its meta pages say; a little is filled up. */
export async function mayBeLmdb(path: string): Promise<boolean> {
  let handle;
  try {
    handle = await open(path, 'r+');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return true;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const metas = Buffer.alloc(2 * metaBytes);
    await handle.read(metas, 0, metaBytes, 0);
    const pageBytes = metas.readUInt32LE(48);
    if (pageBytes < 256 || pageBytes > 65_536) return false;
    await handle.read(metas, metaBytes, metaBytes, pageBytes);
    const [first, second] = [metas.subarray(0, metaBytes), metas.subarray(metaBytes)];
    if (first.readUInt32LE(24) !== magic || second.readUInt32LE(24) !== magic) return false;
    const latest = first.readBigUInt64LE(152) >= second.readBigUInt64LE(152) ? first : second;
    const pages = Number(latest.readBigUInt64LE(144)) + 1;
    if (pages > Number.MAX_SAFE_INTEGER / pageBytes) return false;
    // The last pages may never have been written, when the transaction that took them had no use for them in the end.
    if (size < (pages - sparePages) * pageBytes) return false;
    if (size < pages * pageBytes) await handle.truncate(pages * pageBytes);
    return true;
  } finally {
    await handle.close();
  }
}
