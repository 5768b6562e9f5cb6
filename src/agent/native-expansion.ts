// Turns a compile that means "the machine I run on" into one that means this machine, wherever it runs.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeCandidates, sameCommands, showCommands } from '../compiler/native-flags.ts';
import type { ParsedCompile } from '../compiler/parsed-compile.ts';
import type { Processes } from '../model/processes.ts';

export interface NativeJob {
  readonly compile: ParsedCompile;
  readonly compiler: { readonly path: string };
  readonly invokedAs: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ExpandedCompile {
  readonly compile: ParsedCompile;
  /** absolute paths of files that the command now needs */
  readonly files: readonly string[];
}

export class NativeExpansion {
  readonly #processes: Processes;
  readonly #folder: string;

  /** @param folder absolute path where specs files are kept; made when missing */
  constructor(processes: Processes, folder: string) {
    this.#processes = processes;
    this.#folder = folder;
  }

  /** The compile itself when it names no native machine; undefined when nothing says the same elsewhere. */
  async expand(job: NativeJob): Promise<ExpandedCompile | undefined> {
    const { compile } = job;
    if (compile.nativeFlags.length === 0) return { compile, files: [] };
    const shown = await this.#show(job, compile.argv);
    if (shown === undefined) return undefined;
    const name = createHash('sha256')
      .update(`${job.compiler.path}\0${compile.argv.join('\0')}`)
      .digest('hex');
    const specsPath = join(this.#folder, `native-${name.slice(0, 16)}.specs`);
    for (const candidate of nativeCandidates(compile, shown, specsPath)) {
      if (candidate.specs !== undefined) this.#write(candidate.specs.path, candidate.specs.content);
      const same = await this.#show(job, candidate.argv);
      if (same === undefined || !sameCommands(shown, same, compile.family.kind)) continue;
      return {
        compile: { ...compile, argv: candidate.argv, writtenArgv: candidate.argv, responseFiles: [] },
        files: candidate.specs === undefined ? [] : [candidate.specs.path],
      };
    }
    return undefined;
  }

  async #show(job: NativeJob, argv: readonly string[]): Promise<string | undefined> {
    const ran = await this.#processes.run({
      argv: [job.invokedAs, ...showCommands(argv)],
      executable: job.compiler.path,
      env: { ...job.env, LC_ALL: 'C' },
      cwd: job.cwd,
      outputLimitBytes: 1 << 20,
      timeoutMs: 10_000,
    });
    if (!ran.ok || ran.value.status.kind !== 'exited' || ran.value.status.code !== 0) return undefined;
    return Buffer.from(ran.value.stderr).toString('utf8');
  }

  #write(path: string, content: string): void {
    // Left alone when it is right: a file that is always new is hashed again by every compile.
    if (existsSync(path) && readFileSync(path, 'utf8') === content) return;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  }
}
