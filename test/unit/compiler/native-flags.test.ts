import { describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../../src/compiler/classify.ts';
import { nativeCandidates, parseCommands, sameCommands } from '../../../src/compiler/native-flags.ts';
import type { ParsedCompile } from '../../../src/compiler/parsed-compile.ts';

function parse(kind: 'gcc' | 'clang', command: string): ParsedCompile {
  const family = { kind, version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' };
  const argv = command.split(' ');
  const parsed = classifyCommand({ family, driverLanguage: 'c', argv, env: {}, readResponseFile: () => undefined });
  if (parsed.kind === 'local') throw new Error(parsed.reason);
  return parsed;
}

describe('parseCommands', () => {
  test('reads quoted words and ignores the driver’s other lines', () => {
    const shown =
      'Using built-in specs.\nTarget: x\n /lib/cc1 -quiet -D "X=a \\"b\\\\c\\$d" a.c\n as -o "a b.o" /tmp/ccAbCdEf.s\n';
    expect(parseCommands(shown)).toEqual([
      ['/lib/cc1', '-quiet', '-D', 'X=a "b\\c$d', 'a.c'],
      ['as', '-o', 'a b.o', '/tmp/ccAbCdEf.s'],
    ]);
  });
});

describe('sameCommands', () => {
  test('does not mind names of temporary files, but minds everything else, order included', () => {
    expect(sameCommands(' cc1 -a -o /tmp/ccAAAAAA.s', ' cc1 -a -o /tmp/ccBBBBBB.s', 'gcc')).toBe(true);
    expect(sameCommands(' cc1 -a -b', ' cc1 -b -a', 'gcc')).toBe(false);
    expect(sameCommands(' cc1 -a', ' cc1 -a\n as -b', 'gcc')).toBe(false);
    expect(sameCommands('', '', 'gcc')).toBe(false);
  });

  test('takes clang’s features as a set in which the last word counts', () => {
    const line = (features: string) => ` clang -cc1 ${features} a.c`;
    const one = line('-target-feature +a -target-feature -b');
    expect(sameCommands(one, line('-target-feature +b -target-feature -b -target-feature +a'), 'clang')).toBe(true);
    expect(sameCommands(one, line('-target-feature -b'), 'clang')).toBe(false);
  });
});

describe('nativeCandidates', () => {
  const cc1 =
    ' /lib/cc1 -quiet a.c "-march=znver3" -mavx -mno-sgx --param "l1-cache-size=32" "-mtune=znver3" -quiet -O2';

  test('gcc: first the plain option, then a specs file with the words of this machine', () => {
    const [plain, specs] = nativeCandidates(parse('gcc', '-c a.c -march=native -O2'), cc1, '/t/n.specs');
    expect(plain).toEqual({ argv: ['-c', 'a.c', '-march=znver3', '-O2'], specs: undefined });
    expect(specs?.argv).toEqual(['-specs=/t/n.specs', '-c', 'a.c', '-march=native', '-O2']);
    expect(specs?.specs?.content).toMatch(
      /^\*cc1_cpu:\n.* -march=znver3 -mavx -mno-sgx --param l1-cache-size=32 -mtune=znver3\n\n$/,
    );
  });

  test('clang: the processor by name, the features one by one', () => {
    const shown = ' "clang" "-cc1" "-target-cpu" "znver3" "-target-feature" "+avx" "-tune-cpu" "generic" "a.c"';
    expect(nativeCandidates(parse('clang', '-c a.c -march=native'), shown, '/s')).toEqual([
      { argv: ['-Xclang', '-target-feature', '-Xclang', '+avx', '-c', 'a.c', '-march=znver3'], specs: undefined },
    ]);
  });

  test('there is none without a native flag, without a front end, or when the object records the command', () => {
    expect(nativeCandidates(parse('gcc', '-c a.c -march=x86-64'), cc1, '/s')).toEqual([]);
    expect(nativeCandidates(parse('gcc', '-c a.c -march=native'), ' as -o a.o', '/s')).toEqual([]);
    expect(nativeCandidates(parse('gcc', '-c a.c -march=native -frecord-gcc-switches'), cc1, '/s')).toEqual([]);
  });
});
