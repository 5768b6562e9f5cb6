import { describe, expect, test } from '@jest/globals';
import { Command, stderrTerminalProperty } from '../../../src/model/action.ts';
import { checkCommand } from '../../../src/worker/command-reader.ts';

const check = (partial: Parameters<typeof Command.fromPartial>[0]) =>
  checkCommand(Command.fromPartial({ arguments: ['g++'], ...partial }));

describe('checkCommand', () => {
  test.each([
    ['no program', { arguments: [] }],
    ['an empty program', { arguments: [''] }],
    ['a NUL in an argument', { arguments: ['a', 'b\0c'] }],
    ['an argument that no kernel takes', { arguments: ['a', 'x'.repeat(131072)] }],
    ['a variable without a name', { environmentVariables: [{ name: '', value: 'x' }] }],
    ['a variable with = in its name', { environmentVariables: [{ name: 'A=B', value: 'x' }] }],
    ['a NUL in a variable', { environmentVariables: [{ name: 'A', value: '\0' }] }],
    ['an absolute working directory', { workingDirectory: '/project' }],
    ['an output directory', { outputDirectories: ['out'] }],
    ['a terminal without a size', { platform: { properties: [{ name: stderrTerminalProperty, value: 'wide' }] } }],
  ])('%s is refused', (_what, partial) => {
    expect(check(partial)).toMatchObject({ ok: false, error: { reason: 'invalid-request' } });
  });

  test('output paths replace the older output files, and a terminal has its size', () => {
    const command = check({
      outputFiles: ['old'],
      outputPaths: ['new'],
      platform: { properties: [{ name: stderrTerminalProperty, value: '120x40' }] },
    });
    expect(command).toMatchObject({
      ok: true,
      value: { outputPaths: ['new'], stderrTerminal: { columns: 120, rows: 40 } },
    });
    expect(check({ outputFiles: ['old'] })).toMatchObject({ ok: true, value: { outputPaths: ['old'] } });
  });
});
