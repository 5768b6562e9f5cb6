import { existsSync, readlinkSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { cookieFolderOf, type ProcessName } from '../../../src/scan/cookie-folder.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('cookies');
});
afterEach(() => scratch.remove());

const namespace = /[0-9]+/.exec(readlinkSync('/proc/self/ns/pid'))![0];
const owner = { pid: 7, startTicks: '70' };
const only =
  (...alive: ProcessName[]) =>
  ({ pid, startTicks }: ProcessName) =>
    alive.some((one) => one.pid === pid && one.startTicks === startTicks);
const kept = (name: string) => existsSync(`${scratch.path}/agents/${name}`);

describe('the folder for cookies', () => {
  test('is named after the process and its start, below a parent that may be missing', () => {
    expect(cookieFolderOf(`${scratch.path}/agents`, owner, only())).toBe(`${scratch.path}/agents/${namespace}-7-70`);
    expect(kept('')).toBe(false);
  });

  test('of a process that was killed is removed, that of one that runs is kept', () => {
    scratch.write(`agents/${namespace}-5-50/5-3`, '');
    scratch.write(`agents/${namespace}-6-60/6-1`, '');
    cookieFolderOf(`${scratch.path}/agents`, owner, only({ pid: 5, startTicks: '50' }));
    expect(kept(`${namespace}-5-50`)).toBe(true);
    expect(kept(`${namespace}-6-60`)).toBe(false);
  });

  test('of a killed process whose number another one has now is removed', () => {
    scratch.write(`agents/${namespace}-5-49/5-3`, '');
    cookieFolderOf(`${scratch.path}/agents`, owner, only({ pid: 5, startTicks: '50' }));
    expect(kept(`${namespace}-5-49`)).toBe(false);
  });

  test('of another pid namespace, or of a form that is not known, goes once it has not been used for long', () => {
    const foreign = `${namespace}9-5-50`;
    for (const name of [foreign, '1234']) scratch.write(`agents/${name}/cookie`, '');
    cookieFolderOf(`${scratch.path}/agents`, owner, only());
    expect([kept(foreign), kept('1234')]).toEqual([true, true]);
    for (const name of [foreign, '1234']) utimesSync(`${scratch.path}/agents/${name}`, 1_000_000, 1_000_000);
    cookieFolderOf(`${scratch.path}/agents`, owner, only());
    expect([kept(foreign), kept('1234')]).toEqual([false, false]);
  });
});
