import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/base/log.ts';
import type { StepRecord } from '../../../src/model/step.ts';
import { countSteps } from '../../../src/steps/counters.ts';
import { parseSegmentName } from '../../../src/steps/segment.ts';
import { StepLog } from '../../../src/steps/step-log.ts';
import { StepReader } from '../../../src/steps/step-reader.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let dir: string;
let clock: FakeClock;
let reader: StepReader;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'icets-steps-'));
  clock = new FakeClock(Date.now());
  reader = new StepReader(dir);
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

function open(limitBytes = 1 << 24): StepLog {
  return new StepLog({ dir, limitBytes, clock, log: silentLog });
}

function record(more: Partial<StepRecord> = {}): StepRecord {
  return {
    v: 1,
    id: 'i',
    build: 'b',
    kind: 'compile',
    label: 'a.c',
    output: '/p/a.o',
    cwd: '/p',
    argv: ['cc', '-c', 'a.c'],
    place: { kind: 'remote', worker: 'w', attempts: 1 },
    end: { kind: 'exited', code: 0 },
    startMs: 1,
    endMs: 2,
    phases: {},
    userMs: 0,
    systemMs: 0,
    maxRssBytes: 0,
    ...more,
  };
}

async function idsOf(build: string): Promise<string[]> {
  const read = await reader.readBuild(build);
  if (!read.ok) throw new Error(read.error.message);
  return read.value.map((each) => each.id);
}

describe('the step log', () => {
  test('keeps records in order, batches apart and builds apart', async () => {
    const log = open();
    log.add(record({ id: '1' }));
    log.add(record({ id: '2', build: 'other / build' }));
    await log.flush();
    log.add(record({ id: '3' }));
    await log.close();
    expect(await idsOf('b')).toEqual(['1', '3']);
    expect(await idsOf('other / build')).toEqual(['2']);
    expect(await idsOf('none')).toEqual([]);
    expect(log.figures).toEqual({ kept: 3, dropped: 0 });
  });

  test('writes by itself after a short while', async () => {
    const log = open();
    log.add(record());
    expect(await readdir(dir)).toEqual([]);
    await clock.advance(100);
    await log.flush();
    expect(await idsOf('b')).toEqual(['i']);
  });

  test('reads what a crash tore, and goes on after it', async () => {
    const first = open();
    first.add(record({ id: '1' }));
    first.add(record({ id: '2' }));
    await first.close();
    const [name] = await readdir(dir);
    const path = join(dir, name!);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.slice(0, -20));
    expect(await idsOf('b')).toEqual(['1']);
    await clock.advance(5);
    const second = open();
    second.add(record({ id: '3' }));
    await second.close();
    expect(await idsOf('b')).toEqual(['1', '3']);
  });

  test('passes over lines that are no records', async () => {
    const log = open();
    log.add(record({ id: '1' }));
    await log.close();
    const [name] = await readdir(dir);
    await appendFile(join(dir, name!), 'nonsense\n{"v":1}\n{"v":2}\n');
    await appendFile(join(dir, name!), `${JSON.stringify(record({ id: '2' }))}\n`);
    expect(await idsOf('b')).toEqual(['1', '2']);
  });

  test('starts each segment with its version, and leaves another version alone with a clear failure', async () => {
    const log = open();
    log.add(record());
    await log.close();
    const [name] = await readdir(dir);
    const path = join(dir, name!);
    const text = await readFile(path, 'utf8');
    expect(JSON.parse(text.split('\n')[0]!)).toEqual({ format: 'icets-steps', version: 1, build: 'b' });
    await writeFile(path, text.replace('"version":1', '"version":9'));
    expect(await reader.readBuild('b')).toMatchObject({ ok: false, error: { reason: 'unknown-version' } });
    expect(await reader.lastRecordFor('/p/a.o')).toMatchObject({ ok: false, error: { reason: 'unknown-version' } });
    expect(await reader.listBuilds()).toEqual({ ok: true, value: [] });
    expect(await readdir(dir)).toEqual([name]);
  });

  test('drops the oldest builds beyond its limit and keeps the newest', async () => {
    const log = open(20_000);
    for (let build = 0; build < 12; build++) {
      for (let i = 0; i < 10; i++) log.add(record({ id: `${i}`, build: `b${build}` }));
      await log.flush();
      await clock.advance(10);
    }
    const names = await readdir(dir);
    const builds = names.map((name) => parseSegmentName(name)?.build);
    expect(builds).toContain('b11');
    expect(builds).not.toContain('b0');
    let bytes = 0;
    for (const name of names) bytes += (await stat(join(dir, name))).size;
    expect(bytes).toBeLessThanOrEqual(20_000);
    expect(await idsOf('b11')).toHaveLength(10);
  });

  test('bounds a single endless build as well', async () => {
    const log = open(20_000);
    for (let i = 0; i < 300; i++) {
      log.add(record({ id: String(i) }));
      await log.flush();
      await clock.advance(1);
    }
    const ids = await idsOf('b');
    expect(ids.at(-1)).toBe('299');
    expect(ids.length).toBeLessThan(120);
    expect(ids).toEqual(ids.map((_, i) => String(300 - ids.length + i)));
  });

  test('never throws: a folder that cannot be made costs records, which are counted', async () => {
    await writeFile(join(dir, 'file'), '');
    const log = new StepLog({ dir: join(dir, 'file', 'log'), limitBytes: 1000, clock, log: silentLog });
    log.add(record());
    await log.close();
    expect(log.figures).toEqual({ kept: 0, dropped: 1 });
  });

  test('drops records beyond what may wait for a slow disk', async () => {
    const log = open();
    for (let i = 0; i < 20_005; i++) log.add(record());
    expect(log.figures.dropped).toBe(5);
    await log.close();
    expect(log.figures.kept).toBe(20_000);
  });
});

describe('the reader', () => {
  test('finds the last record of an output, over builds', async () => {
    const log = open();
    log.add(record({ id: '1', endMs: 10 }));
    log.add(record({ id: '2', endMs: 30 }));
    await log.flush();
    await clock.advance(10);
    log.add(record({ id: '3', build: 'later', endMs: 20 }));
    log.add(record({ id: '4', build: 'later', endMs: 50, output: '/p/b.o' }));
    await log.close();
    expect(await reader.lastRecordFor('/p/a.o')).toMatchObject({ ok: true, value: { id: '2' } });
    expect(await reader.lastRecordFor('/p/b.o')).toMatchObject({ ok: true, value: { id: '4' } });
    expect(await reader.lastRecordFor('/p/none.o')).toEqual({ ok: true, value: undefined });
  });

  test('does not open segments that can hold nothing later', async () => {
    const log = open();
    const nowMs = Date.now();
    log.add(record({ id: 'old', build: 'old', endMs: nowMs - 100_000 }));
    log.add(record({ id: 'new', build: 'new', endMs: nowMs - 50 }));
    await log.close();
    const old = (await readdir(dir)).find((name) => name.includes('-old.'));
    await writeFile(join(dir, old!), '{"format":"icets-steps","version":9}\n');
    await utimes(join(dir, old!), new Date(nowMs - 90_000), new Date(nowMs - 90_000));
    expect(await reader.lastRecordFor('/p/a.o')).toMatchObject({ ok: true, value: { id: 'new' } });
  });

  test('lists builds, oldest first', async () => {
    const log = open();
    const firstMs = clock.nowMs();
    log.add(record({ build: 'one' }));
    await log.flush();
    await clock.advance(1000);
    log.add(record({ build: 'two' }));
    log.add(record({ build: 'one' }));
    await log.close();
    const builds = await reader.listBuilds();
    if (!builds.ok) throw new Error(builds.error.message);
    expect(builds.value.map(({ id, startMs }) => [id, startMs - firstMs])).toEqual([
      ['one', 0],
      ['two', 1000],
    ]);
    expect(builds.value[0]!.bytes).toBeGreaterThan(builds.value[1]!.bytes);
  });

  test('takes a folder that is not there for an empty log', async () => {
    expect(await new StepReader(join(dir, 'none')).listBuilds()).toEqual({ ok: true, value: [] });
  });
});

describe('counters', () => {
  test('count places, reasons, kinds and failures', () => {
    const counters = countSteps([
      record(),
      record({ place: { kind: 'cache', worker: 'w' } }),
      record({ kind: 'link', place: { kind: 'local', reason: 'link', detail: '' } }),
      record({ place: { kind: 'local', reason: 'no-worker', detail: '' }, end: { kind: 'exited', code: 1 } }),
    ]);
    expect(counters).toMatchObject({ steps: 4, places: { remote: 1, cache: 1, local: 2 }, failed: 1 });
    expect(Object.fromEntries(counters.localReasons)).toEqual({ link: 1, 'no-worker': 1 });
    expect(Object.fromEntries(counters.kinds)).toEqual({ compile: 3, link: 1 });
  });
});
