import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { killStraySandboxes } from '../../../src/sandbox/stray-sandboxes.ts';

test('only sandboxes of the given folder are ended', async () => {
  const start = async (name: string, path: string) => {
    // The path is the shell's $0; it waits until its input ends.
    const shell = spawn('/bin/sh', ['-c', 'read line', path], { argv0: name, stdio: ['pipe', 'ignore', 'ignore'] });
    await once(shell, 'spawn');
    return shell;
  };
  const folder = `/nowhere/${process.pid}/roots`;
  const ours = [await start('bwrap', `${folder}/1`), await start('bwrap', folder)];
  const others = [await start('bwrap', `${folder}2/1`), await start('cc1plus', `${folder}/1`)];
  try {
    const ended = ours.map(async (child) => once(child, 'exit'));
    expect(killStraySandboxes(folder)).toBe(2);
    for (const exit of ended) expect((await exit)[1]).toBe('SIGKILL');
    for (const child of others) {
      expect([child.exitCode, child.signalCode]).toEqual([null, null]);
      const exit = once(child, 'exit');
      child.stdin.end();
      expect((await exit)[1]).toBeNull();
    }
  } finally {
    for (const child of [...ours, ...others]) child.kill('SIGKILL');
  }
});
