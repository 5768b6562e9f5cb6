// Remembers the temporary files that results are written to, so that those of an agent that was killed are removed by
// the next one. It knows nothing of compiles.

import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';

const namePattern = /^\.icets-[0-9]+-[0-9a-f]+-[0-9]+\.tmp$/;
const truncateBytes = 256 * 1024;

/** One agent's journal: a line per temporary file, written before the file is made. */
export class WriteJournal {
  readonly #fd: number;
  readonly #path: string;
  readonly #session: string;
  #serial = 0;
  #bytes = 0;
  readonly #open = new Set<string>();

  /**
   * Opens a journal in `folder` and cleans up after agents that are gone.
   * @param isAlive tells whether the process that made `journal-PID-TICKS` still runs
   */
  constructor(
    folder: string,
    owner: { readonly pid: number; readonly startTicks: string },
    isAlive: (pid: number, startTicks: string) => boolean,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    cleanUp(folder, isAlive);
    this.#session = Date.now().toString(16);
    this.#path = join(folder, `journal-${owner.pid}-${owner.startTicks}`);
    this.#fd = openSync(this.#path, 'w', 0o600);
  }

  /** Names a temporary file in `folder` that nobody else uses, and remembers it. */
  reserve(folder: string): string {
    const path = join(folder, `.icets-${process.pid}-${this.#session}-${this.#serial++}.tmp`);
    const line = `${JSON.stringify(path)}\n`;
    writeSync(this.#fd, line);
    this.#bytes += line.length;
    this.#open.add(path);
    return path;
  }

  /** The file was renamed or removed. */
  settle(path: string): void {
    this.#open.delete(path);
    if (this.#open.size === 0 && this.#bytes > truncateBytes) {
      ftruncateSync(this.#fd, 0);
      this.#bytes = 0;
    }
  }

  close(): void {
    closeSync(this.#fd);
    if (this.#open.size === 0) rmSync(this.#path, { force: true });
  }
}

function cleanUp(folder: string, isAlive: (pid: number, startTicks: string) => boolean): void {
  for (const name of readdirSync(folder)) {
    const match = /^journal-([0-9]+)-([0-9]+)$/.exec(name);
    if (match === null || isAlive(Number(match[1]), match[2]!)) continue;
    for (const path of readJournal(join(folder, name))) rmSync(path, { force: true });
    rmSync(join(folder, name), { force: true });
  }
}

function readJournal(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        const value: unknown = JSON.parse(line);
        // Only names that this file makes: a damaged journal must not remove anything else.
        return typeof value === 'string' && value.startsWith('/') && namePattern.test(basename(value)) ? [value] : [];
      } catch {
        return [];
      }
    });
}
