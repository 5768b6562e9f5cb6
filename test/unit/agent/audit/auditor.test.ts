import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Auditor, type AuditorParts } from '../../../../src/agent/audit/auditor.ts';
import type { Compiled, LocalRun } from '../../../../src/agent/audit/comparison.ts';
import { Findings } from '../../../../src/agent/audit/findings.ts';
import { Tally } from '../../../../src/agent/audit/tally.ts';
import type { NotRun } from '../../../../src/agent/audit/private-run.ts';
import type { CompileOutcome } from '../../../../src/agent/remote-compile.ts';
import type { CompileJob } from '../../../../src/agent/remote-unit.ts';
import type { WhyLocal } from '../../../../src/agent/why-local.ts';
import { Uploader } from '../../../../src/agent/uploader.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { err, ok, type Result } from '../../../../src/base/result.ts';
import { classifyCommand } from '../../../../src/compiler/classify.ts';
import { zeroTimings } from '../../../../src/model/action.ts';
import { digestOf } from '../../../../src/model/digest.ts';
import type { RemoteExecutor } from '../../../../src/model/remote-executor.ts';
import type { StepPlace } from '../../../../src/model/step.ts';
import { FakeClock, settled } from '../../../support/fake-clock.ts';
import { MapStore } from '../../../support/memory-cluster.ts';

const family = { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' } as const;
const key = digestOf(Buffer.from('key'));

let dir: string;
let clock: FakeClock;
let idle: boolean;
let wanted: boolean;
/** what this machine makes of a source; called for each run */
let here: (job: CompileJob, folder: LocalRun['folder']) => string | NotRun;
let there: (job: CompileJob) => Result<CompileOutcome, WhyLocal>;
let unchanged: boolean;
let told: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'icets-auditor-'));
  clock = new FakeClock();
  idle = true;
  wanted = false;
  unchanged = true;
  told = [];
  here = () => 'right';
  there = () => err({ reason: 'no-worker', detail: 'none is left' });
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function executor(): RemoteExecutor {
  const blobs = new MapStore();
  return {
    blobs,
    getActionResult: async () => ok(undefined),
    execute: async () => err({ reason: 'no-worker', message: '' }),
    rejectResult: (rejected) => told.push(`rejected ${rejected === key ? 'the key' : rejected.hash}`),
    quarantineWorker: async (worker) => {
      told.push(`quarantined ${worker}`);
      return ok({ wasQuarantined: false, connected: 1 });
    },
    liftQuarantine: async (worker) => {
      told.push(`lifted ${worker}`);
      return ok({ wasQuarantined: true, connected: 1 });
    },
  };
}

function open(more: Partial<AuditorParts> = {}): Auditor {
  const reached = executor();
  const uploader = new Uploader({
    blobs: reached.blobs,
    readFile: async () => Buffer.from(''),
    nowMs: () => 0,
    knownForMs: 1,
  });
  return new Auditor({
    percent: 100,
    random: () => 0,
    clock,
    log: silentLog,
    tally: new Tally(dir),
    findings: new Findings(join(dir, 'findings')),
    compileHere: async (job, folder, signal) => {
      await settled();
      if (signal.aborted) return err({ reason: 'interrupted', detail: '' });
      const made = here(job, folder);
      return typeof made === 'string' ? ok(compiled(made)) : err(made);
    },
    compileThere: async (job) => there(job),
    remote: async () => ({ kind: 'connected', executor: reached, uploader }),
    mayStart: () => idle,
    mustStop: () => wanted,
    ...more,
  });
}

function compiled(object: string): Compiled {
  return { stdout: Buffer.from(''), stderr: Buffer.from(''), files: new Map([['object', Buffer.from(object)]]) };
}

function job(command = '-O2 -fwrapv -c a.c -o a.o'): CompileJob {
  const compile = classifyCommand({
    family,
    driverLanguage: 'c',
    argv: command.split(' '),
    env: {},
    readResponseFile: () => undefined,
  });
  if (compile.kind === 'local') throw new Error(compile.detail);
  return {
    id: 'job',
    build: 'build',
    compile,
    compiler: {
      family,
      driverLanguage: 'c',
      path: '/usr/bin/gcc',
      chain: [],
      program: '',
      name: '',
      identity: 'gcc-1',
    },
    invokedAs: 'gcc',
    cwd: '/project',
    env: {},
    stderrTerminal: undefined,
    arrivedMs: 0,
  };
}

function outcome(object: string, more: Partial<CompileOutcome> = {}): CompileOutcome {
  const place: StepPlace = { kind: 'remote', worker: 'w', attempts: 1 };
  const bytes = Buffer.from(object);
  return {
    exitCode: 0,
    stdout: Buffer.from(''),
    stderr: Buffer.from(''),
    files: [{ role: 'object', target: '/project/a.o', bytes, keepsMode: () => false }],
    place,
    timings: zeroTimings,
    key,
    readsClock: false,
    inputsUnchanged: async () => unchanged,
    ...more,
  };
}

/** Lets audits go on until none is left or all wait. */
async function pass(): Promise<void> {
  await clock.advance(3_000);
  for (let turn = 0; turn < 40; turn += 1) await clock.advance(0);
}

describe('samples', () => {
  test('are drawn at the rate that was set last', async () => {
    let drawn = 0;
    const auditor = open({ percent: 1, random: () => (drawn++ % 100) / 100 });
    for (let at = 0; at < 300; at += 1) auditor.offer(job(), outcome('right'));
    expect(auditor.status().taken).toBe(3);
    auditor.setPercent(0);
    for (let at = 0; at < 100; at += 1) auditor.offer(job(), outcome('right'));
    expect(auditor.status().taken).toBe(3);
    auditor.setPercent(50);
    for (let at = 0; at < 100; at += 1) auditor.offer(job(), outcome('right'));
    expect(auditor.status()).toMatchObject({ percent: 50, taken: 53 });
    expect(open({ percent: 1 }).status().percent).toBe(50);
    await auditor.close();
  });

  test('of compiles that ran here are none', () => {
    const auditor = open();
    auditor.offer(job(), outcome('right', { place: { kind: 'local', reason: 'no-worker', detail: '' } }));
    expect([auditor.status().taken, auditor.hurry(10)]).toEqual([0, 0]);
  });

  test('wait for idle cores in bounded room, one after the other', async () => {
    idle = false;
    let running = 0;
    let most = 0;
    const auditor = open({
      limits: { samples: 3, bytes: 25 },
      compileHere: async () => {
        most = Math.max(most, (running += 1));
        await settled();
        running -= 1;
        return ok(compiled('123456789'));
      },
    });
    for (const object of ['123456789', '123456789', '123456789', 'ok']) auditor.offer(job(), outcome(object));
    auditor.offer(job(), outcome('ok'));
    await pass();
    expect(auditor.status()).toMatchObject({ taken: 5, waiting: 3, equal: 0, skipped: { 'queue-full': 2 } });
    idle = true;
    await clock.advance(500);
    expect(auditor.status()).toMatchObject({ equal: 1, waiting: 2 });
    await clock.advance(500);
    expect(auditor.status()).toMatchObject({ equal: 2, waiting: 1 });
    auditor.offer(job(), outcome('123456789'));
    auditor.hurry();
    await pass();
    expect([auditor.status().equal, running, most]).toEqual([3, 0, 1]);
    await auditor.close();
    expect(clock.pending).toBe(0);
  });

  test('give way to a build, are taken up again, and are given up in the end', async () => {
    let aborted = 0;
    const auditor = open({
      compileHere: (_job, _folder, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted += 1;
            resolve(err({ reason: 'interrupted', detail: '' }));
          });
        }),
    });
    auditor.offer(job(), outcome('right'));
    await clock.advance(500);
    expect(auditor.status().waiting).toBe(1);
    await clock.advance(2000);
    expect(aborted).toBe(0);
    wanted = true;
    await clock.advance(500);
    expect([aborted, auditor.status().waiting]).toEqual([1, 1]);
    await clock.advance(20_000);
    expect(aborted).toBe(6);
    expect(auditor.status()).toMatchObject({ waiting: 0, skipped: { interrupted: 1 } });
    await auditor.close();
  });

  test('are left out with a reason where there is nothing to compare', async () => {
    const auditor = open();
    auditor.offer(job(), outcome('right', { readsClock: true }));
    await pass();
    here = () => ({ reason: 'local-failed', detail: 'no space left' });
    auditor.offer(job(), outcome('right'));
    await pass();
    here = (_, folder) => `right in ${folder}`;
    auditor.offer(job(), outcome('right'));
    await pass();
    here = () => 'edited';
    unchanged = false;
    auditor.offer(job(), outcome('right'));
    await pass();
    let asked = 0;
    auditor.offer(job(), outcome('right', { inputsUnchanged: async () => (asked += 1) === 1 }));
    await pass();
    expect(auditor.status()).toMatchObject({
      taken: 5,
      equal: 0,
      different: 0,
      skipped: { 'time-macro': 1, 'local-failed': 1, 'output-path': 1, 'input-changed': 2 },
      findings: [],
    });
    expect(told).toEqual([]);
    await auditor.close();
  });
});

describe('a result that this machine never makes', () => {
  test('puts its worker into quarantine for good when another worker agrees with this machine', async () => {
    there = () => ok(outcome('right', { place: { kind: 'remote', worker: 'v', attempts: 1 } }));
    const auditor = open();
    auditor.offer(job(), outcome('wrong'));
    await pass();
    expect(told).toEqual(['rejected the key', 'quarantined w']);
    const [finding] = auditor.status().findings;
    expect(finding).toMatchObject({
      blame: { kind: 'worker', worker: 'w' },
      differing: ['object'],
      secondOpinion: 'v gave the bytes of this machine',
      output: '/project/a.o',
    });
    expect(auditor.whyLocal(job().compile, job().compiler, '/project')).toBeUndefined();
    expect(auditor.status()).toMatchObject({ equal: 0, different: 1 });
    await auditor.close();
  });

  test('keeps the command here, not the worker away, when another worker makes something else too', async () => {
    there = () => ok(outcome('wrong', { place: { kind: 'remote', worker: 'v', attempts: 1 } }));
    const auditor = open();
    auditor.offer(job(), outcome('wrong'));
    await pass();
    expect(told).toEqual(['rejected the key', 'quarantined w', 'lifted w', 'rejected the key']);
    const { compile, compiler } = job();
    expect(auditor.whyLocal(compile, compiler, '/project')).toMatchObject({ reason: 'audit-difference' });
    expect(auditor.whyLocal(compile, compiler, '/elsewhere')).toBeUndefined();
    expect(auditor.whyLocal(compile, { ...compiler, identity: 'gcc-2' }, '/project')).toBeUndefined();
    expect(auditor.whyLocal(job('-O1 -c a.c -o a.o').compile, compiler, '/project')).toBeUndefined();
    // The next agent knows it too.
    const next = open();
    expect(next.whyLocal(compile, compiler, '/project')).toMatchObject({ reason: 'audit-difference' });
    expect(next.forgive('/project/a.o')).toMatchObject({ ok: true, value: [{ forgiven: true }] });
    expect(next.whyLocal(compile, compiler, '/project')).toBeUndefined();
    await auditor.close();
  });

  test('is told as such where the worker cannot be kept away', async () => {
    const auditor = open({ remote: async () => ({ kind: 'none', message: 'the scheduler is gone' }) });
    auditor.offer(job(), outcome('wrong'));
    await pass();
    const [finding] = auditor.status().findings;
    expect(finding?.summary).toContain('it is NOT in quarantine');
    expect(finding?.secondOpinion).toContain('no-worker: none is left');
    await auditor.close();
  });
});

describe('a command that gives something else each time', () => {
  test('is held against the option that causes it, and never against the worker', async () => {
    let run = 0;
    here = ({ compile }) => (compile.argv.includes('-fwrapv') ? `run ${(run += 1)}` : 'steady');
    const auditor = open();
    auditor.offer(job(), outcome('some run'));
    await pass();
    expect(told).toEqual([]);
    expect(auditor.status().findings).toMatchObject([
      { blame: { kind: 'option', option: '-fwrapv', compiler: 'gcc-1' } },
    ]);
    const { compiler } = job();
    const why = { reason: 'not-reproducible' };
    expect(auditor.whyLocal(job('-fwrapv -c b.c').compile, compiler, '/elsewhere')).toMatchObject(why);
    expect(auditor.whyLocal(job('-O2 -c b.c').compile, compiler, '/project')).toBeUndefined();
    expect(auditor.forgive('-fwrapv')).toMatchObject({ ok: true, value: [{ id: expect.any(String) }] });
    expect(auditor.whyLocal(job('-fwrapv -c b.c').compile, compiler, '/elsewhere')).toBeUndefined();
    await auditor.close();
  });

  test('stays here by itself when no option causes it', async () => {
    let run = 0;
    here = () => `run ${(run += 1)}`;
    const auditor = open();
    auditor.offer(job(), outcome('some run'));
    await pass();
    expect(auditor.status().findings).toMatchObject([{ blame: { kind: 'unit', cause: 'not-reproducible' } }]);
    const { compile, compiler } = job();
    expect(auditor.whyLocal(compile, compiler, '/project')).toMatchObject({ reason: 'not-reproducible' });
    expect(auditor.whyLocal(job('-c b.c').compile, compiler, '/project')).toBeUndefined();
    await auditor.close();
  });
});

describe('audits that are asked for', () => {
  test('do not wait for idle cores, and ask the cluster for the last results again', async () => {
    idle = false;
    const asked: string[] = [];
    there = ({ compile }) => {
      asked.push(compile.source);
      return compile.source === 'c2.c' ? err({ reason: 'no-cluster', detail: '' }) : ok(outcome('right'));
    };
    const auditor = open({ random: () => 0.99, percent: 1 });
    for (let at = 0; at < 130; at += 1) auditor.offer(job(`-c c${at % 4}.c`), outcome('right'));
    expect(auditor.hurry(3)).toBe(3);
    await pass();
    expect(asked).toEqual(['c3.c', 'c0.c', 'c1.c']);
    expect(auditor.status()).toMatchObject({ taken: 3, equal: 3, urgent: 0 });
    expect(auditor.hurry(1000)).toBe(100);
    await clock.advance(0);
    for (let turn = 0; auditor.status().urgent > 0 && turn < 1000; turn += 1) await clock.advance(1);
    expect(auditor.status()).toMatchObject({ taken: 103, equal: 78, skipped: { 'not-remote': 25 } });
    await auditor.close();
  });

  test('take up what waits', async () => {
    idle = false;
    const auditor = open();
    auditor.offer(job(), outcome('right'));
    await pass();
    expect(auditor.status()).toMatchObject({ waiting: 1, equal: 0 });
    expect(auditor.hurry()).toBe(1);
    await pass();
    expect(auditor.status()).toMatchObject({ waiting: 0, urgent: 0, equal: 1 });
    await auditor.close();
  });
});
