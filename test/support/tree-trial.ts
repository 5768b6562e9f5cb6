// One random include tree put on disk and scanned beside gcc and clang. Unaware of how trees come about.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import type { Processes } from '../../src/model/processes.ts';
import type { ClosureScanner } from '../../src/scan/scanner.ts';
import type { CompilerIdentity } from '../../src/toolchain/toolchain-package.ts';
import type { Toolchains } from '../../src/toolchain/toolchains.ts';
import { compareUnit, compilerList, faultOf, scanUnit, type Comparison } from './closure-comparison.ts';
import { headerMacros, switchMacros, valueMacros } from './include-expressions.ts';
import { argumentsAt, writeTree, type IncludeTree } from './include-tree.ts';

export const treeCompilers = ['gcc', 'clang'] as const;
export type TreeCompiler = (typeof treeCompilers)[number];

export interface TrialResult {
  readonly compiler: TreeCompiler;
  readonly comparison: Comparison;
  readonly fault: string | undefined;
}

export interface TreeTrials {
  readonly compilers: readonly TreeCompiler[];
  run(tree: IncludeTree, only?: readonly TreeCompiler[]): Promise<TrialResult[]>;
}

export interface TreeTrialOptions {
  readonly processes: Processes;
  readonly toolchains: Toolchains;
  readonly scanner: ClosureScanner;
  readonly scansWhatFails?: Parameters<typeof compareUnit>[3];
}

const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8' };
const drivers = {
  gcc: { c: 'gcc', 'c++': 'g++', 'assembler-with-cpp': 'gcc' },
  clang: { c: 'clang', 'c++': 'clang++', 'assembler-with-cpp': 'clang' },
} as const;

export async function treeTrials(options: TreeTrialOptions): Promise<TreeTrials> {
  const { processes, toolchains, scanner, scansWhatFails } = options;
  const identities = new Map<string, CompilerIdentity>();
  const compilers = treeCompilers.filter((name) => spawnSync(name, ['--version']).status === 0);
  for (const driver of compilers.flatMap((name) => Object.values(drivers[name]))) {
    const identity = await toolchains.identify({ compiler: driver, cwd: '/', env });
    if (!identity.ok) throw new Error(identity.error.message);
    identities.set(driver, identity.value);
  }
  return {
    compilers,
    async run(tree, only = compilers) {
      const root = realpathSync(mkdtempSync(join(tmpdir(), 'icets-tree-')));
      try {
        writeTree(tree, root);
        return await Promise.all(
          only.map(async (compiler): Promise<TrialResult> => {
            const driver = drivers[compiler][tree.language];
            const argv = [...argumentsAt(tree, root), '-c', '-o', 'out.o'];
            const identity = identities.get(driver);
            if (identity === undefined) throw new Error(`${driver} was not identified`);
            const unit = scanUnit(identity, driver, argv, join(root, tree.cwd), env);
            if (typeof unit === 'string') {
              return { compiler, comparison: { kind: 'not-a-compile', why: unit }, fault: undefined };
            }
            await rehearse(tree, root, driver, identity, scanner);
            const comparison = await compareUnit(unit, await compilerList(unit, processes), scanner, scansWhatFails);
            return { compiler, comparison, fault: faultOf(comparison) };
          }),
        );
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
  };
}

const rehearsals = 4;

/**
 * Other sources of the same tree are scanned first, under the same options: the tree's own with other macros before it, and
 * some that include headers in another order. What is remembered of them is at hand when the tree's own source is scanned.
 */
async function rehearse(
  tree: IncludeTree,
  root: string,
  driver: string,
  identity: CompilerIdentity,
  scanner: ClosureScanner,
): Promise<void> {
  const argv = argumentsAt(tree, root);
  const source = argv.at(-1);
  if (source === undefined) return;
  const absolute = (path: string) => (isAbsolute(path) ? path : join(root, tree.cwd, path));
  const names = [...new Set(tree.files.map(({ path }) => basename(path)))].filter((name) => name !== basename(source));
  const numbers = numberStream(tree.files.map(({ content }) => content).join('\0'));
  const one = (from: readonly string[]) => from[numbers() % from.length] ?? '';
  const macro = () =>
    one(['#undef NAME', '#define NAME', '#define NAME 0', '#define NAME 1', '#define NAME 2']).replace(
      'NAME',
      one([...switchMacros, ...headerMacros, ...valueMacros]),
    );
  const own = readFileSync(absolute(source), 'latin1');
  for (let at = 0; at < rehearsals; at += 1) {
    const lines = Array.from({ length: numbers() % 4 }, macro);
    if (at % 2 === 0) lines.push(own);
    for (let line = 0; at % 2 === 1 && line < 6 && names.length > 0; line += 1) {
      if (numbers() % 3 === 0) lines.push(macro());
      const name = one(names);
      const spelled = numbers() % 2 === 0 ? `"${name}"` : `<${name}>`;
      // a header that is not found ends the rehearsal
      if (numbers() % 3 === 0) lines.push(`#include ${spelled}`);
      else lines.push(`#if __has_include(${spelled})`, `#include ${spelled}`, '#endif');
    }
    const path = join(dirname(source), `rehearsal-${driver}-${at}${extname(source)}`);
    writeFileSync(absolute(path), `${lines.join('\n')}\n`, 'latin1');
    const command = [...argv.slice(0, -1), path, '-c', '-o', 'out.o'];
    const unit = scanUnit(identity, driver, command, join(root, tree.cwd), env);
    if (typeof unit !== 'string') await scanner.scan(unit);
  }
}

/** The same pseudo-random numbers for the same text. */
function numberStream(text: string): () => number {
  let bytes = Buffer.alloc(0);
  let used = 0;
  let round = 0;
  return () => {
    if (used + 4 > bytes.length) {
      bytes = createHash('sha256').update(`${round++} ${text}`).digest();
      used = 0;
    }
    const number = bytes.readUInt32LE(used);
    used += 4;
    return number;
  };
}
