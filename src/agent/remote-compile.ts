// One compile on another machine, from its inputs to bytes that may be believed. It knows nothing of launchers and slots:
// whatever stands in the way is answered as a reason to run the command locally.

import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { depfilePrerequisites } from '../compiler/depfile.ts';
import { remoteEnvironment } from '../compiler/environment.ts';
import { keepsMode } from '../compiler/outputs.ts';
import type { OutputRole, ParsedCompile } from '../compiler/parsed-compile.ts';
import { remoteCommand, type RemoteCommand } from '../compiler/remote-command.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ActionResult, OutputFile } from '../model/action.ts';
import { digestKey, parseDigest } from '../model/digest.ts';
import type { LocalReason, RemoteFailure } from '../model/failure.ts';
import type { ExecuteOutcome, RemoteExecutor } from '../model/remote-executor.ts';
import type { StepPhases, StepPlace } from '../model/step.ts';
import { treeBlobs } from '../model/tree.ts';
import { zeroTimings, type Timings } from '../model/action.ts';
import type { AssembledRoot, InputRoots } from '../scan/input-root.ts';
import type { Closure, ClosureScanner } from '../scan/scanner.ts';
import type { CompilerIdentity, ToolchainPackage } from '../toolchain/toolchain-package.ts';
import { terminalFiles } from '../toolchain/terminal-files.ts';
import { timeZoneFiles } from '../toolchain/time-zone.ts';
import type { Toolchains } from '../toolchain/toolchains.ts';
import { compileAction, type CompileAction } from './compile-action.ts';
import type { NativeExpansion } from './native-expansion.ts';
import { proveDependencies } from './proof.ts';
import type { RemoteAccess } from './remote-access.ts';
import { whyNotReplaceable, type ResultFile } from './result-writer.ts';
import type { UploadFailure } from './uploader.ts';

export interface RemoteCompileParts {
  /** waits a moment for a connection that is being made */
  readonly remote: () => Promise<RemoteAccess>;
  readonly toolchains: Toolchains;
  readonly scanner: ClosureScanner;
  readonly roots: InputRoots;
  readonly native: NativeExpansion;
}

export interface CompileJob {
  readonly id: string;
  readonly build: string;
  readonly compile: ParsedCompile;
  readonly compiler: CompilerIdentity;
  /** argv[0] as the user wrote it */
  readonly invokedAs: string;
  /** physical absolute path */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stderrTerminal: { readonly columns: number; readonly rows: number } | undefined;
  /** performance.now() when the command arrived */
  readonly arrivedMs: number;
}

export interface CompileOutcome {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly files: readonly ResultFile[];
  readonly place: StepPlace;
  readonly timings: Timings;
}

/** What is known about the compile by the time it ends, for its record. */
export interface CompileFacts {
  phases: { -readonly [K in keyof StepPhases]: StepPhases[K] };
  /** CPU of the whole agent during a phase, milliseconds: the step's own only while steps come one at a time */
  cpu: Partial<Record<keyof StepPhases, number>>;
  rung?: string;
  inputs?: number;
  inputBytes?: number;
  uploadedBytes?: number;
  action?: string;
}

export interface WhyLocal {
  readonly reason: LocalReason | 'cancelled';
  readonly detail: string;
}

const scratchDepfile = '/tmp/icets-dependencies.d';

export class RemoteCompiler {
  readonly #parts: RemoteCompileParts;

  constructor(parts: RemoteCompileParts) {
    this.#parts = parts;
  }

  /** Runs the compile elsewhere; facts are filled in as far as it gets. */
  async run(job: CompileJob, facts: CompileFacts, signal: AbortSignal): Promise<Result<CompileOutcome, WhyLocal>> {
    const watch = stopwatch(facts);
    const remote = await this.#parts.remote();
    if (remote.kind === 'none') return err({ reason: 'no-cluster', detail: remote.message });

    const outputs = physicalOutputs(job);
    if (!outputs.ok) return outputs;

    const toolchain = await this.#parts.toolchains.package(job.compiler, job.env);
    watch('toolchainMs');
    if (!toolchain.ok) return err({ reason: toolchain.error.reason, detail: toolchain.error.message });
    if (signal.aborted) return cancelled();

    const closure = await this.#scan(job, signal);
    watch('scanMs');
    if (!closure.ok) return closure;
    facts.rung = closure.value.rung;
    facts.inputs = closure.value.files.length;
    facts.inputBytes = closure.value.sourceBytes;

    const expanded = await this.#parts.native.expand(job);
    if (expanded === undefined) {
      return err({ reason: 'native-not-expandable', detail: job.compile.nativeFlags.join(' ') });
    }
    const command = remoteCommand(expanded.compile, scratchDepfile);
    const extraFiles = [...command.responseFiles.map((path) => absolute(job.cwd, path)), ...expanded.files];
    if (closure.value.dateOrTime || closure.value.timestamp) extraFiles.push(...timeZoneFiles(job.env));
    if (job.stderrTerminal !== undefined) extraFiles.push(...terminalFiles(job.env));
    const root = await this.#assemble(job, toolchain.value, closure.value, extraFiles);
    watch('digestMs');
    if (!root.ok) return root;

    const built = this.#action(job, toolchain.value, closure.value, root.value, command, [...outputs.value.keys()]);
    facts.action = built.action.digest.hash;
    if (signal.aborted) return cancelled();

    const outcome = await this.#obtain(job, remote, built, toolchain.value, root.value, closure.value, facts, signal);
    if (!outcome.ok) return outcome;
    const { result } = outcome.value;
    addTimings(facts, outcome.value.timings);
    if (result.exitCode !== 0) {
      return err({
        reason: 'remote-error-confirmed',
        detail: `exit status ${result.exitCode} on ${outcome.value.worker}`,
      });
    }

    const received = await receive(result, built, remote.executor, signal);
    if (!received.ok) return received;
    watch('remoteMs');
    const believed = await this.#believe(toolchain.value, closure.value, root.value, command, received.value, job.cwd);
    watch('proveMs');
    if (!believed.ok) return believed;

    const files: ResultFile[] = [];
    for (const [path, output] of outputs.value) {
      const bytes = received.value.files.get(path);
      if (bytes !== undefined) files.push({ target: path, bytes, keepsMode: modeRule(job.compile, output.role) });
      else if (!output.optional) return err({ reason: 'output-missing', detail: path });
    }
    return ok({
      exitCode: 0,
      stdout: received.value.stdout,
      stderr: received.value.stderr,
      files,
      place: outcome.value.cached
        ? { kind: 'cache', worker: outcome.value.worker }
        : { kind: 'remote', worker: outcome.value.worker, attempts: outcome.value.attempts },
      timings: outcome.value.timings,
    });
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

  async #assemble(
    job: CompileJob,
    toolchain: ToolchainPackage,
    closure: Closure,
    files: readonly string[],
  ): Promise<Result<AssembledRoot, WhyLocal>> {
    const literal = job.compile.outputs.map((output) => dirname(absolute(job.cwd, output.path)));
    const root = await this.#parts.roots.assemble(
      toolchain.root,
      closure,
      {
        directories: [...new Set([job.cwd, ...(job.env['PWD'] === undefined ? [] : [job.env['PWD']]), ...literal])],
        files: [...files, ...job.compile.extraInputs.map((path) => absolute(job.cwd, path))],
      },
      job.arrivedMs,
    );
    return root.ok ? root : err({ reason: root.error.reason, detail: root.error.message });
  }

  #action(
    job: CompileJob,
    toolchain: ToolchainPackage,
    closure: Closure,
    root: AssembledRoot,
    command: RemoteCommand,
    outputs: readonly string[],
  ): CompileAction {
    return compileAction({
      argv: [job.invokedAs, ...command.argv],
      env: {
        ...remoteEnvironment(job.env, job.stderrTerminal !== undefined),
        ...toolchain.environment,
      },
      cwd: job.cwd,
      outputs: command.proof.kind === 'scratch' ? [...outputs, scratchDepfile] : outputs,
      inputRoot: root.root.digest,
      stderrTerminal: job.stderrTerminal,
      cacheable: !closure.dateOrTime && !closure.timestamp,
    });
  }

  async #obtain(
    job: CompileJob,
    remote: RemoteAccess & { kind: 'connected' },
    built: CompileAction,
    toolchain: ToolchainPackage,
    root: AssembledRoot,
    closure: Closure,
    facts: CompileFacts,
    signal: AbortSignal,
  ): Promise<Result<ExecuteOutcome, WhyLocal>> {
    const { executor, uploader } = remote;
    const cached = await executor.getActionResult(built.action.digest, signal);
    if (!cached.ok) return whyLocal(cached.error);
    if (cached.value !== undefined) {
      const worker = cached.value.executionMetadata?.worker ?? 'the cluster';
      return ok({ result: cached.value, cached: true, worker, timings: zeroTimings, attempts: 0 });
    }
    for (let attempt = 1; ; attempt++) {
      const startMs = performance.now();
      const uploaded = await uploader.ensure(
        [{ kind: 'bytes', ...built.action }, { kind: 'bytes', ...built.command }, ...root.root.blobs],
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
          action: built.action.digest,
          skipCacheLookup: false,
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

  /** The checks of design.md, "Proof of a result". */
  async #believe(
    toolchain: ToolchainPackage,
    closure: Closure,
    root: AssembledRoot,
    command: RemoteCommand,
    received: Received,
    cwd: string,
  ): Promise<Result<void, WhyLocal>> {
    if (command.proof.kind !== 'none') {
      const path = resolve(cwd, command.proof.file);
      const depfile = received.files.get(join(realOrSame(dirname(path)), basename(path)));
      if (depfile === undefined) return err({ reason: 'output-missing', detail: path });
      const proof = proveDependencies(
        new Set(closure.dependencies),
        depfilePrerequisites(Buffer.from(depfile).toString('utf8')),
        command.proof.headers === 'all',
      );
      if (!proof.ok) return err({ reason: 'result-unproven', detail: proof.error });
    }
    if (!(await this.#parts.scanner.unchanged(closure))) {
      return err({ reason: 'input-changed', detail: 'an input changed during the compile' });
    }
    if (!this.#parts.toolchains.stillCurrent(toolchain)) {
      return err({ reason: 'input-changed', detail: 'the compiler changed during the compile' });
    }
    if (!(await root.current())) {
      return err({ reason: 'input-changed', detail: 'a search directory changed during the compile' });
    }
    return ok(undefined);
  }
}

interface Received {
  /** by absolute physical path */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

async function receive(
  result: ActionResult,
  built: CompileAction,
  executor: RemoteExecutor,
  signal: AbortSignal,
): Promise<Result<Received, WhyLocal>> {
  const contents = async (raw: Uint8Array, digest: OutputFile['digest']): Promise<Result<Uint8Array, WhyLocal>> => {
    const wanted = parseDigest(digest);
    if (raw.byteLength > 0 || wanted === undefined || wanted.sizeBytes === 0) return ok(raw);
    const read = await executor.blobs.read(wanted, signal);
    return read.ok ? read : whyLocal(read.error);
  };
  const files = new Map<string, Uint8Array>();
  for (const output of result.outputFiles) {
    const path = built.outputs.get(output.path);
    if (path === undefined) continue;
    const bytes = await contents(output.contents, output.digest);
    if (!bytes.ok) return bytes;
    files.set(path, bytes.value);
  }
  const stdout = await contents(result.stdoutRaw, result.stdoutDigest);
  if (!stdout.ok) return stdout;
  const stderr = await contents(result.stderrRaw, result.stderrDigest);
  if (!stderr.ok) return stderr;
  return ok({ files, stdout: stdout.value, stderr: stderr.value });
}

/** The command's outputs by physical absolute path; a local reason when one of them is nothing a rename may replace. */
function physicalOutputs(job: CompileJob): Result<Map<string, ParsedCompile['outputs'][number]>, WhyLocal> {
  const outputs = new Map<string, ParsedCompile['outputs'][number]>();
  for (const output of job.compile.outputs) {
    const written = absolute(job.cwd, output.path);
    let folder: string;
    try {
      folder = realpathSync.native(dirname(written));
    } catch {
      return err({ reason: 'write-failed', detail: `${dirname(written)} does not exist` });
    }
    const path = join(folder, basename(written));
    const why = whyNotReplaceable(path);
    if (why !== undefined) return err({ reason: 'output-not-regular', detail: why });
    outputs.set(path, output);
  }
  return ok(outputs);
}

function modeRule(compile: ParsedCompile, role: OutputRole): ResultFile['keepsMode'] {
  return (existingBytes) => keepsMode(compile.family.kind, role, existingBytes);
}

/** As the compiler would open it: neither normalised nor resolved. */
function absolute(cwd: string, path: string): string {
  return path.startsWith('/') ? path : `${cwd === '/' ? '' : cwd}/${path}`;
}

function realOrSame(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

function whyLocal(failure: RemoteFailure | UploadFailure): { ok: false; error: WhyLocal } {
  const detail = failure.message;
  switch (failure.reason) {
    case 'cancelled':
      return err({ reason: 'cancelled', detail });
    case 'disconnected':
      return err({ reason: 'cluster-lost', detail });
    case 'timeout':
      return err({ reason: 'remote-timeout', detail });
    case 'no-worker':
      return err({ reason: 'no-worker', detail });
    case 'input-changed':
      return err({ reason: 'input-changed', detail });
    case 'missing-blob':
    case 'invalid-request':
    case 'worker-failed':
    case 'limit-exceeded':
    case 'store-failed':
    case 'unauthorised':
    case 'incompatible':
      return err({ reason: 'remote-failed', detail: `${failure.reason}: ${detail}` });
  }
}

function cancelled(): { ok: false; error: WhyLocal } {
  return err({ reason: 'cancelled', detail: 'the launcher went away' });
}

function addTimings(facts: CompileFacts, timings: Timings): void {
  facts.phases.queueMs = timings.queueUs / 1000;
  facts.phases.fetchMs = timings.fetchUs / 1000;
  facts.phases.setupMs = timings.setupUs / 1000;
  facts.phases.runMs = timings.runUs / 1000;
}

/** Answers a function that books the time since the last call under a phase. */
function stopwatch(facts: CompileFacts): (phase: keyof StepPhases) => void {
  let last = performance.now();
  let lastCpu = process.cpuUsage();
  return (phase) => {
    const now = performance.now();
    const cpu = process.cpuUsage();
    facts.phases[phase] = now - last;
    facts.cpu[phase] = (cpu.user + cpu.system - lastCpu.user - lastCpu.system) / 1000;
    last = now;
    lastCpu = cpu;
  };
}
