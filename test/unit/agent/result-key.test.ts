import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { resultKey, type ResultKeyParts } from '../../../src/agent/result-key.ts';
import { compileCommand, type CompileCommandParts } from '../../../src/agent/compile-action.ts';
import { digestKey, digestOf, type Digest } from '../../../src/model/digest.ts';
import { noFacts } from '../../../src/scan/file-facts.ts';
import type { Closure, ClosureFile } from '../../../src/scan/scanner.ts';

const digestFor = (content: string): Digest => digestOf(Buffer.from(content));

interface FileSketch {
  readonly path: string;
  readonly content: string;
  readonly mtimeNs: bigint;
  readonly ino: number;
}

function file({ path, content, mtimeNs, ino }: FileSketch): ClosureFile {
  const digest = digestFor(content);
  const mtimeMs = Number(mtimeNs / 1_000_000n);
  const stat = { dev: 1, ino, sizeBytes: content.length, mtimeMs, ctimeMs: mtimeMs, mode: 0o100644 };
  return { path, record: { digest, stat, mtimeNs, facts: noFacts } };
}

interface Sketch {
  readonly toolchain: string;
  readonly command: CompileCommandParts;
  readonly files: readonly FileSketch[];
  readonly directories: readonly string[];
  readonly probes: readonly { path: string; exists: boolean }[];
  readonly dependencies: readonly string[];
  readonly extras: readonly { path: string; content: string }[];
  readonly trees: string | undefined;
}

function partsOf(sketch: Sketch): ResultKeyParts {
  const closure: Closure = {
    rung: 'exact',
    files: sketch.files.map(file),
    directories: sketch.directories,
    coarse: ['/usr/include'],
    probes: sketch.probes,
    dependencies: sketch.dependencies,
    dateOrTime: false,
    timestamp: false,
    sourceBytes: 1,
  };
  return {
    toolchain: digestFor(sketch.toolchain),
    command: compileCommand(sketch.command).blob.digest,
    closure,
    extras: sketch.extras.map(({ path, content }) => ({ path, digest: digestFor(content) })),
    ...(sketch.trees !== undefined && { trees: digestFor(sketch.trees) }),
  };
}

const keyOf = (sketch: Sketch): string => digestKey(resultKey(partsOf(sketch)));

const word = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.includes('\0'));
const path = fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const unique = <T>(item: fc.Arbitrary<T>, by: (value: T) => string, minLength = 1) =>
  fc.uniqueArray(item, { minLength, maxLength: 6, selector: by });

const sketches: fc.Arbitrary<Sketch> = fc.record({
  toolchain: word,
  command: fc.record({
    argv: fc.array(word, { minLength: 1, maxLength: 5 }),
    env: fc.dictionary(word, word, { maxKeys: 3 }),
    cwd: path,
    outputs: unique(path, (value) => value),
    stderrTerminal: fc.option(fc.record({ columns: fc.nat(200), rows: fc.nat(100) }), { nil: undefined }),
  }),
  // few contents, so that some occur twice
  files: unique(
    fc.record({
      path,
      content: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      mtimeNs: fc.bigInt(0n, 4n).map((n) => n * 500_000_000n),
      ino: fc.nat(4),
    }),
    (value) => value.path,
  ),
  directories: unique(path, (value) => value),
  probes: unique(fc.record({ path, exists: fc.boolean() }), (value) => value.path),
  dependencies: unique(path, (value) => value),
  extras: unique(fc.record({ path, content: word }), (value) => value.path),
  trees: fc.option(word, { nil: undefined }),
});

const replaced = <T>(items: readonly T[], at: number, change: (item: T) => T): T[] =>
  items.map((item, index) => (index === at % items.length ? change(item) : item));
const without = <T>(items: readonly T[], at: number): T[] => items.filter((_, index) => index !== at % items.length);

/** Every way in which one thing can become another one. */
const changes: Readonly<Record<string, (sketch: Sketch, at: number) => Sketch>> = {
  toolchain: (s) => ({ ...s, toolchain: `${s.toolchain}x` }),
  'a word of the command': (s, at) => ({
    ...s,
    command: { ...s.command, argv: replaced(s.command.argv, at, (argument) => `${argument}x`) },
  }),
  'a word more': (s) => ({ ...s, command: { ...s.command, argv: [...s.command.argv, ''] } }),
  'a variable': (s) => ({ ...s, command: { ...s.command, env: { ...s.command.env, NEW_VARIABLE: '' } } }),
  'the directory': (s) => ({ ...s, command: { ...s.command, cwd: `${s.command.cwd}/x` } }),
  'an output': (s) => ({ ...s, command: { ...s.command, outputs: [...s.command.outputs, '/new-output'] } }),
  'the terminal': (s) => ({
    ...s,
    command: {
      ...s.command,
      stderrTerminal: {
        columns: (s.command.stderrTerminal?.columns ?? 0) + 1,
        rows: s.command.stderrTerminal?.rows ?? 0,
      },
    },
  }),
  'the content of a file': (s, at) => ({ ...s, files: replaced(s.files, at, (f) => ({ ...f, content: 'new' })) }),
  'the path of a file': (s, at) => ({ ...s, files: replaced(s.files, at, (f) => ({ ...f, path: `${f.path}/x` })) }),
  'a file less': (s, at) => ({ ...s, files: without(s.files, at) }),
  'an answer': (s, at) => ({ ...s, probes: replaced(s.probes, at, (p) => ({ ...p, exists: !p.exists })) }),
  'a probe less': (s, at) => ({ ...s, probes: without(s.probes, at) }),
  'a directory less': (s, at) => ({ ...s, directories: without(s.directories, at) }),
  'a directory': (s, at) => ({ ...s, directories: replaced(s.directories, at, (d) => `${d}/x`) }),
  'the name of a dependency': (s, at) => ({ ...s, dependencies: replaced(s.dependencies, at, (d) => `.${d}`) }),
  'an extra input': (s, at) => ({ ...s, extras: replaced(s.extras, at, (e) => ({ ...e, content: `${e.content}x` })) }),
  'the path of an extra input': (s, at) => ({
    ...s,
    extras: replaced(s.extras, at, (e) => ({ ...e, path: `${e.path}/x` })),
  }),
  'an extra input less': (s, at) => ({ ...s, extras: without(s.extras, at) }),
  'the trees': (s) => ({ ...s, trees: s.trees === undefined ? 'trees' : `${s.trees}x` }),
};

describe('a result key', () => {
  test.each(Object.keys(changes))('is another one when this changes: %s', (name) => {
    fc.assert(
      fc.property(sketches, fc.nat(20), (sketch, at) => {
        expect(keyOf(changes[name]!(sketch, at))).not.toBe(keyOf(sketch));
      }),
      { numRuns: 200 },
    );
  });

  test('does not depend on the order of files, directories, probes, extras, variables and outputs', () => {
    const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length });
    const pairs = sketches.chain((sketch) =>
      fc
        .record({
          files: shuffled(sketch.files),
          directories: shuffled(sketch.directories),
          probes: shuffled(sketch.probes),
          extras: shuffled(sketch.extras),
          env: shuffled(Object.entries(sketch.command.env)),
          outputs: shuffled(sketch.command.outputs),
        })
        .map(({ env, outputs, ...rest }) => {
          const command = { ...sketch.command, env: Object.fromEntries(env), outputs };
          return [sketch, { ...sketch, ...rest, command }] as const;
        }),
    );
    fc.assert(
      fc.property(pairs, ([one, other]) => {
        expect(keyOf(other)).toBe(keyOf(one));
      }),
    );
  });

  test('does not depend on coarse trees, on the rung, or on times and inodes of contents that occur once', () => {
    fc.assert(
      fc.property(sketches, (sketch) => {
        const files = sketch.files.map((one, at) => ({ ...one, content: `content ${at}` }));
        const moved = files.map((one, at) => ({
          ...one,
          mtimeNs: one.mtimeNs + BigInt(at) * 7_000_000_001n,
          ino: 100 - at,
        }));
        const other = partsOf({ ...sketch, files: moved });
        const elsewhere: Closure = { ...other.closure, coarse: ['/opt/include'], rung: 'compiler' };
        expect(digestKey(resultKey({ ...other, closure: elsewhere }))).toBe(keyOf({ ...sketch, files }));
      }),
    );
  });

  describe('of two files with the same content', () => {
    const twins = (mtimes: readonly [bigint, bigint], inodes: readonly [number, number]): string =>
      keyOf({
        toolchain: 't',
        command: { argv: ['cc'], env: {}, cwd: '/w', outputs: ['/w/a.o'], stderrTerminal: undefined },
        files: [
          { path: '/w/b/x.h', content: 'once', mtimeNs: mtimes[1], ino: inodes[1] },
          { path: '/w/a.c', content: 'source', mtimeNs: 1n, ino: 9 },
          { path: '/w/a/x.h', content: 'once', mtimeNs: mtimes[0], ino: inodes[0] },
        ],
        directories: [],
        probes: [],
        dependencies: [],
        extras: [],
        trees: undefined,
      });
    const second = 1_000_000_000n;

    test('says whether their times are equal, which gcc takes for one file, and not what they are', () => {
      const apart = twins([5n * second, 9n * second], [1, 2]);
      expect(twins([5n * second, 5n * second], [1, 2])).not.toBe(apart);
      expect(twins([3n * second, 8n * second], [1, 2])).toBe(apart);
    });

    test('says whether they are equal in whole seconds, which is all that gcc sees', () => {
      expect(twins([5n * second, 5n * second + 1n], [1, 2])).not.toBe(twins([5n * second, 6n * second], [1, 2]));
    });

    test('says whether they are one inode, which clang takes for one file', () => {
      expect(twins([1n, 2n], [3, 3])).not.toBe(twins([1n, 2n], [3, 4]));
      expect(twins([1n, 2n], [3, 4])).toBe(twins([1n, 2n], [5, 6]));
    });
  });

  test('is not confused by texts that only run together alike', () => {
    fc.assert(
      fc.property(sketches, word, word, (sketch, a, b) => {
        const one = { ...sketch, dependencies: [`${a}${b}`] };
        const two = { ...sketch, dependencies: [a, b] };
        expect(keyOf(one)).not.toBe(keyOf(two));
      }),
    );
  });
});
