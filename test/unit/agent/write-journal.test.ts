import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { WriteJournal } from '../../../src/agent/write-journal.ts';

const owner = { pid: 4711, startTicks: '99' };
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'icets-journal-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('WriteJournal', () => {
  test('removes the temporary files of an agent that is gone', () => {
    const journals = join(folder, 'journals');
    const killed = new WriteJournal(journals, owner, () => true);
    const left = killed.reserve(folder);
    writeFileSync(left, 'half an object');
    new WriteJournal(journals, { pid: 4712, startTicks: '100' }, () => false);
    expect(existsSync(left)).toBe(false);
    expect(readdirSync(journals)).toEqual(['journal-4712-100']);
  });

  test('leaves the files of an agent that still runs alone', () => {
    const journals = join(folder, 'journals');
    const running = new WriteJournal(journals, owner, () => true);
    const pending = running.reserve(folder);
    writeFileSync(pending, 'being written');
    new WriteJournal(journals, { pid: 4712, startTicks: '100' }, (pid) => pid === owner.pid);
    expect(existsSync(pending)).toBe(true);
  });

  test('never removes a file whose name is not one of its own', () => {
    const journals = join(folder, 'journals');
    new WriteJournal(journals, owner, () => true);
    const precious = join(folder, 'precious.c');
    writeFileSync(precious, 'int x;');
    writeFileSync(join(journals, 'journal-4711-99'), `${JSON.stringify(precious)}\n{"torn`);
    new WriteJournal(journals, { pid: 4712, startTicks: '100' }, () => false);
    expect(existsSync(precious)).toBe(true);
  });

  test('never names two files alike', () => {
    const journal = new WriteJournal(join(folder, 'journals'), owner, () => true);
    const names = new Set(Array.from({ length: 100 }, () => journal.reserve(folder)));
    expect(names.size).toBe(100);
  });

  test('is removed when it is closed with nothing pending', () => {
    const journals = join(folder, 'journals');
    const journal = new WriteJournal(journals, owner, () => true);
    journal.settle(journal.reserve(folder));
    journal.close();
    expect(readdirSync(journals)).toEqual([]);
  });
});
