// A watch whose events the test makes.

import type { DirectoryEvents, DirectoryListener, EntryEvent } from '../../src/scan/path-watch.ts';

export class FakeDirectoryEvents implements DirectoryEvents {
  provenMs = -Infinity;
  readonly watched: string[] = [];
  /** directories that cannot be watched */
  readonly refused = new Set<string>();
  readonly mountPoints = new Set<string>();
  #listener: DirectoryListener = () => {};

  add(path: string): boolean {
    if (this.refused.has(path)) return false;
    this.watched.push(path);
    return true;
  }

  remove(path: string): void {
    const at = this.watched.lastIndexOf(path);
    if (at >= 0) this.watched.splice(at, 1);
  }

  /** There are no other events up to now. */
  caughtUp(): Promise<void> {
    this.provenMs = performance.now();
    return Promise.resolve();
  }

  isMountPoint(path: string): boolean {
    return this.mountPoints.has(path);
  }

  listen(listener: DirectoryListener): void {
    this.#listener = listener;
  }

  /** @param directory undefined: events may have been lost */
  tell(directory: string | undefined, entry = '', event: EntryEvent = 'place'): void {
    this.#listener(directory, entry, event);
  }
}
