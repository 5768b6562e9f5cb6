// The real scanner and toolchain parts wired together as cli wires them, over a cache folder of the test's own.

import { join } from 'node:path';
import { Semaphore } from '../../src/base/semaphore.ts';
import type { Processes } from '../../src/model/processes.ts';
import { CompilerFactsCache } from '../../src/scan/compiler-facts.ts';
import { CompilerRung } from '../../src/scan/compiler-rung.ts';
import { DirectoryWatch } from '../../src/scan/directory-watch.ts';
import { DirectiveCache } from '../../src/scan/directive-cache.ts';
import { ExactRung } from '../../src/scan/exact-rung.ts';
import { StatFileDigests } from '../../src/scan/file-digests.ts';
import { FileTable } from '../../src/scan/file-table.ts';
import { InputRoots } from '../../src/scan/input-root.ts';
import { DiskInputTrees } from '../../src/scan/input-tree.ts';
import { PathStats } from '../../src/scan/path-stats.ts';
import { ScanLadder } from '../../src/scan/scan-ladder.ts';
import { StatCache } from '../../src/scan/stat-cache.ts';
import { SystemTrees } from '../../src/scan/system-trees.ts';
import { UnitStore } from '../../src/scan/unit-store.ts';
import { Toolchains } from '../../src/toolchain/toolchains.ts';
import { childProcesses } from './child-processes.ts';

export interface ScanParts {
  readonly stats: PathStats;
  readonly cache: StatCache;
  readonly digests: StatFileDigests;
  readonly snapshots: SystemTrees;
  readonly trees: DiskInputTrees;
  readonly roots: InputRoots;
  /** the ladder, as the agent has it */
  readonly scanner: ScanLadder;
  readonly exact: ExactRung;
  readonly compiler: CompilerRung;
  readonly toolchains: Toolchains;
  readonly table: FileTable;
  /** as when the agent ends: what is new is written, nothing is watched any more */
  end(): Promise<void>;
}

export function scanParts(cacheFolder: string, processes: Processes = childProcesses): ScanParts {
  const stats = new PathStats();
  const cache = new StatCache(join(cacheFolder, 'digests'));
  const digests = new StatFileDigests(stats, cache);
  const watch = new DirectoryWatch({ cookieFolder: join(cacheFolder, 'cookies') });
  const snapshots = new SystemTrees({ digests, watch });
  const trees = new DiskInputTrees(digests);
  const roots = new InputRoots(trees, snapshots);
  const permits = new Semaphore(2);
  const table = new FileTable({ digests, watch });
  const facts = new CompilerFactsCache({ processes, table, permits, folder: join(cacheFolder, 'probes') });
  const compiler = new CompilerRung({ processes, digests, facts, permits });
  const directives = new DirectiveCache({ folder: join(cacheFolder, 'directives') });
  const store = new UnitStore({ folder: join(cacheFolder, 'units'), version: 'test' });
  const exact = new ExactRung({ facts, table, directives, store });
  const scanner = new ScanLadder(exact, compiler);
  const toolchains = new Toolchains({
    processes,
    digests,
    snapshots,
    trees,
    cacheFolder: join(cacheFolder, 'toolchains'),
    version: 'test',
  });
  const end = async () => {
    await cache.save();
    directives.flush();
    store.flush();
    watch.close();
  };
  return { stats, cache, digests, snapshots, trees, roots, scanner, exact, compiler, toolchains, table, end };
}
