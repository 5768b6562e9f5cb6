// The last rung: the compiler itself lists what it reads (-M), and what the list leaves out is added.
// Costs a run of the preprocessor; the faster rungs take its place where they understand everything.

import { dirname } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { Semaphore } from '../base/semaphore.ts';
import { dependencyCommand } from '../compiler/dependency-command.ts';
import { depfilePrerequisites } from '../compiler/depfile.ts';
import type { Processes } from '../model/processes.ts';
import { ClosureBuilder, closureUnchanged } from './closure-builder.ts';
import type { StatFileDigests } from './file-digests.ts';
import type { Closure, ClosureScanner, ScanFailure, ScanUnit } from './scanner.ts';
import type { CompilerFactsCache } from './compiler-facts.ts';
import type { SearchPaths } from './search-paths.ts';
import { inside } from './system-trees.ts';

export interface CompilerRungOptions {
  readonly processes: Processes;
  readonly digests: StatFileDigests;
  readonly facts: CompilerFactsCache;
  /** how many preprocessors may run at once */
  readonly permits: Semaphore;
}

const scanTimeoutMs = 300_000;
const listLimitBytes = 64 << 20;

export class CompilerRung implements ClosureScanner {
  readonly #options: CompilerRungOptions;

  constructor(options: CompilerRungOptions) {
    this.#options = options;
  }

  async scan(unit: ScanUnit, signal?: AbortSignal): Promise<Result<Closure, ScanFailure>> {
    const [facts, listed] = await Promise.all([this.#options.facts.of(unit, signal), this.#list(unit, signal)]);
    if (!facts.ok) return facts;
    if (!listed.ok) return listed;
    const { search } = facts.value;
    const { compile } = unit;
    const { digests } = this.#options;
    const builder = new ClosureBuilder(unit, search, digests, digests.stats);
    const source = builder.addSource(compile.source);
    if (!source.ok) return source;
    const macros = builder.addMacros(compile.source);
    if (!macros.ok) return macros;
    for (const candidate of compile.precompiledCandidates) {
      if (builder.existsAgainstHope(candidate)) return precompiled(candidate);
    }
    if (compile.family.kind === 'gcc') {
      for (const candidate of precompiledShadows(unit, search, listed.value)) {
        if (builder.existsAgainstHope(candidate)) return precompiled(candidate);
      }
    }
    for (const name of listed.value) {
      const added = builder.addSource(name);
      if (!added.ok) return added;
      const header = builder.absolute(name);
      const system = search.coarse.some((directory) => inside(header, directory));
      if (!system && digests.stats.stat(`${header}.gch`, unit.arrivedMs) !== undefined)
        return precompiled(`${name}.gch`);
    }
    for (const { path } of compile.search.forcedIncludes) {
      const added = builder.addForcedInclude(path);
      if (!added.ok) return added;
    }
    for (const path of compile.extraInputs) {
      const added = builder.addFile(path);
      if (!added.ok) return added;
    }
    return ok(builder.finish('compiler', listed.value));
  }

  /** There is no lower rung. */
  distrust(): void {}

  unchanged(closure: Closure, notBeforeMs = performance.now()): Promise<boolean> {
    const { digests } = this.#options;
    return Promise.resolve(closureUnchanged(closure, digests, digests.stats, notBeforeMs));
  }

  async #list(unit: ScanUnit, signal: AbortSignal | undefined): Promise<Result<readonly string[], ScanFailure>> {
    const permit = await this.#options.permits.acquire(signal);
    if (permit === undefined) return err({ reason: 'cancelled', message: 'cancelled before -M could run' });
    try {
      const ran = await this.#options.processes.run(
        {
          argv: [unit.invokedAs, ...dependencyCommand(unit.compile)],
          executable: unit.compiler,
          env: unit.env,
          cwd: unit.cwd,
          outputLimitBytes: listLimitBytes,
          timeoutMs: scanTimeoutMs,
        },
        signal === undefined ? {} : { signal },
      );
      if (!ran.ok) {
        const reason = ran.error.reason === 'cancelled' ? 'cancelled' : 'scan-failed';
        return err({ reason, message: ran.error.message });
      }
      const { status, stdout, stderr, truncated, timedOut } = ran.value;
      if (status.kind !== 'exited' || status.code !== 0 || truncated || timedOut) {
        const said = Buffer.from(stderr).toString('utf8').trim().split('\n', 3).join('; ');
        return err({ reason: 'scan-failed', message: `the compiler's -M failed: ${said.slice(0, 500)}` });
      }
      return ok(depfilePrerequisites(Buffer.from(stdout).toString('utf8')));
    } finally {
      permit.release();
    }
  }
}

/**
 * gcc takes `dir/h.h.gch` in an earlier directory than that of h.h, but only for the first file that is included.
 * @param listed the source, then what it includes in order of opening
 */
export function precompiledShadows(unit: ScanUnit, search: SearchPaths, listed: readonly string[]): string[] {
  const absolute = (name: string) => (name.startsWith('/') ? name : `${unit.cwd}/${name}`);
  const first = listed.find((name) => name !== unit.compile.source && !name.endsWith('/stdc-predef.h'));
  if (first === undefined) return [];
  const directories = [dirname(absolute(unit.compile.source)), unit.cwd, ...search.quote, ...search.angle];
  const found = absolute(first);
  const names = directories
    .filter((directory) => found.startsWith(`${directory}/`))
    .map((directory) => found.slice(directory.length));
  return [...new Set(names.flatMap((name) => directories.map((directory) => `${directory}${name}.gch`)))];
}

function precompiled(path: string): Result<never, ScanFailure> {
  return err({ reason: 'precompiled-header', message: `${path} exists` });
}
