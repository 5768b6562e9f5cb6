// Lets one process at a time have a folder. The lock itself is an abstract socket named after the folder's inode: the kernel
// frees it with the process, however that ends. The file LOCK only says who has it.

import { createServer } from 'node:net';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';

export interface FolderLock {
  release(): Promise<void>;
}

export interface FolderLocked {
  /** of the process that has the folder, when it can be told */
  readonly pid: number | undefined;
}

/** Takes the lock of an existing folder; throws for what is wrong with the folder itself. */
export async function lockFolder(dir: string): Promise<Result<FolderLock, FolderLocked>> {
  const { dev, ino } = await stat(dir);
  const server = createServer((socket) => socket.destroy());
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ path: `\0icets-folder-${dev}-${ino}` }, () => resolve(true));
  });
  const file = join(dir, 'LOCK');
  if (!taken) return err({ pid: await lockHolder(file) });
  server.unref();
  await writeFile(file, `${process.pid}\n`);
  return ok({
    release: async () => {
      await rm(file, { force: true });
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

async function lockHolder(file: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(file, 'latin1')).trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
