// Draws samples of results, compiles them again here when cores are idle, and acts on a difference: the worker goes into quarantine, or
// the command stays local. On the way of a compile it costs one random number.

import type { Log } from '../../base/log.ts';
import type { Result } from '../../base/result.ts';
import type { ParsedCompile } from '../../compiler/parsed-compile.ts';
import type { AuditBlame, AuditFinding, AuditStatus } from '../../model/audit.ts';
import type { Clock, Timer } from '../../model/clock.ts';
import type { CompilerIdentity } from '../../toolchain/toolchain-package.ts';
import type { CompileOutcome } from '../remote-compile.ts';
import type { CompileJob } from '../remote-unit.ts';
import type { WhyLocal } from '../why-local.ts';
import type { RemoteAccess } from '../remote-access.ts';
import { differences, furtherRuns, judge, type Compiled, type LocalRun } from './comparison.ts';
import type { Findings } from './findings.ts';
import { findOption, hasOption } from './option-search.ts';
import type { NotRun, PrivateCompiler } from './private-run.ts';
import { SampleQueue, type QueueLimits, type Sample } from './sample-queue.ts';
import type { Tally } from './tally.ts';

export interface AuditorParts {
  /** what the configuration says, 0 to 100; `icets audit --rate` may say something else */
  readonly percent: number;
  /** a number from 0 up to 1 */
  readonly random: () => number;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  readonly findings: Findings;
  readonly compileHere: PrivateCompiler;
  /** the ordinary way to the cluster */
  readonly compileThere: (job: CompileJob, signal: AbortSignal) => Promise<Result<CompileOutcome, WhyLocal>>;
  readonly remote: () => Promise<RemoteAccess>;
  /** whether cores are idle enough to begin; asked every half second while samples wait */
  readonly mayStart: () => boolean;
  /** whether a build wants what an audit takes */
  readonly mustStop: () => boolean;
  readonly limits?: QueueLimits;
}

/** The result of a compile that left this machine, and what it was made from. */
type Remote = CompileOutcome & { readonly place: { readonly kind: 'remote' | 'cache'; readonly worker: string } };

export interface AuditedLocal {
  readonly reason: 'not-reproducible' | 'audit-difference';
  readonly detail: string;
}

type Errand = (signal: AbortSignal) => Promise<Sample | NotRun>;

const defaultLimits: QueueLimits = { samples: 64, bytes: 64 * 1024 ** 2 };
const lookMs = 500;
const mostInterruptions = 5;
const remembered = 100;
/** compiles that must agree before a command counts as reproducible */
const repeats = 3;

export class Auditor {
  readonly #parts: AuditorParts;
  readonly #queue: SampleQueue;
  /** what `icets audit --now` asked for */
  readonly #errands: Errand[] = [];
  /** the last jobs whose results were used, as a ring */
  readonly #last: CompileJob[] = [];
  #next = 0;
  #percent: number;
  #suspects: readonly AuditFinding[];
  #timer: Timer | undefined;
  #work: { readonly abort: AbortController; urgent: boolean; readonly done: Promise<void> } | undefined;
  #closed = false;

  constructor(parts: AuditorParts) {
    this.#parts = parts;
    this.#queue = new SampleQueue(parts.limits ?? defaultLimits);
    this.#percent = parts.tally.percent ?? parts.percent;
    this.#suspects = suspectsOf(parts.findings);
  }

  /** A result that is in use now. */
  offer(job: CompileJob, outcome: CompileOutcome): void {
    if (outcome.place.kind === 'local') return;
    this.#last[this.#next] = job;
    this.#next = (this.#next + 1) % remembered;
    if (this.#parts.random() * 100 >= this.#percent) return;
    this.#parts.tally.count('taken');
    if (!this.#queue.add({ job, outcome, interruptions: 0 })) this.#parts.tally.skip('queue-full');
    this.#wake();
  }

  /** Why an audit wants this compile to stay on this machine. */
  whyLocal(compile: ParsedCompile, compiler: CompilerIdentity, cwd: string): AuditedLocal | undefined {
    if (this.#suspects.length === 0) return undefined;
    for (const { blame, id, secondOpinion } of this.#suspects) {
      if (blame.kind === 'option' && blame.compiler === compiler.identity && hasOption(compile, blame.option)) {
        return { reason: 'not-reproducible', detail: `${blame.option}, found by the audit ${id}` };
      }
      if (blame.kind === 'unit' && blame.unit === unitOf(compile, compiler, cwd)) {
        const reason = blame.cause === 'not-reproducible' ? 'not-reproducible' : 'audit-difference';
        return { reason, detail: `audit ${id}: ${secondOpinion}` };
      }
    }
    return undefined;
  }

  /**
   * Does what waits at once, idle or not; with a number, audits as many of the last results instead: the cluster is asked for each
   * again, and its answer is compared. Answers how many audits that will be.
   */
  hurry(last?: number): number {
    if (last === undefined) {
      if (this.#work !== undefined) this.#work.urgent = true;
      const waiting = this.#queue.length;
      for (let at = 0; at < waiting; at += 1) {
        const sample = this.#queue.take();
        if (sample !== undefined) this.#errands.push(() => Promise.resolve(sample));
      }
    } else {
      const jobs = [...this.#last.slice(this.#next), ...this.#last.slice(0, this.#next)].slice(-last);
      for (const job of jobs) this.#errands.push((signal) => this.#ask(job, signal));
    }
    this.#wake();
    return this.status().urgent;
  }

  /** @param percent undefined: what the configuration says */
  setPercent(percent: number | undefined): Result<void, string> {
    this.#percent = percent ?? this.#parts.percent;
    return this.#parts.tally.setPercent(percent);
  }

  /** The worker's quarantine is the cluster's and stays: that is lifted there. */
  forgive(name: string): Result<readonly AuditFinding[], string> {
    const forgiven = this.#parts.findings.forgive(name);
    this.#suspects = suspectsOf(this.#parts.findings);
    return forgiven;
  }

  status(): AuditStatus {
    return {
      percent: this.#percent,
      ...this.#parts.tally.totals,
      waiting: this.#queue.length + (this.#work?.urgent === false ? 1 : 0),
      urgent: this.#errands.length + (this.#work?.urgent === true ? 1 : 0),
      findings: this.#parts.findings.active,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#work?.abort.abort();
    await this.#work?.done;
    while (this.#queue.take() !== undefined) this.#parts.tally.skip('interrupted');
    this.#save();
  }

  // ---- one at a time

  #wake(): void {
    if (this.#closed || this.#timer !== undefined || this.#work !== undefined) return;
    if (this.#errands.length === 0 && this.#queue.length === 0) return;
    this.#timer = this.#parts.clock.after(this.#errands.length > 0 ? 0 : lookMs, () => {
      this.#timer = undefined;
      this.#begin();
    });
  }

  #begin(): void {
    const errand = this.#errands.shift();
    const sample = errand === undefined && this.#parts.mayStart() ? this.#queue.take() : undefined;
    if (errand === undefined && sample === undefined) return this.#wake();
    const abort = new AbortController();
    const watch = errand === undefined ? this.#giveWay(abort) : undefined;
    const done = this.#perform(errand ?? (() => Promise.resolve(sample!)), abort.signal)
      .catch((error: unknown) => {
        this.#parts.log.error({ error: String(error), stack: (error as Error).stack }, 'an audit threw');
        this.#parts.tally.skip('interrupted');
      })
      .finally(() => {
        watch?.cancel();
        this.#work = undefined;
        this.#save();
        this.#wake();
      });
    this.#work = { abort, urgent: errand !== undefined, done };
  }

  /** Aborts as soon as a build wants the machine. */
  #giveWay(abort: AbortController): Timer {
    let timer: Timer;
    const look = () => {
      if (this.#parts.mustStop() && this.#work?.urgent !== true) abort.abort();
      else timer = this.#parts.clock.after(lookMs, look);
    };
    timer = this.#parts.clock.after(lookMs, look);
    return { cancel: () => timer.cancel() };
  }

  async #perform(errand: Errand, signal: AbortSignal): Promise<void> {
    const sample = await errand(signal);
    const skipped = 'reason' in sample ? sample : await this.#audit(sample, signal);
    if (skipped === undefined) return;
    const again = 'reason' in sample || this.#closed || sample.interruptions >= mostInterruptions ? undefined : sample;
    if (skipped.reason === 'interrupted' && again !== undefined) {
      if (this.#queue.add({ ...again, interruptions: again.interruptions + 1 })) return;
    }
    this.#parts.tally.skip(skipped.reason);
    this.#parts.log.debug({ ...skipped }, 'a sample was not compared');
  }

  /** Asks the cluster for a result again. */
  async #ask(job: CompileJob, signal: AbortSignal): Promise<Sample | NotRun> {
    this.#parts.tally.count('taken');
    const renewed = { ...job, id: `${job.id}-audit`, arrivedMs: performance.now() };
    const outcome = await this.#parts.compileThere(renewed, signal);
    if (!outcome.ok) return { reason: 'not-remote', detail: `${outcome.error.reason}: ${outcome.error.detail}` };
    return { job: renewed, outcome: outcome.value, interruptions: mostInterruptions };
  }

  // ---- one audit

  /** Answers why there was no comparison; undefined when there was one and all is done. */
  async #audit({ job, outcome }: Sample, signal: AbortSignal): Promise<NotRun | undefined> {
    if (!isRemote(outcome)) return { reason: 'not-remote', detail: outcome.place.kind };
    if (outcome.readsClock) return { reason: 'time-macro', detail: job.compile.source };
    const changed: NotRun = { reason: 'input-changed', detail: job.compile.source };
    if (!(await outcome.inputsUnchanged())) return changed;
    const result = compiledOf(outcome);
    const runs: LocalRun[] = [];
    for (const folder of ['first' as const, ...furtherRuns]) {
      const run = await this.#parts.compileHere(job, folder, signal);
      if (!run.ok) return (await outcome.inputsUnchanged()) ? run.error : changed;
      runs.push({ folder, compiled: run.value });
      if (runs.length === 1 && differences(result, run.value).length === 0) break;
      // The result is not to blame for what was edited since.
      if (!(await outcome.inputsUnchanged())) return changed;
    }
    const judgement = judge(result, runs);
    switch (judgement.kind) {
      case 'equal':
        this.#parts.tally.count('equal');
        return undefined;
      case 'output-path':
        return { reason: 'output-path', detail: job.compile.argv.join(' ') };
      case 'not-reproducible':
        await this.#blameCommand(job, outcome, runs, judgement.differing, signal);
        return undefined;
      case 'differs':
        await this.#accuse(job, outcome, runs[0]!.compiled, judgement.differing, signal);
        return undefined;
    }
  }

  async #blameCommand(
    job: CompileJob,
    outcome: Remote,
    runs: readonly LocalRun[],
    differing: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const option = await findOption(job.compile, async (compile) => {
      const objects: (Uint8Array | undefined)[] = [];
      for (let at = 0; at < repeats; at += 1) {
        const run = await this.#parts.compileHere({ ...job, compile }, 'first', signal);
        if (!run.ok) return false;
        objects.push(run.value.files.get(compile.mode));
      }
      const [first, ...others] = objects;
      return first !== undefined && others.every((other) => other !== undefined && Buffer.compare(first, other) === 0);
    });
    const blame: AuditBlame =
      option === undefined
        ? { kind: 'unit', unit: unitOf(job.compile, job.compiler, job.cwd), cause: 'not-reproducible' }
        : { kind: 'option', option, compiler: job.compiler.identity };
    const what = option === undefined ? job.compile.source : `with ${option}`;
    this.#find(job, outcome, {
      blame,
      differing,
      summary: `compiles ${option === undefined ? 'of ' : ''}${what} give other bytes on every run: they stay on this machine`,
      secondOpinion: 'none was needed: two compiles on this machine differ',
      sides: { result: compiledOf(outcome), here: runs[0]!.compiled, 'here-again': otherThan(runs) },
    });
  }

  /** This machine gives one answer and the worker gave another. */
  async #accuse(
    job: CompileJob,
    outcome: Remote,
    here: Compiled,
    differing: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { worker } = outcome.place;
    const { source } = job.compile;
    const remote = await this.#parts.remote();
    const executor = remote.kind === 'connected' ? remote.executor : undefined;
    const why = `an audit found ${differing.join(', ')} of ${source} to be other bytes than on the submitting machine`;
    if (outcome.key !== undefined) executor?.rejectResult?.(outcome.key, why);
    const quarantined = await executor?.quarantineWorker?.(
      worker,
      `${why}; icets audit --forgive ${worker} lifts this`,
    );
    const sides: Record<string, Compiled> = { result: compiledOf(outcome), here };

    // The result is kept no more and the worker gets nothing: whoever makes it now, in the same way, is another one.
    const anew = { ...job, id: `${job.id}-audit`, arrivedMs: performance.now() };
    const second = await this.#parts.compileThere(anew, signal);
    if (!second.ok) {
      const { reason, detail } = second.error;
      const opinion = `no other worker was asked (${reason}: ${detail})`;
      return this.#blameWorker(job, outcome, differing, opinion, quarantined, sides);
    }
    const other = second.value.place.kind === 'local' ? 'this machine' : second.value.place.worker;
    const compiled = compiledOf(second.value);
    if (other === worker || differences(compiled, here).length === 0) {
      const opinion = other === worker ? 'no other worker was there' : `${other} gave the bytes of this machine`;
      return this.#blameWorker(job, outcome, differing, opinion, quarantined, sides);
    }
    // Two workers against this machine: it is the command that is not the same elsewhere.
    if (quarantined?.ok === true && !quarantined.value.wasQuarantined) await executor?.liftQuarantine?.(worker);
    if (second.value.key !== undefined) executor?.rejectResult?.(second.value.key, why);
    this.#find(job, outcome, {
      blame: { kind: 'unit', unit: unitOf(job.compile, job.compiler, job.cwd), cause: 'other-on-workers' },
      differing,
      summary: `${source} gives other bytes on workers than on this machine: it stays here; please report this`,
      secondOpinion: `${other} gave other bytes than this machine too`,
      sides: { ...sides, 'other-worker': compiled },
    });
  }

  #blameWorker(
    job: CompileJob,
    outcome: Remote,
    differing: readonly string[],
    secondOpinion: string,
    quarantined: Result<unknown, { readonly message: string }> | undefined,
    sides: Readonly<Record<string, Compiled>>,
  ): void {
    const { worker } = outcome.place;
    const state =
      quarantined?.ok === true
        ? 'it is in quarantine'
        : `it is NOT in quarantine (${quarantined === undefined ? 'the cluster cannot do that' : quarantined.error.message})`;
    this.#find(job, outcome, {
      blame: { kind: 'worker', worker },
      differing,
      summary: `worker ${worker} gave other bytes than this machine for ${job.compile.source}: ${state}`,
      secondOpinion,
      sides,
    });
  }

  #find(
    { compile, invokedAs, cwd }: CompileJob,
    { place }: Remote,
    found: Pick<AuditFinding, 'blame' | 'summary' | 'differing' | 'secondOpinion'> & {
      readonly sides: Readonly<Record<string, Compiled>>;
    },
  ): void {
    const { sides, ...rest } = found;
    this.#parts.tally.count('different');
    const finding = this.#parts.findings.add(
      {
        ...rest,
        atMs: this.#parts.clock.nowMs(),
        label: compile.source,
        output: compile.output.startsWith('/') ? compile.output : `${cwd}/${compile.output}`,
        cwd,
        argv: [invokedAs, ...compile.writtenArgv],
        worker: place.worker,
        cached: place.kind === 'cache',
      },
      sides,
    );
    this.#suspects = suspectsOf(this.#parts.findings);
    this.#parts.log.error({ finding }, 'an audit found a difference');
  }

  #save(): void {
    const saved = this.#parts.tally.save();
    if (!saved.ok) this.#parts.log.warn({ problem: saved.error }, 'counts of audits were not saved');
  }
}

function suspectsOf(findings: Findings): readonly AuditFinding[] {
  return findings.active.filter(({ blame }) => blame.kind !== 'worker');
}

/** Names one compile by this compiler; changes with the compiler. */
function unitOf(compile: ParsedCompile, compiler: CompilerIdentity, cwd: string): string {
  return [compiler.identity, cwd, ...compile.writtenArgv].join('\n');
}

function isRemote(outcome: CompileOutcome): outcome is Remote {
  return outcome.place.kind !== 'local';
}

function compiledOf({ stdout, stderr, files }: CompileOutcome): Compiled {
  return { stdout, stderr, files: new Map(files.map(({ role, bytes }) => [role, bytes])) };
}

/** A run whose bytes are not those of the first. */
function otherThan(runs: readonly LocalRun[]): Compiled {
  const [first, ...others] = runs;
  return (others.find(({ compiled }) => differences(compiled, first!.compiled).length > 0) ?? first!).compiled;
}
