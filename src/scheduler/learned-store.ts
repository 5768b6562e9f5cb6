// Keeps what the scheduler learned across restarts. A file that is damaged or of another version is started afresh.

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Log } from '../base/log.ts';

export interface LearnedStore {
  /** What was saved last, unchecked; undefined when there is nothing. Never rejects. */
  load(): Promise<unknown>;
  /** Never rejects: learned data may be lost. */
  save(data: unknown): Promise<void>;
}

/**
 * A JSON file, replaced as a whole.
 * @param what it holds, for the log
 */
export function learnedFile(path: string, log: Log, what = 'learned costs'): LearnedStore {
  return {
    async load() {
      try {
        return JSON.parse(await readFile(path, 'utf8')) as unknown;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          log.warn({ path, error: String(error) }, `${what}: unreadable, starting afresh`);
        }
        return undefined;
      }
    },
    async save(data) {
      const temporary = `${path}.${process.pid}.tmp`;
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await writeFile(temporary, JSON.stringify(data), { mode: 0o600 });
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        log.warn({ path, error: String(error) }, `${what}: not saved`);
      }
    },
  };
}
