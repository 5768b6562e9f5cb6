// A gcc that only answers what the scanner asks: search directories, predefined macros, dialect, operators, and -M with a
// list that the test gives. Unaware of files but for the directories that it searches.

import { existsSync, readFileSync } from 'node:fs';
import { ok } from '../../src/base/result.ts';
import { classifyCommand } from '../../src/compiler/classify.ts';
import type { CompilerFamily } from '../../src/compiler/compiler-family.ts';
import type { Processes, ProcessExit } from '../../src/model/processes.ts';
import { computedNames } from '../../src/scan/dialect-probe.ts';
import type { ScanUnit } from '../../src/scan/scanner.ts';

export interface FakeCompilerOptions {
  /** its own search directories */
  readonly system?: readonly string[];
  /** operands of `#define` */
  readonly predefined?: readonly string[];
  /** names that it computes */
  readonly defined?: readonly string[];
  /** `__has_builtin(x)` and the like to their values */
  readonly values?: Readonly<Record<string, number>>;
  /** opened before every source: the first `NAME` that a search directory has */
  readonly preincluded?: string;
  /** prerequisites that -M prints, or what it says before it fails */
  readonly listed?: readonly string[] | string;
}

export interface FakeCompiler {
  readonly processes: Processes;
  /** argv of every run so far */
  readonly runs: readonly (readonly string[])[];
  /** what it answers from now on */
  options: FakeCompilerOptions;
}

export function fakeCompiler(options: FakeCompilerOptions = {}): FakeCompiler {
  const runs: string[][] = [];
  const fake: FakeCompiler = {
    runs,
    options,
    processes: {
      run: ({ argv, cwd }) => {
        runs.push([...argv]);
        return Promise.resolve(ok(answer(fake.options, argv, cwd)));
      },
    },
  };
  return fake;
}

/** A unit of `argv` (without the compiler) in `cwd`, arriving now. */
export function fakeUnit(cwd: string, argv: readonly string[], family: CompilerFamily = gcc): ScanUnit {
  const compile = classifyCommand({ family, driverLanguage: 'c', argv, env: {}, readResponseFile: () => undefined });
  if (compile.kind !== 'compile') throw new Error(`${compile.reason}: ${compile.detail}`);
  return {
    compile,
    compiler: '/usr/bin/fake-gcc',
    invokedAs: 'fake-gcc',
    compilerIdentity: 'fake',
    cwd,
    env: {},
    arrivedMs: performance.now(),
  };
}

const gcc: CompilerFamily = { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' };

function answer(options: FakeCompilerOptions, argv: readonly string[], cwd: string): ProcessExit {
  if (argv.includes('-M')) {
    const { listed = 'no list' } = options;
    return typeof listed === 'string' ? exit(1, '', listed) : exit(0, `a.o: ${listed.join(' \\\n ')}\n`, '');
  }
  const there = (path: string) => existsSync(path.startsWith('/') ? path : `${cwd}/${path}`);
  const given = argv.flatMap((each) => (each.startsWith('-I') && each !== '-I' ? [each.slice(2)] : []));
  const wanted = [...given, ...(options.system ?? [])];
  const angle = wanted.filter((path, at) => there(path) && wanted.indexOf(path) === at);
  const said = [
    ...wanted.filter((path) => !there(path)).map((path) => `ignoring nonexistent directory "${path}"`),
    ...wanted.filter((path, at) => wanted.indexOf(path) < at).map((path) => `ignoring duplicate directory "${path}"`),
    '#include "..." search starts here:',
    '#include <...> search starts here:',
    ...angle.map((path) => ` ${path}`),
    'End of search list.',
    '',
  ];
  if (!argv.includes('-dM')) return exit(0, '', said.join('\n'));
  const probe = argv.at(-1) ?? '';
  const preincluded = angle.map((path) => `${path}/${options.preincluded}`).filter(there)[0];
  const printed = [
    ...(options.predefined ?? []).map((operand) => `#define ${operand}`),
    ...told(readFileSync(probe, 'utf8'), options).map((name) => `#define ICETS_PROBE_${name} 1`),
    `icets: ${[probe, ...(preincluded === undefined ? [] : [preincluded])].join(' \\\n ')}`,
    '',
  ];
  return exit(0, printed.join('\n'), said.join('\n'));
}

/** What the probe's macros would tell of such a compiler. */
function told(probe: string, { defined = [], values = {} }: FakeCompilerOptions): string[] {
  const names = ['ELIFDEF', 'DIGRAPHS', 'LINE_COMMENTS', 'NO_SEPARATORS'];
  [...computedNames].forEach((name, at) => {
    if (defined.includes(name)) names.push(`N${at}`);
  });
  for (const [, name = '', question = ''] of probe.matchAll(/^#ifdef (.*)\n#define ICETS_PROBE_(Q\d+) 1$/gm)) {
    if (defined.includes(name)) names.push(question);
  }
  const bits = /^#if \((.*)\) & (\d+)\n#define ICETS_PROBE_(Q\d+_\d+) 1$/gm;
  for (const [, text = '', mask, question = ''] of probe.matchAll(bits)) {
    if (((values[text] ?? 0) & Number(mask)) !== 0) names.push(question);
  }
  return names;
}

function exit(code: number, stdout: string, stderr: string): ProcessExit {
  return {
    status: { kind: 'exited', code },
    stdout: Buffer.from(stdout),
    stderr: Buffer.from(stderr),
    truncated: false,
    timedOut: false,
    wallMs: 0,
    userMs: 0,
    systemMs: 0,
    maxRssBytes: 0,
  };
}
