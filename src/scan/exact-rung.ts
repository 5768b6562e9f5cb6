// The first rung: evaluates a unit's directives here, without running the preprocessor, over records of files that are
// kept by content. A unit of which nothing has changed costs the comparison of what it read and looked at.

import { realpathSync } from 'node:fs';
import { err, ok, type Result } from '../base/result.ts';
import { ClosureBuilder } from './closure-builder.ts';
import { commandFolders } from './command-folders.ts';
import type { CompilerFacts, CompilerFactsCache } from './compiler-facts.ts';
import type { DirectiveCache } from './directive-cache.ts';
import type { Dialect, SourceDirectives } from './directives.ts';
import { Unclear, type Evaluation, type UnclearReason, type UnitText } from './evaluation.ts';
import type { FileTable, FileVersion } from './file-table.ts';
import { groundsHold, type Grounds } from './grounds.ts';
import { fromBytes, IncludeSearch } from './include-search.ts';
import { Macro } from './macro.ts';
import { KnownUnits, type LookedUp, type Lookups } from './known-units.ts';
import { isDirectory } from './path-stats.ts';
import { precompiledForm } from './precompiled-forms.ts';
import { nameNumber } from './preprocessor-tokens.ts';
import { evaluateUnit } from './preprocessor.ts';
import type { Closure, ClosureScanner, ScanFailure, ScanUnit } from './scanner.ts';
import { unitDigest } from './unit-digest.ts';
import type { UnitStore } from './unit-store.ts';

export interface ExactRungOptions {
  readonly facts: CompilerFactsCache;
  readonly table: FileTable;
  readonly directives: DirectiveCache;
  /** keeps units across restarts; undefined: none are kept */
  readonly store?: UnitStore;
  /** how many units are remembered */
  readonly unitLimit?: number;
}

export interface NotUnderstood {
  readonly reason: UnclearReason;
  readonly detail: string;
}

export type ExactAttempt =
  | { readonly kind: 'closure'; readonly closure: Closure }
  | { readonly kind: 'unclear'; readonly why: NotUnderstood }
  | { readonly kind: 'failed'; readonly failure: ScanFailure };

type Evaluated = readonly [Evaluation, LookedUp['places']];

const noPlaces: LookedUp['places'] = new Map();
const sliceMs = 10;
const rounds = 6;
const macroLimit = 2_000_000;
const refusedOptions =
  /^-(?:traditional|traditional-cpp|remap|fms-extensions|fms-compatibility|I-|undef|iwithprefixbefore.*)$/;
/** directories below the sysroot have other names in the compiler's list than on the command line */
const belowSysroot = /^(?:=|\$SYSROOT)/;

/** clang in this mode looks for headers beside all files that are open, as Microsoft's compiler does */
const microsoft = nameNumber('_MSC_VER');

export class ExactRung implements ClosureScanner {
  readonly #options: ExactRungOptions;
  readonly #units = new Map<string, Closure>();
  readonly #grounds = new WeakMap<Closure, Grounds>();
  readonly #distrusted = new Set<string>();
  #seenVoided = 0;
  readonly #known: KnownUnits | undefined;
  readonly #searches = new WeakMap<CompilerFacts, IncludeSearch>();
  readonly #realPaths = new WeakMap<FileVersion, { readonly path: string | undefined }>();
  readonly #lexed = new WeakMap<FileVersion, { readonly dialect: Dialect; readonly directives: SourceDirectives }>();

  constructor(options: ExactRungOptions) {
    this.#options = options;
    this.#known = options.store === undefined ? undefined : new KnownUnits(options.store, options.table);
  }

  /** How many units were known from before a restart, for counters. */
  get restored(): number {
    return this.#known?.restored ?? 0;
  }

  async scan(unit: ScanUnit, signal?: AbortSignal): Promise<Result<Closure, ScanFailure>> {
    const attempt = await this.attempt(unit, signal);
    switch (attempt.kind) {
      case 'closure':
        return ok(attempt.closure);
      case 'failed':
        return err(attempt.failure);
      case 'unclear':
        return err({ reason: 'scan-failed', message: `${attempt.why.reason}: ${attempt.why.detail}` });
    }
  }

  /** The closure, or why this rung does not give one. */
  async attempt(unit: ScanUnit, signal?: AbortSignal): Promise<ExactAttempt> {
    const key = unitKey(unit);
    if (this.#distrusted.has(key)) return unclear('unproven-before', 'a result did not agree with the exact closure');
    const refused = unit.compile.argv.find((argument) => refusedOptions.test(argument));
    if (refused !== undefined) return unclear('unsupported-option', refused);
    const renamed = unit.compile.search.directories.find(({ path }) => belowSysroot.test(path));
    if (renamed !== undefined) return unclear('unsupported-option', `-${renamed.option}${renamed.path}`);
    if (unit.compile.recordsCommandLine && unit.compile.dependency.kind === 'none') {
      return unclear('unsupported-option', 'the object records the command line, so that nothing can prove the list');
    }
    await this.#options.table.caughtUp(unit.arrivedMs);
    let stored = this.#units.has(key) ? undefined : this.#known?.take(unit);
    let questions = (stored && this.#known?.questions(unit, stored)) ?? [];
    for (let round = 0; round < rounds; round += 1) {
      const facts = await this.#options.facts.of(unit, signal, questions);
      if (!facts.ok) return { kind: 'failed', failure: facts.error };
      if (this.#options.facts.voided !== this.#seenVoided) {
        this.#seenVoided = this.#options.facts.voided;
        this.#options.table.voidProofs();
      }
      if (facts.value.macros[microsoft] !== undefined)
        return unclear('unsupported-option', 'clang is another compiler');
      if (round === 0) {
        const known = this.#units.get(key);
        if (known !== undefined && this.#stands(known, facts.value, unit.arrivedMs)) {
          this.#units.delete(key);
          this.#units.set(key, known);
          return { kind: 'closure', closure: known };
        }
      }
      const restored = stored && this.#known?.restore(stored, unit, facts.value, this.#lookups(unit));
      if (restored !== undefined) return this.#conclude(unit, key, facts.value, restored, true);
      stored = undefined;
      const evaluated = await this.#evaluate(unit, facts.value, signal);
      if (evaluated instanceof Unclear) {
        if (evaluated.reason === 'changing-inputs') continue;
        return unclear(evaluated.reason, evaluated.message);
      }
      if (evaluated === 'cancelled') return { kind: 'failed', failure: { reason: 'cancelled', message: 'cancelled' } };
      const [evaluation, places] = evaluated;
      if (evaluation.questions.length > 0) {
        questions = evaluation.questions;
        continue;
      }
      const attempt = this.#conclude(unit, key, facts.value, evaluation, false);
      if (attempt.kind === 'closure') {
        const realPath = (version: FileVersion) => this.#realPaths.get(version);
        this.#known?.put(unit, facts.value, evaluation, { places, realPath });
      }
      return attempt;
    }
    return unclear('changing-inputs', 'inputs or answers keep changing');
  }

  distrust(closure: Closure): void {
    const grounds = this.#grounds.get(closure);
    if (grounds === undefined) return;
    const { key, digest } = grounds;
    if (this.#distrusted.size > 10_000) this.#distrusted.clear();
    this.#distrusted.add(key);
    this.#units.delete(key);
    this.#options.store?.forget(digest);
  }

  async unchanged(closure: Closure, notBeforeMs = performance.now()): Promise<boolean> {
    const grounds = this.#grounds.get(closure);
    if (grounds === undefined) return false;
    await this.#options.table.caughtUp(notBeforeMs);
    return this.#options.facts.hold(grounds.facts, notBeforeMs) && this.#same(grounds, notBeforeMs);
  }

  #stands(closure: Closure, facts: CompilerFacts, notBeforeMs: number): boolean {
    const grounds = this.#grounds.get(closure);
    return grounds?.facts.core === facts.core && this.#same(grounds, notBeforeMs);
  }

  #same(grounds: Grounds, notBeforeMs: number): boolean {
    return groundsHold(grounds, this.#options.table, notBeforeMs);
  }

  async #evaluate(
    unit: ScanUnit,
    facts: CompilerFacts,
    signal: AbortSignal | undefined,
  ): Promise<Evaluated | Unclear | 'cancelled'> {
    const { compile } = unit;
    const { imacros, include } = forcedIncludes(unit);
    const slice = { endMs: performance.now() + sliceMs };
    const clang = compile.family.kind === 'clang';
    const folderNames = clang ? commandFolders(unit, facts, this.#lookups(unit).identityOf) : undefined;
    const text: UnitText = {
      family: compile.family.kind,
      source: compile.source,
      macros: compile.macros,
      forcedIncludes: [...imacros, ...include],
      facts,
      search: this.#searchOf(unit, facts),
      directivesOf: (version) => this.#directivesOf(version, facts.dialect),
      notBeforeMs: unit.arrivedMs,
      folderNames,
      slice,
      fileNamesKnown: !compile.argv.some((argument) => /^-f(?:macro|file)-prefix-map=/.test(argument)),
    };
    try {
      const running = evaluateUnit(text);
      for (;;) {
        const step = running.next();
        if (step.done === true) {
          // while this one paused, others may have found that a file has changed
          const whole = step.value.files.every((version) => version.file.current === version);
          if (!whole) return new Unclear('changing-inputs', compile.source);
          return [step.value, folderNames?.identities ?? noPlaces];
        }
        await new Promise((resolve) => setImmediate(resolve));
        if (signal?.aborted === true) return 'cancelled';
        slice.endMs = performance.now() + sliceMs;
      }
    } catch (error) {
      if (error instanceof Unclear) return error;
      throw error;
    }
  }

  #lookups({ cwd, arrivedMs }: ScanUnit): Lookups {
    const { stats } = this.#options.table.digests;
    const identityOf = (spelling: string) => {
      const path = fromBytes(spelling);
      const stat = stats.stat(path.startsWith('/') ? path : `${cwd}/${path}`, arrivedMs);
      return stat !== undefined && isDirectory(stat) ? `${stat.dev}:${stat.ino}` : undefined;
    };
    return { identityOf, realPath: (version) => this.#realPath(version) };
  }

  #directivesOf(version: FileVersion, dialect: Dialect): SourceDirectives {
    const known = this.#lexed.get(version);
    if (known?.dialect === dialect) return known.directives;
    const { table, directives } = this.#options;
    const { digest } = version.record;
    const found = directives.of(digest.hash, dialect, () => {
      const bytes = table.digests.readNow(version.path, digest);
      if (!bytes.ok) throw new Unclear('changing-inputs', version.path);
      return bytes.value;
    });
    this.#lexed.set(version, { dialect, directives: found });
    return found;
  }

  #searchOf(unit: ScanUnit, facts: CompilerFacts): IncludeSearch {
    let search = this.#searches.get(facts);
    if (search === undefined) {
      const { compile } = unit;
      const { table } = this.#options;
      const { directories } = compile.search;
      const own = (option: string) => option === 'I' || option === 'iquote';
      const system = new Set(directories.filter(({ option }) => !own(option)).map(({ path }) => path));
      const project = directories.filter(({ option, path }) => option === 'I' && !system.has(path));
      search = new IncludeSearch(table, {
        family: compile.family.kind,
        search: facts.search,
        cwd: unit.cwd,
        projectFolders: new Set([
          ...project.map(({ path }) => path),
          ...(unit.env['CPATH'] ?? '').split(':').map((path) => (path === '' ? '.' : path)),
        ]),
        canonicalSystemHeaders:
          compile.family.kind === 'gcc' && !compile.argv.includes('-fno-canonical-system-headers'),
        realPath: (version) => this.#realPath(version),
      });
      this.#searches.set(facts, search);
    }
    return search;
  }

  /** As long as the file is the same one: a link on the way that leads elsewhere leads to another file. */
  #realPath(version: FileVersion): string | undefined {
    let known = this.#realPaths.get(version);
    if (known === undefined) {
      try {
        known = { path: realpathSync.native(version.path) };
      } catch {
        known = { path: undefined };
      }
      this.#realPaths.set(version, known);
    }
    return known.path;
  }

  /** @param isRestored its trail has everything already that is looked for beside it */
  #conclude(
    unit: ScanUnit,
    key: string,
    facts: CompilerFacts,
    evaluation: Evaluation,
    isRestored: boolean,
  ): ExactAttempt {
    const { compile } = unit;
    const { table } = this.#options;
    const { digests } = table;
    const builder = new ClosureBuilder(unit, facts.search, digests, digests.stats);
    const failed = (failure: ScanFailure): ExactAttempt => ({ kind: 'failed', failure });
    const dependencies = [...new Set(evaluation.dependencies.map((name) => fromBytes(withoutDot(name))))];
    const macros = builder.addMacros(compile.source, true);
    if (!macros.ok) return failed(macros.error);
    for (const candidate of compile.precompiledCandidates) {
      if (builder.existsAgainstHope(candidate)) return failed(precompiled(candidate));
    }
    const shadow = isRestored ? undefined : precompiledForm(table, unit, facts, evaluation, dependencies);
    if (shadow !== undefined) return failed(precompiled(shadow));
    for (const version of orderedBySource(evaluation.files, builder.absolute(compile.source))) {
      const added = builder.addEvaluated(version);
      if (!added.ok) return failed(added.error);
    }
    for (const path of compile.extraInputs) {
      const added = builder.addFile(path);
      if (!added.ok) return failed(added.error);
    }
    const own = builder.finish('exact', dependencies);
    const evaluated = new Set<unknown>(evaluation.files);
    const rest: Closure = { ...own, files: own.files.filter((file) => !evaluated.has(file)) };
    const closure: Closure = { ...own, probes: [...own.probes, ...evaluation.probes] };
    this.#grounds.set(closure, {
      key,
      digest: unitDigest(unit),
      facts,
      versions: evaluation.files,
      folders: [...evaluation.trail.folders],
      absent: [...evaluation.trail.absent],
      rest,
      shown: undefined,
    });
    this.#remember(key, closure);
    return { kind: 'closure', closure };
  }

  #remember(key: string, closure: Closure): void {
    this.#units.delete(key);
    this.#units.set(key, closure);
    if (this.#units.size > (this.#options.unitLimit ?? 3000)) {
      const [oldest] = this.#units.keys();
      if (oldest !== undefined) this.#units.delete(oldest);
      if (Macro.count > macroLimit) Macro.forget();
    }
    this.#options.table.trim();
  }
}

function unitKey(unit: ScanUnit): string {
  return [unit.compilerIdentity, unit.invokedAs, unit.cwd, ...unit.compile.argv].join('\0');
}

function forcedIncludes(unit: ScanUnit): { imacros: string[]; include: string[] } {
  const { forcedIncludes: all } = unit.compile.search;
  const of = (option: string) => all.filter((each) => each.option === option).map(({ path }) => path);
  return { imacros: of('imacros'), include: of('include') };
}

/** The source first, as the port asks. */
function orderedBySource(files: readonly FileVersion[], source: string): FileVersion[] {
  const first = files.filter(({ path }) => path === source);
  return [...first, ...files.filter(({ path }) => path !== source)];
}

/** As compilers name a file in a dependency list: without `./` at the start. */
function withoutDot(name: string): string {
  let at = 0;
  while (name.startsWith('./', at) && name.length > at + 2) {
    at += 2;
    while (name[at] === '/') at += 1;
  }
  return name.slice(at);
}

function unclear(reason: UnclearReason, detail: string): ExactAttempt {
  return { kind: 'unclear', why: { reason, detail } };
}

function precompiled(path: string): ScanFailure {
  return { reason: 'precompiled-header', message: `${path} exists` };
}
