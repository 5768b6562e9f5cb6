// One compile on another machine, from its inputs to bytes that may be believed. It knows nothing of launchers and slots:
// whatever stands in the way is answered as a reason to run the command locally.

import { basename, dirname, join, resolve } from 'node:path';
import { absolutePath } from '../base/absolute-path.ts';
import { err, ok, type Result } from '../base/result.ts';
import { remoteCommand } from '../compiler/remote-command.ts';
import { type ActionResult, type Blob, type Timings, zeroTimings } from '../model/action.ts';
import { type Digest, digestKey } from '../model/digest.ts';
import type { FileDigests } from '../model/inputs.ts';
import type { ExecuteOutcome } from '../model/remote-executor.ts';
import type { StepPlace } from '../model/step.ts';
import { treeBlobs } from '../model/tree.ts';
import type { AssembledRoot, InputRoots } from '../scan/input-root.ts';
import { moveDirectory } from '../scan/moved-root.ts';
import { realOrSame } from '../scan/path-stats.ts';
import type { Closure, ClosureScanner } from '../scan/scanner.ts';
import { terminalFiles } from '../toolchain/terminal-files.ts';
import { timeZoneFiles } from '../toolchain/time-zone.ts';
import type { Toolchains } from '../toolchain/toolchains.ts';
import { BuildGraphs } from './build-graphs.ts';
import { CanonicalPlaces } from './canonical-places.ts';
import { compileAction } from './compile-action.ts';
import { addTimings, type CompileFacts, type Stopwatch, stopwatch } from './compile-facts.ts';
import type { Counters } from './counters.ts';
import { KnownResults } from './known-results.ts';
import { moveBack, namesTrueDirectory, type Stuck } from './moved-result.ts';
import type { NativeExpansion } from './native-expansion.ts';
import { DependencyProofs } from './proof.ts';
import { type ReceivedResult, receiveResult } from './received-result.ts';
import type { RemoteAccess } from './remote-access.ts';
import {
  type CompiledFile,
  type CompileJob,
  physicalOutputs,
  resultFiles,
  scratchDepfile,
  sentCommand,
  sentEnvironment,
  type Unit,
  type UnplacedUnit,
  whyUncacheable,
} from './remote-unit.ts';
import { type ExtraInput, resultKey } from './result-key.ts';
import { cancelled, failsProof, type WhyLocal, whyLocal } from './why-local.ts';

export interface RemoteCompileParts {
  /** waits a moment for a connection that is being made */
  readonly remote: () => Promise<RemoteAccess>;
  readonly toolchains: Toolchains;
  readonly scanner: ClosureScanner;
  readonly roots: InputRoots;
  readonly native: NativeExpansion;
  readonly digests: FileDigests;
  readonly counters: Counters;
  /** compiles below it are to have the same results wherever it lies; the environment of a compile may name another one */
  readonly baseDirectory?: string | undefined;
}

export interface CompileOutcome {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly files: readonly CompiledFile[];
  readonly place: StepPlace;
  readonly timings: Timings;
  /** under what the cluster keeps it, if it does */
  readonly key: Digest | undefined;
  /** the time of day is in it */
  readonly readsClock: boolean;
  /** whether everything that it rests on is still what it was */
  readonly inputsUnchanged: () => Promise<boolean>;
}

export class RemoteCompiler {
  readonly #parts: RemoteCompileParts;
  readonly #known: KnownResults;
  readonly #places: CanonicalPlaces;
  /** roots in the canonical place, by what they were made of */
  readonly #moved = new WeakMap<AssembledRoot, { readonly from: string; readonly root: AssembledRoot }>();
  readonly #proofs = new DependencyProofs();
  readonly #graphs = new BuildGraphs();

  constructor(parts: RemoteCompileParts) {
    this.#parts = parts;
    this.#known = new KnownResults(parts.counters);
    this.#places = new CanonicalPlaces(parts.counters, parts.baseDirectory);
  }

  /** Runs the compile elsewhere; facts are filled in as far as it gets. */
  async run(job: CompileJob, facts: CompileFacts, signal: AbortSignal): Promise<Result<CompileOutcome, WhyLocal>> {
    let outcome = await this.#attempt(job, facts, true, signal);
    if (!outcome.ok && facts.stuck !== undefined) {
      facts.base = `${facts.stuck.reason}: ${facts.stuck.detail}`;
      outcome = await this.#attempt(job, facts, false, signal);
    }
    if (outcome.ok || facts.distrusted !== true) return outcome;
    // the closure was not what the worker's compiler read: once more with the list that the compiler itself makes
    this.#parts.counters.add('rung.distrusted');
    return this.#attempt(job, facts, false, signal);
  }

  /** @param mayMove whether the compile may be made in the canonical place of its base directory */
  async #attempt(
    job: CompileJob,
    facts: CompileFacts,
    mayMove: boolean,
    signal: AbortSignal,
  ): Promise<Result<CompileOutcome, WhyLocal>> {
    const watch = stopwatch(facts);
    const remote = await this.#parts.remote();
    if (remote.kind === 'none') return err({ reason: 'no-cluster', detail: remote.message });

    const outputs = physicalOutputs(job);
    if (!outputs.ok) return outputs;

    const toolchain = await this.#parts.toolchains.package(job.compiler, job.env, job.arrivedMs);
    watch('toolchainMs');
    if (!toolchain.ok) return err({ reason: toolchain.error.reason, detail: toolchain.error.message });
    if (signal.aborted) return cancelled();

    const closure = await this.#scan(job, signal);
    watch('scanMs');
    if (!closure.ok) return closure;
    facts.rung = closure.value.rung;
    const { whyNotExact } = closure.value;
    if (whyNotExact !== undefined) {
      facts.whyNotExact = `${whyNotExact.reason}: ${whyNotExact.detail}`;
      this.#parts.counters.add(`rung.not-exact.${whyNotExact.reason}`);
    }
    facts.inputs = closure.value.files.length;
    facts.inputBytes = closure.value.sourceBytes;

    const expanded = await this.#parts.native.expand(job);
    if (expanded === undefined) {
      return err({ reason: 'native-not-expandable', detail: job.compile.nativeFlags.join(' ') });
    }
    const command = remoteCommand(expanded.compile, scratchDepfile);
    const extraFiles = [...command.responseFiles.map((path) => absolutePath(job.cwd, path)), ...expanded.files];
    if (closure.value.dateOrTime || closure.value.timestamp) extraFiles.push(...timeZoneFiles(job.env));
    if (job.stderrTerminal !== undefined) extraFiles.push(...terminalFiles(job.env));
    extraFiles.push(...job.compile.extraInputs.map((path) => absolutePath(job.cwd, path)));
    const uncacheable = whyUncacheable(job, closure.value);
    if (uncacheable !== undefined) this.#known.count(uncacheable);
    const unplaced: UnplacedUnit = {
      job,
      remote,
      toolchain: toolchain.value,
      closure: closure.value,
      command,
      env: { ...sentEnvironment(job), ...toolchain.value.environment },
      outputs: outputs.value,
      extraFiles,
    };
    const placed = mayMove && uncacheable === undefined ? this.#place(unplaced, facts) : undefined;
    const unit: Unit = { ...unplaced, ...(placed ?? { placed: undefined, sent: sentCommand(unplaced, undefined) }) };
    let root: AssembledRoot | undefined;
    if (uncacheable === undefined && closure.value.restsOnTrees === true) {
      const assembled = await this.#assemble(unit, facts);
      if (!assembled.ok) return assembled;
      root = assembled.value;
    }
    const key = uncacheable === undefined ? this.#key(unit, root) : ok(undefined);
    if (!key.ok) return key;
    watch('digestMs');
    if (key.value !== undefined) {
      const kept = await this.#kept(unit, root, key.value, facts, watch, signal);
      if (!kept.ok) return kept;
      if (kept.value !== undefined) return ok(kept.value);
    }
    if (root === undefined) {
      const assembled = await this.#assemble(unit, facts);
      if (!assembled.ok) return assembled;
      root = assembled.value;
    }
    watch('digestMs');
    if (signal.aborted) return cancelled();
    return this.#execute(unit, root, key.value, facts, watch, signal);
  }

  /** What the cluster keeps under the key, if it passes the proof; undefined when there is nothing to be believed. */
  async #kept(
    unit: Unit,
    root: AssembledRoot | undefined,
    key: Digest,
    facts: CompileFacts,
    watch: Stopwatch,
    signal: AbortSignal,
  ): Promise<Result<CompileOutcome | undefined, WhyLocal>> {
    const { executor } = unit.remote;
    const found = await this.#known.find(key, executor, signal);
    if (!found.ok) return whyLocal(found.error);
    if (found.value === undefined) {
      this.#known.count('miss');
      watch('remoteMs');
      return ok(undefined);
    }
    const received = await receiveResult(found.value, unit.sent.outputs, executor, signal);
    watch('remoteMs');
    if (!received.ok) {
      if (received.error.reason !== 'missing-blob') return whyLocal(received.error);
      this.#known.count('evicted');
      return ok(undefined);
    }
    const accepted = await this.#accept(unit, root, received.value, facts);
    watch('proveMs');
    if (!accepted.ok) {
      if (!failsProof(accepted.error) || (facts.stuck !== undefined && unit.placed !== undefined)) return accepted;
      this.#known.refuse(key, executor, accepted.error.detail);
      this.#known.count('unproven');
      return ok(undefined);
    }
    this.#known.count('hit');
    const worker = found.value.executionMetadata?.worker ?? 'the cluster';
    return ok(this.#outcome(unit, root, key, accepted.value, { kind: 'cache', worker }, zeroTimings));
  }

  async #execute(
    unit: Unit,
    root: AssembledRoot,
    key: Digest | undefined,
    facts: CompileFacts,
    watch: Stopwatch,
    signal: AbortSignal,
  ): Promise<Result<CompileOutcome, WhyLocal>> {
    const action = compileAction(unit.sent, root.root.digest, key !== undefined);
    facts.action = action.digest.hash;
    const { executor } = unit.remote;
    // What was not kept a moment ago may be by now, unless it is what failed the proof.
    let anew = key === undefined || this.#known.refuses(key);
    for (;;) {
      const outcome = await this.#obtain(unit, root, action, key, anew, facts, signal);
      if (!outcome.ok) return outcome;
      const { result, worker, cached, attempts, timings } = outcome.value;
      addTimings(facts, timings);
      if (result.exitCode !== 0) {
        const byPlace = await this.#failedByPlace(unit, result, facts, signal);
        if (byPlace !== undefined) return byPlace;
        return err({ reason: 'remote-error-confirmed', detail: `exit status ${result.exitCode} on ${worker}` });
      }
      const received = await receiveResult(result, unit.sent.outputs, executor, signal);
      watch('remoteMs');
      if (!received.ok) {
        if (received.error.reason !== 'missing-blob' || !cached || anew) return whyLocal(received.error);
        anew = true;
        continue;
      }
      const accepted = await this.#accept(unit, root, received.value, facts);
      watch('proveMs');
      if (accepted.ok) {
        if (key !== undefined) this.#known.believe(key);
        const place: StepPlace = cached ? { kind: 'cache', worker } : { kind: 'remote', worker, attempts };
        return ok(this.#outcome(unit, root, key, accepted.value, place, timings));
      }
      if (facts.stuck !== undefined && unit.placed !== undefined) return accepted;
      const unproven = failsProof(accepted.error);
      if (key !== undefined && unproven) this.#known.refuse(key, executor, accepted.error.detail);
      if (unproven && !cached && unit.placed !== undefined) {
        return this.#stuck(unit, { reason: 'unproven', detail: accepted.error.detail }, facts);
      }
      if (unproven && !cached && unit.closure.rung === 'exact' && facts.distrusted !== true) {
        this.#parts.scanner.distrust(unit.closure);
        facts.distrusted = true;
        return accepted;
      }
      if (!unproven || !cached || anew) return accepted;
      this.#known.count('unproven');
      anew = true;
    }
  }

  /** The key of the unit's result; the extra inputs are hashed for it. */
  #key(unit: Unit, root: AssembledRoot | undefined): Result<Digest, WhyLocal> {
    const extras: ExtraInput[] = [];
    for (const path of unit.extraFiles) {
      const record = this.#parts.digests.file(path, unit.job.arrivedMs);
      if (!record.ok) return err({ reason: record.error.reason, detail: record.error.message });
      extras.push({ path, digest: record.value.digest });
    }
    return ok(
      resultKey({
        toolchain: unit.toolchain.id,
        command: unit.sent.blob.digest,
        closure: unit.closure,
        extras,
        ...(unit.placed !== undefined && { move: unit.placed.move }),
        ...(root !== undefined && { trees: root.base.root.blob.digest }),
      }),
    );
  }

  async #scan(job: CompileJob, signal: AbortSignal): Promise<Result<Closure, WhyLocal>> {
    const closure = await this.#parts.scanner.scan(
      {
        compile: job.compile,
        compiler: job.compiler.path,
        invokedAs: job.invokedAs,
        compilerIdentity: job.compiler.identity,
        cwd: job.cwd,
        env: job.env,
        arrivedMs: job.arrivedMs,
      },
      signal,
    );
    return closure.ok ? closure : err({ reason: closure.error.reason, detail: closure.error.message });
  }

  /** The command for the canonical place of the unit's base directory, if it has one and was not tried in vain. */
  #place(unit: UnplacedUnit, facts: CompileFacts): Pick<Unit, 'placed' | 'sent'> | undefined {
    const { job, command } = unit;
    const placed = this.#places.place(
      {
        compile: job.compile,
        argv: command.argv,
        responseFiles: command.responseFiles,
        invokedAs: job.invokedAs,
        compiler: job.compiler.path,
        cwd: job.cwd,
        env: unit.env,
        closure: unit.closure,
        extraFiles: unit.extraFiles,
        toolchainRoot: unit.toolchain.root,
      },
      job.env['ICETS_BASEDIR'],
    );
    if (placed === undefined) return undefined;
    if (typeof placed === 'string') {
      facts.base = placed;
      return undefined;
    }
    const sent = sentCommand(unit, placed);
    const stuckBefore = this.#places.stuckBefore(sent.blob.digest, placed);
    facts.base = stuckBefore ? 'stuck-before' : 'moved';
    return stuckBefore ? undefined : { placed, sent };
  }

  /** The result of the canonical place is of no use for this unit, now or later. */
  #stuck(unit: Unit, why: Stuck, facts: CompileFacts): { ok: false; error: WhyLocal } {
    facts.stuck = why;
    if (unit.placed !== undefined) this.#places.noteStuck(unit.sent.blob.digest, unit.placed, why);
    return err({ reason: 'result-unproven', detail: `${why.reason}: ${why.detail}` });
  }

  /** For a compile that failed because a source names its true directory, which is not there in the canonical place. */
  async #failedByPlace(
    unit: Unit,
    result: ActionResult,
    facts: CompileFacts,
    signal: AbortSignal,
  ): Promise<{ ok: false; error: WhyLocal } | undefined> {
    if (unit.placed === undefined) return undefined;
    const received = await receiveResult(result, new Map(), unit.remote.executor, signal);
    if (!received.ok || !namesTrueDirectory(received.value, unit.placed.move)) return undefined;
    return this.#stuck(unit, { reason: 'named-in-source', detail: unit.placed.move.from }, facts);
  }

  async #assemble(unit: Unit, facts: CompileFacts): Promise<Result<AssembledRoot, WhyLocal>> {
    const { placed } = unit;
    const assembled = await this.#assembleInPlace(unit);
    if (!assembled.ok || placed === undefined) return assembled;
    const known = this.#moved.get(assembled.value);
    if (known?.from === placed.move.from) return ok(known.root);
    const { root, base } = assembled.value;
    const moved = moveDirectory(root, base.root, placed.move);
    if (!moved.ok) return this.#stuck(unit, { reason: 'link', detail: moved.error }, facts);
    const elsewhere = { ...assembled.value, root: moved.value };
    this.#moved.set(assembled.value, { from: placed.move.from, root: elsewhere });
    return ok(elsewhere);
  }

  async #assembleInPlace({ job, toolchain, closure, extraFiles }: Unit): Promise<Result<AssembledRoot, WhyLocal>> {
    const literal = job.compile.outputs.map((output) => dirname(absolutePath(job.cwd, output.path)));
    const root = await this.#parts.roots.assemble(
      toolchain.root,
      closure,
      {
        directories: [...new Set([job.cwd, ...(job.env['PWD'] === undefined ? [] : [job.env['PWD']]), ...literal])],
        files: extraFiles,
      },
      job.arrivedMs,
    );
    return root.ok ? root : err({ reason: root.error.reason, detail: root.error.message });
  }

  /** Brings up what is missing and has the action run. */
  async #obtain(
    unit: Unit,
    root: AssembledRoot,
    action: Blob,
    key: Digest | undefined,
    skipCacheLookup: boolean,
    facts: CompileFacts,
    signal: AbortSignal,
  ): Promise<Result<ExecuteOutcome, WhyLocal>> {
    const { job, toolchain, closure } = unit;
    const { executor, uploader } = unit.remote;
    for (let attempt = 1; ; attempt++) {
      const startMs = performance.now();
      const uploaded = await uploader.ensure(
        [{ kind: 'bytes', ...action }, { kind: 'bytes', ...unit.sent.blob }, ...root.root.blobs],
        [
          { key: digestKey(root.base.root.blob.digest), items: () => treeBlobs(root.base.root) },
          { key: digestKey(toolchain.id), items: () => toolchain.blobs() },
        ],
        signal,
      );
      facts.phases.uploadMs = (facts.phases.uploadMs ?? 0) + performance.now() - startMs;
      if (!uploaded.ok) return whyLocal(uploaded.error);
      facts.uploadedBytes = (facts.uploadedBytes ?? 0) + uploaded.value;
      const outcome = await executor.execute(
        {
          action: action.digest,
          skipCacheLookup,
          hints: {
            costKey: `${job.compile.language}:${job.cwd}:${job.compile.output}`,
            label: job.compile.source,
            client: '',
            build: job.build,
            correlation: job.id,
            toolchain: toolchain.id,
            arch: toolchain.arch,
            mounts: [...root.root.mounts],
            sourceBytes: closure.sourceBytes,
            resultKey: key,
            downstreamMs: Math.round(this.#graphs.downstreamMs(job.cwd, job.compile.output)),
          },
        },
        () => {},
        signal,
      );
      if (outcome.ok) return outcome;
      if (outcome.error.reason !== 'missing-blob' || attempt === 2) return whyLocal(outcome.error);
      uploader.forget();
    }
  }

  /** What a result leaves and prints here, if it is to be believed. */
  async #accept(
    unit: Unit,
    root: AssembledRoot | undefined,
    received: ReceivedResult,
    facts: CompileFacts,
  ): Promise<Result<AcceptedResult, WhyLocal>> {
    let mine = received;
    if (unit.placed !== undefined) {
      const moved = moveBack({
        received,
        roles: new Map(Array.from(unit.outputs, ([path, { role }]) => [path, role])).set(scratchDepfile, 'depfile'),
        family: unit.job.compile.family.kind,
        terminal: unit.job.stderrTerminal !== undefined,
        move: unit.placed.move,
      });
      if (!moved.ok) return this.#stuck(unit, moved.error, facts);
      mine = moved.value;
    }
    const believed = await this.#believe(unit, root, mine);
    if (!believed.ok) return believed;
    const files = resultFiles(unit, mine);
    return files.ok ? ok({ files: files.value, stdout: mine.stdout, stderr: mine.stderr }) : files;
  }

  /** The checks of design.md, "Proof of a result"; a result that was kept may need no root. */
  async #believe(
    unit: Unit,
    root: AssembledRoot | undefined,
    received: ReceivedResult,
  ): Promise<Result<void, WhyLocal>> {
    const { closure, command, job } = unit;
    if (command.proof.kind !== 'none') {
      const path = resolve(job.cwd, command.proof.file);
      const depfile = received.files.get(join(realOrSame(dirname(path)), basename(path)));
      if (depfile === undefined) return err({ reason: 'output-missing', detail: path });
      const proof = this.#proofs.prove(closure, depfile, command.proof.headers === 'all');
      if (!proof.ok) return err({ reason: 'result-unproven', detail: proof.error });
    }
    return this.#unchanged(unit, root);
  }

  async #unchanged({ toolchain, closure }: Unit, root: AssembledRoot | undefined): Promise<Result<void, WhyLocal>> {
    const receivedMs = performance.now();
    if (!(await this.#parts.scanner.unchanged(closure, receivedMs))) {
      return err({ reason: 'input-changed', detail: 'an input changed during the compile' });
    }
    if (!(await this.#parts.toolchains.stillCurrent(toolchain, receivedMs))) {
      return err({ reason: 'input-changed', detail: 'the compiler changed during the compile' });
    }
    if (root !== undefined && !(await root.current(receivedMs))) {
      return err({ reason: 'input-changed', detail: 'a search directory changed during the compile' });
    }
    return ok(undefined);
  }

  #outcome(
    unit: Unit,
    root: AssembledRoot | undefined,
    key: Digest | undefined,
    { files, stdout, stderr }: AcceptedResult,
    place: StepPlace,
    timings: Timings,
  ): CompileOutcome {
    const readsClock = unit.closure.dateOrTime;
    const inputsUnchanged = async () => (await this.#unchanged(unit, root)).ok;
    return { exitCode: 0, stdout, stderr, files, place, timings, key, readsClock, inputsUnchanged };
  }
}

type AcceptedResult = Pick<CompileOutcome, 'files' | 'stdout' | 'stderr'>;
