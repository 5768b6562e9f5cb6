// One request of a launcher, from its arrival to its record: classify, then remote or local. Every way through it ends the
// session exactly once.

import { readFileSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { classifyCommand } from '../compiler/classify.ts';
import { parseCommandName } from '../compiler/command-name.ts';
import type { ParsedCompile } from '../compiler/parsed-compile.ts';
import type { Log } from '../base/log.ts';
import type { Semaphore } from '../base/semaphore.ts';
import type { LauncherRequest } from '../ipc/launcher-frames.ts';
import type { LauncherSession } from '../ipc/launcher-session.ts';
import type { UnservedNote } from '../ipc/unserved-notes.ts';
import type { Clock } from '../model/clock.ts';
import type { LocalReason } from '../model/failure.ts';
import type { StepFeed } from '../model/step-feed.ts';
import type { StepEnd, StepKind, StepPlace, StepRecord } from '../model/step.ts';
import type { CompilerIdentity } from '../toolchain/toolchain-package.ts';
import type { Toolchains } from '../toolchain/toolchains.ts';
import type { Auditor } from './audit/auditor.ts';
import type { BuildIdentity } from './build-identity.ts';
import type { Counters } from './counters.ts';
import type { CompileFacts } from './compile-facts.ts';
import type { CompileOutcome, RemoteCompiler } from './remote-compile.ts';
import type { CompileJob } from './remote-unit.ts';
import type { WhyLocal } from './why-local.ts';
import { writeResult } from './result-writer.ts';
import type { WriteJournal } from './write-journal.ts';

/** Where this agent lives: a launcher elsewhere sees other files under the same names. */
export interface Namespace {
  readonly mountNamespace: string;
  readonly root: string;
}

export interface InvocationParts {
  readonly place: Namespace;
  readonly toolchains: Toolchains;
  readonly remoteCompiler: RemoteCompiler;
  readonly auditor: Auditor;
  readonly localSlots: Semaphore;
  readonly journal: WriteJournal;
  readonly builds: BuildIdentity;
  readonly counters: Counters;
  readonly steps: StepFeed;
  readonly clock: Clock;
  readonly log: Log;
}

type Decision =
  | { readonly kind: 'remote'; readonly compile: ParsedCompile; readonly compiler: CompilerIdentity }
  | { readonly kind: 'local'; readonly reason: LocalReason; readonly detail: string; readonly holdsSlot: boolean };

/** How the step went; `undefined` from a phase means that the launcher has gone. */
interface Ended {
  readonly place: StepPlace;
  readonly end: StepEnd;
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssBytes: number;
  readonly outputBytes?: number;
}

export async function serveInvocation(
  parts: InvocationParts,
  id: string,
  request: LauncherRequest,
  session: LauncherSession,
): Promise<void> {
  const startMs = parts.clock.nowMs();
  const arrivedMs = performance.now();
  const build = parts.builds.of(request.env['ICETS_BUILD']);
  const facts: CompileFacts = { phases: {}, cpu: {} };
  const decision = await decide(parts, request, arrivedMs);
  facts.phases.classifyMs = performance.now() - arrivedMs;
  let ended: Ended;
  if (decision.kind === 'remote') {
    ended = await runRemote(parts, { id, build, arrivedMs, request, session, decision, facts });
  } else {
    ended = await runLocal(parts, id, session, decision, facts);
  }
  const record = recordOf(id, build, request, decision, ended, facts, startMs, parts.clock.nowMs());
  parts.counters.addStep(record);
  for (const [phase, ms] of Object.entries(facts.cpu)) parts.counters.add(`cpu.${phase}`, ms);
  parts.steps.add(record);
  parts.log.debug({ step: id, label: record.label, place: record.place, end: record.end }, 'step ended');
}

/** Makes the record of a command that a launcher ran without this agent. */
export function recordUnserved(parts: InvocationParts, id: string, note: UnservedNote): void {
  const { request } = note;
  const decision = { kind: 'local', reason: 'agent-failed', detail: note.why, holdsSlot: false } as const;
  const ended: Ended = {
    place: { kind: 'local', reason: 'agent-failed', detail: note.why },
    end: { kind: 'unknown' },
    userMs: 0,
    systemMs: 0,
    maxRssBytes: 0,
  };
  const build = parts.builds.of(request.env['ICETS_BUILD']);
  const facts: CompileFacts = { phases: {}, cpu: {} };
  const record = recordOf(id, build, request, decision, ended, facts, note.atMs, note.atMs);
  parts.counters.addStep(record);
  parts.steps.add(record);
}

async function decide(parts: InvocationParts, request: LauncherRequest, arrivedMs: number): Promise<Decision> {
  const local = (reason: LocalReason, detail: string, holdsSlot = true): Decision => ({
    kind: 'local',
    reason,
    detail,
    holdsSlot,
  });
  const invokedAs = request.argv[0] ?? '';
  // A step that is no compiler may start others (a nested make): it must not hold a slot, or builds would deadlock.
  if (parseCommandName(invokedAs).kind !== 'compiler') return local('not-a-compile', basename(invokedAs), false);
  if (elsewhere(parts.place, request)) {
    return local('other-namespace', 'the command runs in another mount namespace or root');
  }
  if (!request.exact) return local('unshippable-path', 'the command is not UTF-8');
  const asked = { compiler: request.program, cwd: request.cwd, env: request.env };
  const identity = await parts.toolchains.identify(asked, arrivedMs);
  if (!identity.ok) return local(identity.error.reason, identity.error.message);
  const classified = classifyCommand({
    family: identity.value.family,
    driverLanguage: identity.value.driverLanguage,
    argv: request.argv.slice(1),
    env: request.env,
    readResponseFile: (path) => {
      try {
        return readFileSync(resolve(request.cwd, path));
      } catch {
        return undefined;
      }
    },
  });
  if (classified.kind === 'local') return local(classified.reason, classified.detail);
  const audited = parts.auditor.whyLocal(classified, identity.value, request.cwd);
  if (audited !== undefined) return local(audited.reason, audited.detail);
  return { kind: 'remote', compile: classified, compiler: identity.value };
}

function elsewhere(here: Namespace, request: LauncherRequest): boolean {
  return request.mountNamespace !== here.mountNamespace || request.root !== here.root;
}

/** gcc and clang believe PWD only when it names the working directory; a false one is the same as none. */
function withTruePwd(request: LauncherRequest): LauncherRequest['env'] {
  const pwd = request.env['PWD'];
  if (pwd === undefined || pwd === request.cwd) return request.env;
  if (pwd.startsWith('/')) {
    const named = statSync(pwd, { throwIfNoEntry: false });
    const real = statSync(request.cwd, { throwIfNoEntry: false });
    if (named !== undefined && named.dev === real?.dev && named.ino === real.ino) return request.env;
  }
  const { PWD: _, ...rest } = request.env;
  return rest;
}

interface RemoteRun {
  readonly id: string;
  readonly build: string;
  readonly arrivedMs: number;
  readonly request: LauncherRequest;
  readonly session: LauncherSession;
  readonly decision: Decision & { kind: 'remote' };
  readonly facts: CompileFacts;
}

async function runRemote(parts: InvocationParts, run: RemoteRun): Promise<Ended> {
  const { request, session, decision, facts } = run;
  const job: CompileJob = {
    id: run.id,
    build: run.build,
    compile: decision.compile,
    compiler: decision.compiler,
    invokedAs: request.argv[0] ?? '',
    cwd: request.cwd,
    env: withTruePwd(request),
    stderrTerminal: request.stderrTerminal ? { columns: request.columns, rows: request.rows } : undefined,
    arrivedMs: run.arrivedMs,
  };
  const outcome = await parts.remoteCompiler
    .run(job, facts, session.gone)
    .catch((error: unknown): { ok: false; error: WhyLocal } => {
      // A bug of ours must not become the user's: the compile runs here, and the log says why.
      parts.log.error({ step: run.id, error: String(error), stack: (error as Error).stack }, 'remote compile threw');
      return { ok: false, error: { reason: 'agent-failed', detail: String(error) } };
    });
  if (session.gone.aborted) return gone({ kind: 'local', reason: 'agent-failed', detail: 'cancelled by the user' });
  const local = (reason: LocalReason, detail: string) =>
    runLocal(parts, run.id, session, { kind: 'local', reason, detail, holdsSlot: true }, facts);
  if (!outcome.ok) {
    const { reason, detail } = outcome.error;
    return local(reason === 'cancelled' ? 'agent-failed' : reason, detail);
  }
  const ended = await deliver(parts, run, outcome.value, local);
  if (ended.place === outcome.value.place && ended.end.kind === 'exited') parts.auditor.offer(job, outcome.value);
  return ended;
}

async function deliver(
  parts: InvocationParts,
  run: RemoteRun,
  outcome: CompileOutcome,
  local: (reason: LocalReason, detail: string) => Promise<Ended>,
): Promise<Ended> {
  const { request, session, facts } = run;
  const startMs = performance.now();
  const written = writeResult(outcome.files, request.umask, parts.journal);
  if (!written.ok) return local('write-failed', written.error);
  const commit = await session.finish({
    exitCode: outcome.exitCode,
    stdout: outcome.stdout,
    stderr: outcome.stderr,
    renames: written.value.renames,
    unlinks: [],
  });
  facts.phases.writeMs = performance.now() - startMs;
  const resources = {
    userMs: outcome.timings.userUs / 1000,
    systemMs: outcome.timings.systemUs / 1000,
    maxRssBytes: outcome.timings.maxRssBytes,
  };
  switch (commit.kind) {
    case 'committed':
      written.value.committed();
      return {
        place: outcome.place,
        end: { kind: 'exited', code: outcome.exitCode },
        ...resources,
        outputBytes: outcome.files.reduce((sum, file) => sum + file.bytes.byteLength, 0),
      };
    case 'rename-failed':
      // The launcher now runs the command itself and reports no more.
      written.value.discard();
      return {
        place: { kind: 'local', reason: 'write-failed', detail: `rename failed with errno ${commit.errno}` },
        end: { kind: 'exited', code: 0 },
        ...resources,
      };
    case 'gone':
      written.value.discard();
      return gone(outcome.place);
  }
}

async function runLocal(
  parts: InvocationParts,
  id: string,
  session: LauncherSession,
  decision: Decision & { kind: 'local' },
  facts: CompileFacts,
): Promise<Ended> {
  const place: StepPlace = { kind: 'local', reason: decision.reason, detail: decision.detail };
  const waitedFromMs = performance.now();
  const slot = decision.holdsSlot ? await parts.localSlots.acquire(session.gone) : undefined;
  if (decision.holdsSlot && slot === undefined) return gone(place);
  const startMs = performance.now();
  facts.phases.waitSlotMs = startMs - waitedFromMs;
  try {
    const end = await session.runLocally(id);
    facts.phases.localMs = performance.now() - startMs;
    if (end === 'gone') return gone(place);
    return {
      place,
      end: end.status,
      userMs: end.userMs,
      systemMs: end.systemMs,
      maxRssBytes: end.maxRssBytes,
    };
  } finally {
    slot?.release();
  }
}

function gone(place: StepPlace): Ended {
  return { place, end: { kind: 'cancelled' }, userMs: 0, systemMs: 0, maxRssBytes: 0 };
}

function recordOf(
  id: string,
  build: string,
  request: LauncherRequest,
  decision: Decision,
  ended: Ended,
  facts: CompileFacts,
  startMs: number,
  endMs: number,
): StepRecord {
  const compile = decision.kind === 'remote' ? decision.compile : undefined;
  const output = compile?.output ?? outputNamed(request.argv);
  return {
    v: 1,
    id,
    build,
    kind: kindOf(decision),
    label: compile?.source ?? output ?? basename(request.argv[0] ?? ''),
    ...(output !== undefined && { output: resolve(request.cwd, output) }),
    cwd: request.cwd,
    argv: request.argv,
    place: ended.place,
    end: ended.end,
    startMs,
    endMs,
    phases: facts.phases,
    userMs: ended.userMs,
    systemMs: ended.systemMs,
    maxRssBytes: ended.maxRssBytes,
    ...(facts.rung !== undefined && { rung: facts.rung }),
    ...(facts.whyNotExact !== undefined && { whyNotExact: facts.whyNotExact }),
    ...(facts.base !== undefined && { base: facts.base }),
    ...(facts.inputs !== undefined && { inputs: facts.inputs }),
    ...(facts.inputBytes !== undefined && { inputBytes: facts.inputBytes }),
    ...(facts.uploadedBytes !== undefined && { uploadedBytes: facts.uploadedBytes }),
    ...(ended.outputBytes !== undefined && { outputBytes: ended.outputBytes }),
    ...(facts.action !== undefined && { action: facts.action }),
  };
}

/** What a command that was not taken apart says it writes. */
function outputNamed(argv: readonly string[]): string | undefined {
  const at = argv.lastIndexOf('-o');
  return at > 0 ? argv[at + 1] : undefined;
}

function kindOf(decision: Decision): StepKind {
  if (decision.kind === 'remote') return decision.compile.language === 'assembler-with-cpp' ? 'assemble' : 'compile';
  switch (decision.reason) {
    case 'link':
      return 'link';
    case 'not-a-compile':
    case 'no-input':
      return 'other';
    case 'compiler-check':
      return 'configure';
    case 'precompiled-header':
      return 'precompile';
    case 'assembly-input':
      return 'assemble';
    default:
      return 'compile';
  }
}
