import { describe, expect, test } from '@jest/globals';
import { findOption, hasOption } from '../../../../src/agent/audit/option-search.ts';
import { classifyCommand } from '../../../../src/compiler/classify.ts';
import type { ParsedCompile } from '../../../../src/compiler/parsed-compile.ts';

function parse(command: string): ParsedCompile {
  const classified = classifyCommand({
    family: { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' },
    driverLanguage: 'c',
    argv: command.split(' '),
    env: {},
    readResponseFile: () => undefined,
  });
  if (classified.kind === 'local') throw new Error(`${classified.reason}: ${classified.detail}`);
  return classified;
}

const command = '-O2 -g -Wall -fPIC -DX=1 -Iinclude -pipe -fwrapv -funroll-loops -Wa,--noexecstack -MD -c a.c -o a.o';

describe('the search for an option', () => {
  test('finds the one without which the compile is reproducible, wherever it stands, in few steps', async () => {
    for (const culprit of ['-O2', '-g', '-pipe', '-fwrapv', '-Wa,--noexecstack']) {
      let asked = 0;
      const found = await findOption(parse(command), async ({ argv }) => {
        asked += 1;
        return !argv.includes(culprit);
      });
      expect({ culprit, found }).toEqual({ culprit, found: culprit });
      expect(asked).toBeLessThanOrEqual(6);
    }
  });

  test('never leaves out what says what is compiled', async () => {
    const seen: string[] = [];
    await findOption(parse(command), async ({ argv }) => {
      seen.push(argv.join(' '));
      return !argv.includes('-fwrapv');
    });
    expect(seen.every((argv) => argv.includes('-DX=1 -Iinclude') && argv.endsWith('-MD -c a.c -o a.o'))).toBe(true);
  });

  test('finds none where it takes two, where the source does it, or where there are no options', async () => {
    const two = ({ argv }: ParsedCompile) => !argv.includes('-g') && !argv.includes('-funroll-loops');
    expect(await findOption(parse(command), async (compile) => two(compile))).toBeUndefined();
    expect(await findOption(parse(command), async () => false)).toBeUndefined();
    expect(await findOption(parse('-c a.c -o a.o'), async () => true)).toBeUndefined();
  });

  test('names an option so that other commands with it are known', () => {
    expect(hasOption(parse('-fwrapv -c b.c'), '-fwrapv')).toBe(true);
    expect(hasOption(parse('-c b.c -o x-fwrapv'), '-fwrapv')).toBe(false);
    expect(hasOption(parse('-Xassembler --noexecstack -c b.c'), '-Xassembler --noexecstack')).toBe(true);
  });
});
