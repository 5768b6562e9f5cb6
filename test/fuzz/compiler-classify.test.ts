// Random command lines, response files and depfiles: nothing throws, and what is written can be read back.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { classifyCommand } from '../../src/compiler/classify.ts';
import { dependencyCommand } from '../../src/compiler/dependency-command.ts';
import { depfilePrerequisites, parseDepfile } from '../../src/compiler/depfile.ts';
import { optionTable } from '../../src/compiler/options.ts';
import { remoteCommand } from '../../src/compiler/remote-command.ts';
import { splitLikeClang, splitLikeGcc } from '../../src/compiler/response-file.ts';
import { searchQueryCommand } from '../../src/compiler/search-query.ts';
import { commandReasons } from '../../src/model/failure.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);
const runs = { numRuns: 1_000_000, interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false } as const;

const value = fc.oneof(
  fc.constantFrom('a.c', 'x.o', 'b.cc', '-', '', '/dev/null', 'd/e.d', 'native', '2', '=', ',', '-MD,x', '@r', 't.S'),
  fc.string({ maxLength: 6 }),
);
const argument = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...optionTable.map((option) => option.name)) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...optionTable.map((option) => option.name)), value)
      .map((pair) => pair.join('')),
  },
  { weight: 3, arbitrary: value },
  {
    weight: 4,
    arbitrary: fc.constantFrom('-c', '-S', '-o', 'a.c', '-MD', '-g', '-gsplit-dwarf', '-Wp,-MD,w.d', '-O2'),
  },
);
const harmless = fc.constantFrom(
  '-O2',
  '-g',
  '-Wall',
  '-Ia',
  '-DX',
  '-MD',
  '-MMD',
  '-MP',
  '-gsplit-dwarf',
  '-fPIC',
  '-x',
  '-flto',
);

describe('classifyCommand', () => {
  test('gives an answer that holds together for any argv', () => {
    const argv = fc.oneof(
      fc.array(argument, { maxLength: 12 }),
      fc.array(harmless, { maxLength: 8 }).map((list) => ['-c', 'a.c', ...list]),
    );
    let compiles = 0;
    fc.assert(
      fc.property(argv, fc.constantFrom('gcc' as const, 'clang' as const), fc.string(), (list, kind, text) => {
        const classified = classifyCommand({
          family: { kind, version: '1', major: 1, target: 't' },
          driverLanguage: 'c',
          argv: list,
          env: {},
          readResponseFile: (path) => (path === 'r' ? Buffer.from(text) : undefined),
        });
        if (classified.kind === 'local') {
          expect(commandReasons).toContain(classified.reason);
          return;
        }
        compiles += 1;
        expect(classified.argv[classified.sourceIndex]).toBe(classified.source);
        expect(classified.outputs[0]?.path).toBe(classified.output);
        expect(new Set(classified.outputs.map((file) => file.path)).size).toBe(classified.outputs.length);
        for (const file of classified.outputs) expect(file.path).not.toMatch(/^(-|)$|^\/dev\//);
        expect(dependencyCommand(classified)).toContain(classified.source);
        expect(searchQueryCommand(classified)).toContain('-E');
        const remote = remoteCommand(classified, 'scratch.d');
        // The scratch list is all that is ever added.
        const again = classifyCommand({ ...inputOf(classified), argv: remote.argv });
        expect(again).toMatchObject({ kind: 'compile', source: classified.source, output: classified.output });
      }),
      runs,
    );
    expect(compiles).toBeGreaterThan(0);
  });
});

function inputOf(compile: Extract<ReturnType<typeof classifyCommand>, { kind: 'compile' }>) {
  const { family, driverLanguage } = compile;
  return { family, driverLanguage, env: {}, readResponseFile: () => undefined };
}

describe('texts', () => {
  test('words quoted for a response file come back in both styles', () => {
    const word = fc.string({ minLength: 1, unit: fc.constantFrom(...'ab \t\n\\"\'$#-=é') });
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const text = words.map((each) => [...each].map((character) => `\\${character}`).join('')).join(' ');
        expect(splitLikeGcc(text)).toEqual(words);
        expect(splitLikeClang(text)).toEqual(words);
      }),
      runs,
    );
  });

  test('names written into a depfile as gcc writes them come back', () => {
    const name = fc
      .string({ minLength: 1, unit: fc.constantFrom(...'ab/. \\$#') })
      .filter((each) => !each.endsWith('\\') && !/\\#/.test(each));
    fc.assert(
      fc.property(fc.array(name, { minLength: 1 }), (names) => {
        const escape = (each: string) =>
          each
            .replace(/(\\*) /g, (_all, slashes: string) => `${slashes}${slashes}\\ `)
            .replace(/[$]/g, '$$$$')
            .replace(/#/g, '\\#');
        const text = `x.o: ${names.map(escape).join(' \\\n ')}\n`;
        expect(depfilePrerequisites(text)).toEqual([...new Set(names)]);
      }),
      runs,
    );
  });

  test('any text is read as a depfile without a throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'a: \\\n\r\t$#') }), (text) => {
        for (const rule of parseDepfile(text)) expect(rule.targets.length).toBeGreaterThan(0);
      }),
      runs,
    );
  });
});
