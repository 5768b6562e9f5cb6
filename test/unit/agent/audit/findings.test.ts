import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Findings } from '../../../../src/agent/audit/findings.ts';
import { Tally } from '../../../../src/agent/audit/tally.ts';
import type { AuditBlame } from '../../../../src/model/audit.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'icets-findings-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function found(atMs: number, blame: AuditBlame = { kind: 'worker', worker: 'w' }) {
  return {
    atMs,
    blame,
    summary: 'worker w gave other bytes',
    differing: ['object'],
    label: 'a.c',
    output: '/build/a.o',
    cwd: '/build',
    argv: ['gcc', '-c', 'a.c'],
    worker: 'w',
    cached: false,
    secondOpinion: 'none',
  };
}

function side(object: string) {
  return {
    stdout: Buffer.from(''),
    stderr: Buffer.from('warned'),
    files: new Map([['object' as const, Buffer.from(object)]]),
  };
}

describe('findings', () => {
  test('keep both sides, and are there for the next agent, the newest first', () => {
    const findings = new Findings(dir);
    const first = findings.add(found(1000), { result: side('wrong'), here: side('right') });
    findings.add(found(2000), {});
    expect(readFileSync(join(first.folder!, 'result/a.o'), 'utf8')).toBe('wrong');
    expect(readFileSync(join(first.folder!, 'here/a.o'), 'utf8')).toBe('right');
    expect(readFileSync(join(first.folder!, 'here/standard-error'), 'utf8')).toBe('warned');
    mkdirSync(join(dir, 'damaged'));
    writeFileSync(join(dir, 'damaged/finding.json'), '{');
    const again = new Findings(dir);
    expect(again.active).toEqual(findings.active);
    expect(again.active.map(({ atMs }) => atMs)).toEqual([2000, 1000]);
  });

  test('of one millisecond have folders of their own', () => {
    const findings = new Findings(dir);
    const ids = [1, 2, 3].map(() => findings.add(found(1000), {}).id);
    expect(new Set(ids).size).toBe(3);
    expect(new Findings(dir).active).toHaveLength(3);
  });

  test('are forgiven by worker, option, object or id, for good', () => {
    const findings = new Findings(dir);
    findings.add(found(1), {});
    findings.add(found(2, { kind: 'option', option: '-fx', compiler: 'gcc' }), {});
    findings.add(found(3, { kind: 'unit', unit: 'key', cause: 'other-on-workers' }), {});
    const last = findings.add(found(4, { kind: 'worker', worker: 'v' }), {});
    const forgive = (name: string) => {
      const forgiven = findings.forgive(name);
      return forgiven.ok ? forgiven.value.map(({ atMs }) => atMs) : forgiven.error;
    };
    expect(forgive('nobody')).toEqual([]);
    expect(forgive('w')).toEqual([1]);
    expect(forgive('w')).toEqual([]);
    expect(forgive('/build/a.o')).toEqual([3]);
    expect(forgive(last.id)).toEqual([4]);
    expect(new Findings(dir).active.map(({ atMs }) => atMs)).toEqual([2]);
    expect(forgive('all')).toEqual([2]);
    expect(new Findings(dir).active).toEqual([]);
  });

  test('are bounded: files of the oldest go first, then descriptions, the forgiven before the others', () => {
    const findings = new Findings(dir, { findings: 3, withFiles: 2, bytes: 100 });
    const first = findings.add(found(1), { here: side('x') });
    findings.add(found(2), { here: side('x') });
    findings.add(found(3), { here: side('x') });
    expect(findings.active.map(({ folder }) => folder === null)).toEqual([false, false, true]);
    expect(readdirSync(first.folder!)).toEqual(['finding.json']);
    const large = findings.add(found(4), { here: side('x'.repeat(101)) });
    expect(large.folder).toBeNull();
    expect(findings.active.map(({ atMs }) => atMs)).toEqual([4, 3, 2]);
    expect(existsSync(join(dir, first.id))).toBe(false);
    findings.forgive(findings.active[0]!.id);
    findings.add(found(5), {});
    expect(findings.active.map(({ atMs }) => atMs)).toEqual([5, 3, 2]);
    expect(new Findings(dir).active.map(({ atMs }) => atMs)).toEqual([5, 3, 2]);
  });

  test('that cannot be written are not lost while the agent runs', () => {
    const findings = new Findings(join(dir, 'file/below'));
    writeFileSync(join(dir, 'file'), '');
    expect(findings.add(found(1), { here: side('x') })).toMatchObject({ folder: null });
    expect(findings.active).toHaveLength(1);
    expect(findings.forgive('w')).toMatchObject({ ok: false });
  });
});

describe('the tally', () => {
  test('is there for the next agent, with the rate that was set', () => {
    const tally = new Tally(dir);
    tally.count('taken');
    tally.count('equal');
    tally.skip('time-macro');
    tally.skip('time-macro');
    expect(tally.setPercent(5)).toEqual({ ok: true, value: undefined });
    const again = new Tally(dir);
    expect(again.percent).toBe(5);
    expect(again.totals).toEqual({ taken: 1, equal: 1, different: 0, skipped: { 'time-macro': 2 } });
    again.setPercent(undefined);
    expect(new Tally(dir).percent).toBeUndefined();
  });

  test('starts anew where its file is damaged, and says when it cannot be saved', () => {
    writeFileSync(join(dir, 'totals.json'), '{"v":1,"taken":"many","skipped":{}}');
    expect(new Tally(dir).totals.taken).toBe(0);
    writeFileSync(join(dir, 'file'), '');
    expect(new Tally(join(dir, 'file')).save()).toMatchObject({ ok: false });
  });
});
