// What was learned of compilers by running them, in one file across restarts of the agent. An entry holds for the files it
// was learned from: whoever takes one compares their stats. A file that cannot be read whole is as good as none.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Discovery } from './discover.ts';
import type { CompilerAnswers } from './identify.ts';
import type { LearnedProbe } from './probe.ts';
import type { WatchedFile } from './watched-files.ts';

export interface LearnedCompiler {
  readonly files: readonly WatchedFile[];
  readonly answers: CompilerAnswers;
}

export interface LearnedPackage {
  readonly files: readonly WatchedFile[];
  readonly surroundings: readonly WatchedFile[];
  readonly discovery: Discovery;
  readonly probe: LearnedProbe;
}

interface Content {
  compilers: [string, LearnedCompiler][];
  packages: [string, LearnedPackage][];
}

const entryLimit = 32;
const fileLimitBytes = 8 << 20;
const hashLength = 64;

export class LearnedFile {
  readonly #path: string;
  readonly #version: string;
  readonly #compilers: Map<string, LearnedCompiler>;
  readonly #packages: Map<string, LearnedPackage>;
  #saving: Promise<void> = Promise.resolve();
  #pending = false;

  /** @param version of the code that learned: entries of another one are forgotten */
  constructor(path: string, version: string) {
    this.#path = path;
    this.#version = version;
    const { compilers, packages } = this.#load() ?? { compilers: [], packages: [] };
    this.#compilers = new Map(compilers);
    this.#packages = new Map(packages);
  }

  compiler(key: string): LearnedCompiler | undefined {
    return this.#compilers.get(key);
  }

  package(key: string): LearnedPackage | undefined {
    return this.#packages.get(key);
  }

  putCompiler(key: string, learned: LearnedCompiler): void {
    put(this.#compilers, key, learned);
    this.#save();
  }

  putPackage(key: string, learned: LearnedPackage): void {
    put(this.#packages, key, learned);
    this.#save();
  }

  /** Resolves when everything put so far is in the file, or could not be written. */
  async saved(): Promise<void> {
    await this.#saving;
  }

  #save(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#saving = this.#saving.then(() => {
      this.#pending = false;
      return this.#write();
    });
  }

  async #write(): Promise<void> {
    const content: Content = { compilers: [...this.#compilers], packages: [...this.#packages] };
    const body = JSON.stringify(content);
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      await writeFile(temporary, `${this.#hash(body)}${body}`, { mode: 0o600 });
      await rename(temporary, this.#path);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }

  #load(): Content | undefined {
    try {
      if (statSync(this.#path).size > fileLimitBytes) return undefined;
      const text = readFileSync(this.#path, 'utf8');
      const body = text.slice(hashLength);
      return text.slice(0, hashLength) === this.#hash(body) ? (JSON.parse(body) as Content) : undefined;
    } catch {
      return undefined;
    }
  }

  #hash(body: string): string {
    return createHash('sha256').update(`${this.#version}\0`).update(body).digest('hex');
  }
}

function put<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= entryLimit) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
