// One random include tree put on disk and scanned beside gcc and clang. Unaware of how trees come about.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, isAbsolute, join } from 'node:path';
import type { Processes } from '../../src/model/processes.ts';
import type { ClosureScanner } from '../../src/scan/scanner.ts';
import type { CompilerIdentity } from '../../src/toolchain/toolchain-package.ts';
import type { Toolchains } from '../../src/toolchain/toolchains.ts';
import { compareUnit, compilerList, faultOf, scanUnit, type Comparison } from './closure-comparison.ts';
import { argumentsAt, writeTree, type IncludeTree } from './include-tree.ts';
import { rehearsalText, type Rehearsal } from './rehearsals.ts';

export const treeCompilers = ['gcc', 'clang'] as const;
export type TreeCompiler = (typeof treeCompilers)[number];

export interface TrialResult {
  readonly compiler: TreeCompiler;
  readonly comparison: Comparison;
  readonly fault: string | undefined;
}

export interface TreeTrials {
  readonly compilers: readonly TreeCompiler[];
  /** @param rehearsals scanned before the tree's own source, under the same options */
  run(tree: IncludeTree, rehearsals: readonly Rehearsal[], only?: readonly TreeCompiler[]): Promise<TrialResult[]>;
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
    async run(tree, rehearsals, only = compilers) {
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
            for (const command of rehearsalCommands(tree, root, driver, rehearsals)) {
              const other = scanUnit(identity, driver, command, join(root, tree.cwd), env);
              if (typeof other !== 'string') await scanner.scan(other);
            }
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

/** Writes the rehearsals beside the tree's source. The commands that compile them, without the compiler. */
function rehearsalCommands(
  tree: IncludeTree,
  root: string,
  driver: string,
  rehearsals: readonly Rehearsal[],
): readonly (readonly string[])[] {
  const argv = argumentsAt(tree, root);
  const source = argv.at(-1) ?? '';
  return rehearsals.map((rehearsal, at) => {
    const path = join(dirname(source), `rehearsal-${driver}-${at}${extname(source)}`);
    const text = rehearsalText(rehearsal, tree);
    writeFileSync(isAbsolute(path) ? path : join(root, tree.cwd, path), text, 'latin1');
    return [...argv.slice(0, -1), path, '-c', '-o', 'out.o'];
  });
}
