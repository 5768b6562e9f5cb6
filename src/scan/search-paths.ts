// Where a compiler looks for headers under the flags of a compile, asked of the compiler once and kept while the
// directories it named (and those it missed) are what they were.

import { realpathSync } from 'node:fs';
import { err, ok, type Result } from '../base/result.ts';
import type { Semaphore } from '../base/semaphore.ts';
import { argumentsWithout, outputMeanings } from '../compiler/derived-arguments.ts';
import { parseSearchList, searchQueryCommand, type SearchList } from '../compiler/search-query.ts';
import type { FileStat } from '../model/inputs.ts';
import type { Processes } from '../model/processes.ts';
import { isDirectory, type PathStats } from './path-stats.ts';
import type { ScanFailure, ScanUnit } from './scanner.ts';

export interface SearchPaths {
  /** absolute, as the compiler goes through them: for `"..."` after the includer's own directory, then `angle` */
  readonly quote: readonly string[];
  readonly angle: readonly string[];
  /** existing directories that were named twice */
  readonly duplicates: readonly string[];
  /** asked for but not there */
  readonly nonexistent: readonly string[];
  /** physical paths of the compiler's own directories, those of the command line and the environment left out */
  readonly coarse: readonly string[];
}

interface Remembered {
  readonly paths: SearchPaths;
  readonly stats: ReadonlyMap<string, FileStat | undefined>;
}

/** Variables that the compiler reads search directories from. */
const searchVariables = ['CPATH', 'C_INCLUDE_PATH', 'CPLUS_INCLUDE_PATH', 'OBJC_INCLUDE_PATH', 'OBJCPLUS_INCLUDE_PATH'];
const limit = 4096;

export class SearchPathCache {
  readonly #known = new Map<string, Remembered>();
  readonly #asking = new Map<string, Promise<Result<SearchPaths, ScanFailure>>>();

  constructor(
    readonly processes: Processes,
    readonly stats: PathStats,
    readonly permits: Semaphore,
  ) {}

  async of(unit: ScanUnit, signal?: AbortSignal): Promise<Result<SearchPaths, ScanFailure>> {
    const query = searchQueryCommand(unit.compile);
    const variables = searchVariables.map((name) => unit.env[name] ?? '\x01');
    const key = [unit.compilerIdentity, unit.compiler, unit.cwd, ...variables, ...query].join('\0');
    const known = this.#known.get(key);
    if (known !== undefined && this.#holds(known, unit.arrivedMs)) return ok(known.paths);
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#ask(unit, query, key).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    const answer = await asking;
    return signal?.aborted === true ? err({ reason: 'cancelled', message: 'cancelled' }) : answer;
  }

  #holds(known: Remembered, arrivedMs: number): boolean {
    for (const [path, before] of known.stats) {
      const now = this.stats.stat(path, arrivedMs);
      if (now?.ino !== before?.ino || now?.dev !== before?.dev || now?.mode !== before?.mode) return false;
    }
    return true;
  }

  async #ask(unit: ScanUnit, query: readonly string[], key: string): Promise<Result<SearchPaths, ScanFailure>> {
    const own = argumentsWithout(unit.compile, {
      meanings: [...outputMeanings.meanings, 'macro', 'forced-include', 'language', 'directory', 'prefixed-search'],
      notes: [...outputMeanings.notes, 'color', 'no-color'],
      source: true,
    });
    const [asked, defaults] = await Promise.all([
      this.#run(unit, query, unit.env),
      this.#run(
        unit,
        [...own, '-E', '-v', '-x', unit.compile.language, '/dev/null'],
        without(unit.env, searchVariables),
      ),
    ]);
    if (!asked.ok) return asked;
    if (!defaults.ok) return defaults;
    const absolute = (path: string) => (path.startsWith('/') ? path : `${unit.cwd}/${path}`);
    const paths: SearchPaths = {
      quote: asked.value.quote.map(absolute),
      angle: asked.value.angle.map(absolute),
      duplicates: asked.value.duplicates.map(absolute),
      nonexistent: asked.value.nonexistent.map(absolute),
      coarse: [...defaults.value.quote, ...defaults.value.angle].flatMap((path) => physical(absolute(path))),
    };
    const { quote, angle, duplicates, nonexistent } = paths;
    const stats = new Map<string, FileStat | undefined>();
    for (const path of [...quote, ...angle, ...duplicates, ...nonexistent]) stats.set(path, this.stats.stat(path));
    if (this.#known.size >= limit) this.#known.clear();
    this.#known.set(key, { paths, stats });
    return ok(paths);
  }

  async #run(
    unit: ScanUnit,
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<Result<SearchList & { readonly duplicates: readonly string[] }, ScanFailure>> {
    const permit = await this.permits.acquire();
    try {
      const ran = await this.processes.run({
        argv: [unit.invokedAs, ...argv],
        executable: unit.compiler,
        env: { ...env, LC_ALL: 'C' },
        cwd: unit.cwd,
        outputLimitBytes: 16 << 20,
        timeoutMs: 60_000,
      });
      if (!ran.ok) return failed(ran.error.message);
      const text = Buffer.from(ran.value.stderr).toString('utf8');
      const list = parseSearchList(text);
      if (list === undefined) return failed(`the compiler does not tell where it searches: ${text.slice(0, 300)}`);
      const duplicates = [...text.matchAll(/^ignoring duplicate directory "(.*)"$/gm)].map((match) => match[1] ?? '');
      return ok({ ...list, duplicates });
    } finally {
      permit?.release();
    }
  }
}

function without(env: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));
}

function physical(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}

function failed(message: string): Result<never, ScanFailure> {
  return err({ reason: 'scan-failed', message });
}

/** Those of `paths` that are directories now. */
export function existingDirectories(paths: Iterable<string>, stats: PathStats, notBeforeMs: number): string[] {
  const existing: string[] = [];
  for (const path of new Set(paths)) {
    const stat = stats.stat(path, notBeforeMs);
    if (stat !== undefined && isDirectory(stat)) existing.push(path);
  }
  return existing;
}
