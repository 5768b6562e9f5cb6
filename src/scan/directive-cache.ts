// Directive records by content digest and dialect: lexed once, kept in memory and on disk across restarts of the agent.
// Two files take turns, so that the disk never holds more than twice the limit. Unaware of who evaluates the records.

import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { lexDirectives } from './directive-lexer.ts';
import { dialectKey, type Dialect, type Directive, type DirectiveKind, type SourceDirectives } from './directives.ts';

export interface DirectiveCacheOptions {
  /** made when missing; undefined keeps everything in memory */
  readonly folder?: string | undefined;
  /** size at which a file of records is full, bytes */
  readonly limitBytes?: number;
  /** records in memory */
  readonly memoryLimit?: number;
}

const magic = 'icets directives 3\n';
/** key (digest and dialect), payload length, first bytes of the payload's SHA-256 */
const headBytes = 40 + 4 + 8;
const flushAtBytes = 1 << 20;

interface Stored {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly length: number;
}

export class DirectiveCache {
  readonly #options: Required<Pick<DirectiveCacheOptions, 'limitBytes' | 'memoryLimit'>> & DirectiveCacheOptions;
  readonly #memory = new Map<string, SourceDirectives>();
  readonly #stored = new Map<string, Stored>();
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #currentBytes = 0;
  #lexed = 0;

  constructor(options: DirectiveCacheOptions = {}) {
    this.#options = { limitBytes: 64 << 20, memoryLimit: 60_000, ...options };
    if (options.folder === undefined) return;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.#load(join(options.folder, 'directives.old'));
    this.#currentBytes = this.#load(join(options.folder, 'directives'));
  }

  /** How many files were lexed, for counters. */
  get lexed(): number {
    return this.#lexed;
  }

  get size(): number {
    return this.#memory.size;
  }

  /**
   * @param hash of the content, hexadecimal
   * @param read gives the content, which must have that hash
   */
  of(hash: string, dialect: Dialect, read: () => Buffer): SourceDirectives {
    const key = hash + dialectKey(dialect);
    const known = this.#memory.get(key);
    if (known !== undefined) return known;
    const stored = this.#stored.get(key);
    let directives = stored === undefined ? undefined : decoded(stored);
    if (directives === undefined) {
      directives = lexDirectives(read().toString('latin1'), dialect);
      this.#lexed += 1;
      this.#append(key, directives);
    }
    if (this.#memory.size >= this.#options.memoryLimit) this.#memory.clear();
    this.#memory.set(key, directives);
    return directives;
  }

  /** Writes what is new. Failing to is no failure: the files are lexed again next time. */
  flush(): void {
    const { folder, limitBytes } = this.#options;
    if (folder === undefined || this.#pending.length === 0) return;
    const path = join(folder, 'directives');
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    try {
      if (this.#currentBytes > limitBytes) {
        renameSync(path, join(folder, 'directives.old'));
        this.#currentBytes = 0;
      }
      const started = this.#currentBytes > 0 && statSync(path, { throwIfNoEntry: false }) !== undefined;
      const descriptor = openSync(path, started ? 'a' : 'w', 0o600);
      try {
        const bytes = Buffer.concat(started ? pending : [Buffer.from(magic, 'latin1'), ...pending]);
        writeSync(descriptor, bytes);
        this.#currentBytes += bytes.length;
      } finally {
        closeSync(descriptor);
      }
    } catch {
      rmSync(path, { force: true });
      this.#currentBytes = 0;
    }
  }

  #append(key: string, directives: SourceDirectives): void {
    if (this.#options.folder === undefined) return;
    const payload = encoded(directives);
    const head = Buffer.alloc(headBytes);
    Buffer.from(key.slice(0, 64), 'hex').copy(head, 0);
    head.write(key.slice(64), 32, 8, 'latin1');
    head.writeUInt32LE(payload.length, 40);
    createHash('sha256').update(payload).digest().copy(head, 44, 0, 8);
    this.#pending.push(head, payload);
    this.#pendingBytes += head.length + payload.length;
    if (this.#pendingBytes > flushAtBytes) this.flush();
  }

  /** @returns the size of what is usable; a torn end is left out */
  #load(path: string): number {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch {
      return 0;
    }
    if (bytes.toString('latin1', 0, magic.length) !== magic) return 0;
    let at = magic.length;
    while (at + headBytes <= bytes.length) {
      const length = bytes.readUInt32LE(at + 40);
      const end = at + headBytes + length;
      if (end > bytes.length) return 0; // written again from the start: a record after a torn one could not be found
      const dialect = bytes.toString('latin1', at + 32, at + 40).replace(/\0+$/, '');
      this.#stored.set(bytes.toString('hex', at, at + 32) + dialect, { bytes, offset: at, length });
      at = end;
    }
    return at === bytes.length ? at : 0;
  }
}

const kinds: readonly DirectiveKind[] = [
  'include',
  'include_next',
  'import',
  'embed',
  'define',
  'undef',
  'if',
  'ifdef',
  'ifndef',
  'elif',
  'elifdef',
  'elifndef',
  'else',
  'endif',
  'once',
  'push-macro',
  'pop-macro',
  'uncertain',
  'system-header',
  'error',
  'line',
  'unclear',
];

/** [why malformed or 0, once, kinds as letters, lines, next, end, operands] */
type Packed = [string | 0, boolean, string, number[], number[], number[], string[]];

function encoded(directives: SourceDirectives): Buffer {
  const { list } = directives;
  const packed: Packed = [
    directives.malformed ?? 0,
    directives.once,
    list.map(({ kind }) => String.fromCharCode(97 + kinds.indexOf(kind))).join(''),
    list.map(({ line }) => line),
    list.map(({ next }) => next),
    list.map(({ end }) => end),
    list.map(({ operand }) => operand),
  ];
  return Buffer.from(JSON.stringify(packed), 'utf8');
}

function decoded(stored: Stored): SourceDirectives | undefined {
  const { bytes, offset, length } = stored;
  const payload = bytes.subarray(offset + headBytes, offset + headBytes + length);
  const sum = createHash('sha256').update(payload).digest();
  if (sum.compare(bytes, offset + 44, offset + 52, 0, 8) !== 0) return undefined;
  try {
    const [malformed, once, letters, lines, next, end, operands] = JSON.parse(payload.toString('utf8')) as Packed;
    const list: Directive[] = operands.map((operand, at) => ({
      kind: kinds[letters.charCodeAt(at) - 97] ?? 'unclear',
      operand,
      line: lines[at] ?? 0,
      next: next[at] ?? -1,
      end: end[at] ?? -1,
    }));
    return { list, malformed: malformed === 0 ? undefined : malformed, once };
  } catch {
    return undefined;
  }
}
