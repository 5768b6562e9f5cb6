// What the header of an ELF file says: the machine it is for and the loader that starts it. Unaware of its sections.

import { closeSync, openSync, readSync } from 'node:fs';

export interface ElfHeader {
  /** as `uname -m`; `elf-<number>` for a machine without a name here */
  readonly arch: string;
  /** path of the loader; undefined for a static program or a library */
  readonly interpreter: string | undefined;
}

const machines: Readonly<Record<number, string>> = {
  3: 'i686',
  8: 'mips',
  21: 'ppc64le',
  22: 's390x',
  40: 'armv7l',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
  258: 'loongarch64',
};
const interpreterSegment = 3;

/** undefined when the file cannot be read or is no ELF file. */
export function readElfHeader(path: string): ElfHeader | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const head = Buffer.alloc(4096);
    const got = readSync(descriptor, head, 0, head.length, 0);
    if (got < 64 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
    const wide = head[4] === 2;
    const little = head[5] === 1;
    const half = (at: number) => (little ? head.readUInt16LE(at) : head.readUInt16BE(at));
    const word = (at: number) => (little ? head.readUInt32LE(at) : head.readUInt32BE(at));
    const long = (at: number) => Number(little ? head.readBigUInt64LE(at) : head.readBigUInt64BE(at));
    const machine = half(18);
    const arch = machines[machine] ?? `elf-${machine}`;
    const table = wide ? long(32) : word(28);
    const entryBytes = half(wide ? 54 : 42);
    const count = half(wide ? 56 : 44);
    for (let entry = table; entry < table + count * entryBytes; entry += entryBytes) {
      if (entry + entryBytes > got) break;
      if (word(entry) !== interpreterSegment) continue;
      const offset = wide ? long(entry + 8) : word(entry + 4);
      const sizeBytes = wide ? long(entry + 32) : word(entry + 16);
      if (sizeBytes < 2 || sizeBytes > 4096) return undefined;
      const text = Buffer.alloc(sizeBytes);
      readSync(descriptor, text, 0, sizeBytes, offset);
      return { arch, interpreter: text.toString('utf8').replace(/\0.*$/s, '') };
    }
    return { arch, interpreter: undefined };
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** The first two bytes are `#!`. */
export function isScript(path: string): boolean {
  try {
    const descriptor = openSync(path, 'r');
    try {
      const head = Buffer.alloc(2);
      return readSync(descriptor, head, 0, 2, 0) === 2 && head.toString('latin1') === '#!';
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return false;
  }
}
