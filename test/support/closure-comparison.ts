// Compares what a scanner says about one compile with the compiler's own -M. Unaware of where the compile comes from.

import { realpathSync } from 'node:fs';
import { classifyCommand } from '../../src/compiler/classify.ts';
import { dependencyCommand } from '../../src/compiler/dependency-command.ts';
import { depfilePrerequisites } from '../../src/compiler/depfile.ts';
import type { Processes } from '../../src/model/processes.ts';
import type { Closure, ClosureScanner, ScanUnit } from '../../src/scan/scanner.ts';
import type { CompilerIdentity } from '../../src/toolchain/toolchain-package.ts';

export type Comparison =
  /** the scanner answered, and so did the compiler; all three lists empty: they agree */
  | {
      readonly kind: 'both';
      readonly closure: Closure;
      readonly scanMs: number;
      /** in the compiler's list, not in `dependencies` */
      readonly missing: readonly string[];
      readonly extra: readonly string[];
      /** in the compiler's list, but the closure has no such file */
      readonly uncovered: readonly string[];
      /** the lists differ, but as files they are the same */
      readonly otherNames: boolean;
    }
  | { readonly kind: 'not-understood'; readonly why: string; readonly scanMs: number }
  /** the compiler fails; a scanner that has an exact answer all the same is wrong when a header is missing */
  | {
      readonly kind: 'compiler-failed';
      readonly answered: boolean;
      readonly headerMissing: boolean;
      readonly said: string;
    }
  | { readonly kind: 'not-a-compile'; readonly why: string };

export type Listed =
  { readonly ok: true; readonly list: readonly string[] } | { readonly ok: false; readonly said: string };

/** A unit of `argv` (without the compiler), or why the command would stay here. */
export function scanUnit(
  identity: CompilerIdentity,
  invokedAs: string,
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): ScanUnit | string {
  const { family, driverLanguage, path } = identity;
  const compile = classifyCommand({ family, driverLanguage, argv, env, readResponseFile: () => undefined });
  if (compile.kind !== 'compile') return `${compile.reason}: ${compile.detail}`;
  return {
    compile,
    compiler: path,
    invokedAs,
    compilerIdentity: identity.identity,
    cwd,
    env,
    arrivedMs: performance.now(),
  };
}

/** What the compiler's own -M says. */
export async function compilerList(unit: ScanUnit, processes: Processes): Promise<Listed> {
  const ran = await processes.run({
    argv: [unit.invokedAs, ...dependencyCommand(unit.compile)],
    executable: unit.compiler,
    env: { ...unit.env, LC_ALL: 'C' },
    cwd: unit.cwd,
    outputLimitBytes: 64 << 20,
    timeoutMs: 60_000,
  });
  if (!ran.ok) return { ok: false, said: ran.error.message };
  const { status, stdout, stderr, timedOut } = ran.value;
  if (status.kind !== 'exited' || status.code !== 0 || timedOut)
    return { ok: false, said: timedOut ? 'timed out' : Buffer.from(stderr).toString('utf8') };
  return { ok: true, list: depfilePrerequisites(Buffer.from(stdout).toString('utf8')) };
}

/** @param scansWhatFails whether a unit is scanned that the compiler gives up for another reason than a missing header */
export async function compareUnit(
  unit: ScanUnit,
  listed: Listed,
  scanner: ClosureScanner,
  scansWhatFails: 'always' | 'where a header is missing' = 'always',
): Promise<Comparison> {
  const headerMissing = !listed.ok && /No such file or directory|file not found/.test(listed.said);
  if (!listed.ok && !headerMissing && scansWhatFails !== 'always') {
    return { kind: 'compiler-failed', answered: false, headerMissing, said: listed.said };
  }
  const startMs = performance.now();
  const scanned = await scanner.scan({ ...unit, arrivedMs: startMs });
  const scanMs = performance.now() - startMs;
  if (!listed.ok) {
    const answered = scanned.ok && scanned.value.rung === 'exact';
    return { kind: 'compiler-failed', answered, headerMissing, said: listed.said };
  }
  if (!scanned.ok) return { kind: 'not-understood', why: `${scanned.error.reason}: ${scanned.error.message}`, scanMs };
  const closure = scanned.value;
  const expected = new Set(listed.list);
  const predicted = new Set(closure.dependencies);
  const files = new Set(closure.files.map(({ path }) => withoutDots(path)));
  const absolute = (name: string) => (name.startsWith('/') ? name : `${unit.cwd}/${name}`);
  const missing = [...expected].filter((name) => !predicted.has(name));
  const extra = [...predicted].filter((name) => !expected.has(name));
  const real = (list: readonly string[]) =>
    [...new Set(list.map((name) => physical(absolute(name))))].sort().join('\n');
  return {
    kind: 'both',
    closure,
    scanMs,
    missing,
    extra,
    otherNames: missing.length + extra.length > 0 && real([...expected]) === real([...predicted]),
    uncovered: [...expected].filter((name) => !files.has(withoutDots(absolute(name)))),
  };
}

/** What is wrong in one line, or undefined when nothing is. */
export function faultOf(comparison: Comparison): string | undefined {
  switch (comparison.kind) {
    case 'both': {
      const lists = (['missing', 'extra', 'uncovered'] as const).flatMap((name) =>
        comparison[name].length === 0 ? [] : [`${name}: ${comparison[name].join(' ')}`],
      );
      return lists.length === 0 ? undefined : lists.join('; ');
    }
    case 'compiler-failed':
      return comparison.answered && comparison.headerMissing
        ? `answered though a header is missing: ${comparison.said.split('\n', 2).join(' ')}`
        : undefined;
    case 'not-understood':
    case 'not-a-compile':
      return undefined;
  }
}

function physical(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** gcc leaves out a leading `./` in its list, though it opens the file by that name. */
function withoutDots(path: string): string {
  return path.replaceAll(/\/(?:\.?\/)+/g, '/');
}
