// The mount table of this process, read again for little: which mount points have come, gone or been replaced.
// Unaware of who asks.

import { closeSync, openSync, readSync } from 'node:fs';

export class MountPoints {
  #fd: number | undefined;
  #buffer = Buffer.allocUnsafe(64 << 10);
  #text = '';
  #points = new Set<string>();
  #places: ReadonlySet<string> | undefined;

  constructor() {
    try {
      this.#fd = openSync('/proc/self/mountinfo', 'r');
    } catch {
      this.#fd = undefined;
    }
    this.changed();
  }

  /** Absolute paths of mount points that changed since the last call; undefined when the table cannot be read. */
  changed(): readonly string[] | undefined {
    const text = this.#read();
    if (text === undefined) return undefined;
    if (text === this.#text) return [];
    const now = new Set<string>();
    for (const line of text.split('\n')) {
      const [id, parent, device, , point] = line.split(' ');
      if (point !== undefined) now.add(`${id} ${parent} ${device} ${point}`);
    }
    const before = this.#points;
    this.#text = text;
    this.#points = now;
    this.#places = undefined;
    const different = [...[...now].filter((key) => !before.has(key)), ...[...before].filter((key) => !now.has(key))];
    return [...new Set(different.map(pathOf))];
  }

  /** Whether an absolute path was a mount point at the last call of `changed`. */
  has(path: string): boolean {
    this.#places ??= new Set([...this.#points].map(pathOf));
    return this.#places.has(path);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #read(): string | undefined {
    if (this.#fd === undefined) return undefined;
    try {
      let length = 0;
      for (;;) {
        const read = readSync(this.#fd, this.#buffer, length, this.#buffer.length - length, length);
        if (read === 0) return this.#buffer.toString('latin1', 0, length);
        length += read;
        if (length === this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer, this.#buffer]);
      }
    } catch {
      return undefined;
    }
  }
}

function pathOf(key: string): string {
  return unescaped(key.slice(key.lastIndexOf(' ') + 1));
}

/** Blanks are written in octal; other bytes are those of the name. */
function unescaped(point: string): string {
  const bytes = point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
