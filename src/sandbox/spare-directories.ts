// Empty directories that roots no longer need and others soon will: on ext4 a rename takes a hundredth of the time of an
// rmdir (milliseconds on a busy disk) and a tenth of that of a mkdir. Unaware of what directories are for.

import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';

const most = 256;

export class SpareDirectories {
  readonly #paths: string[] = [];
  #made = 0;

  /** @param directory where they are kept, made when needed; on the file system of those that come and go */
  constructor(readonly directory: string) {}

  /** Makes an empty directory at `path`. Throws what the file system throws. */
  take(path: string): void {
    const spare = this.#paths.pop();
    if (spare === undefined) mkdirSync(path);
    else renameSync(spare, path);
  }

  /** Removes the directory at `path`, and whatever should still be in it. Throws what the file system throws. */
  give(path: string): void {
    if (this.#paths.length >= most || readdirSync(path).length > 0) {
      rmSync(path, { recursive: true });
      return;
    }
    if (this.#made === 0) mkdirSync(this.directory, { recursive: true });
    const spare = `${this.directory}/${(this.#made += 1)}`;
    renameSync(path, spare);
    this.#paths.push(spare);
  }
}
