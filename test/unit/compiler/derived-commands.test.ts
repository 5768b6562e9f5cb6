// The commands made from a compile: -M run, search query, remote command.

import { describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../../src/compiler/classify.ts';
import { dependencyCommand } from '../../../src/compiler/dependency-command.ts';
import type { ParsedCompile } from '../../../src/compiler/parsed-compile.ts';
import { remoteCommand } from '../../../src/compiler/remote-command.ts';
import { parseSearchList, searchQueryCommand } from '../../../src/compiler/search-query.ts';

function parse(argv: readonly string[], rsp = ''): ParsedCompile {
  const family = { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' } as const;
  const readResponseFile = (path: string) => (path === 'rsp' ? Buffer.from(rsp) : undefined);
  const parsed = classifyCommand({ family, driverLanguage: 'c', argv, env: {}, readResponseFile });
  if (parsed.kind === 'local') throw new Error(`${parsed.reason} ${parsed.detail}`);
  return parsed;
}

test('the -M run keeps search, macros and code options and drops every output', () => {
  const argv =
    '-c -O2 -Ia -I b -DX -include y.h -MMD -MP -MT t -MF d.d -Wp,-DZ,-MP -gsplit-dwarf -fstack-usage -x c++ -o o.o a.c';
  expect(dependencyCommand(parse(argv.split(' ')))).toEqual(
    '-M -MT icets -O2 -Ia -I b -DX -include y.h -Wp,-DZ -x c++ a.c'.split(' '),
  );
  expect(dependencyCommand(parse(['-c', 'a.c']), 'list')).toEqual(['-M', '-MT', 'icets', '-MF', 'list', 'a.c']);
});

test('the search query is the same for sources and macros that differ', () => {
  const one = searchQueryCommand(parse('-c -O2 -Ia -DX=1 -Wp,-DY -include p.h one.c -o one.o'.split(' ')));
  const two = searchQueryCommand(parse('-c -O2 -Ia -DX=2 two.c -MD'.split(' ')));
  expect(one).toEqual('-O2 -Ia -E -dM -v -x c /dev/null'.split(' '));
  expect(two).toEqual(one);
});

test('a search list is read with its missing directories', () => {
  const text = [
    'ignoring nonexistent directory "/no such"',
    'ignoring duplicate directory "/usr/include"',
    '#include "..." search starts here:',
    ' q',
    '#include <...> search starts here:',
    ' a b',
    ' /System (framework directory)',
    ' /usr/include',
    'End of search list.',
    ' as -v',
  ].join('\n');
  expect(parseSearchList(text)).toEqual({ quote: ['q'], angle: ['a b', '/usr/include'], nonexistent: ['/no such'] });
  expect(parseSearchList('error')).toBeUndefined();
});

describe('the remote command', () => {
  test('is the user’s own when it writes a depfile', () => {
    const argv = ['-c', 'a.c', '-MMD'];
    expect(remoteCommand(parse(argv), 's.d')).toEqual({
      argv,
      responseFiles: [],
      proof: { kind: 'user-depfile', file: 'a.d', headers: 'user' },
    });
  });

  test('asks for a list in a scratch file otherwise, unless the object records the command', () => {
    expect(remoteCommand(parse(['-c', 'a.c']), 's.d')).toEqual({
      argv: ['-MD', '-MF', 's.d', '-c', 'a.c'],
      responseFiles: [],
      proof: { kind: 'scratch', file: 's.d', headers: 'all' },
    });
    expect(remoteCommand(parse(['-c', 'a.c', '-frecord-gcc-switches']), 's.d').proof).toEqual({ kind: 'none' });
  });

  test('expands a response file, but leaves it when the command would be too long', () => {
    expect(remoteCommand(parse(['-c', 'a.c', '@rsp', '-MD'], '-DX'), 's.d').argv).toEqual(['-c', 'a.c', '-DX', '-MD']);
    const long = remoteCommand(parse(['-c', 'a.c', '@rsp', '-MD'], `-DX=${'x'.repeat(120_000)}`), 's.d');
    expect(long.argv).toEqual(['-c', 'a.c', '@rsp', '-MD']);
    expect(long.responseFiles).toEqual(['rsp']);
  });
});
