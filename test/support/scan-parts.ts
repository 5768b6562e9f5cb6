// The real scanner and toolchain parts wired together as cli wires them, over a cache folder of the test's own.

import { join } from 'node:path';
import { Semaphore } from '../../src/base/semaphore.ts';
import type { Processes } from '../../src/model/processes.ts';
import { CompilerRung } from '../../src/scan/compiler-rung.ts';
import { StatFileDigests } from '../../src/scan/file-digests.ts';
import { InputRoots } from '../../src/scan/input-root.ts';
import { DiskInputTrees } from '../../src/scan/input-tree.ts';
import { PathStats } from '../../src/scan/path-stats.ts';
import { StatCache } from '../../src/scan/stat-cache.ts';
import { SystemTrees } from '../../src/scan/system-trees.ts';
import { Toolchains } from '../../src/toolchain/toolchains.ts';
import { childProcesses } from './child-processes.ts';

export interface ScanParts {
  readonly stats: PathStats;
  readonly cache: StatCache;
  readonly digests: StatFileDigests;
  readonly snapshots: SystemTrees;
  readonly trees: DiskInputTrees;
  readonly roots: InputRoots;
  readonly scanner: CompilerRung;
  readonly toolchains: Toolchains;
}

export function scanParts(cacheFolder: string, processes: Processes = childProcesses): ScanParts {
  const stats = new PathStats();
  const cache = new StatCache(join(cacheFolder, 'digests'));
  const digests = new StatFileDigests(stats, cache);
  const snapshots = new SystemTrees({ digests });
  const trees = new DiskInputTrees(digests);
  const roots = new InputRoots(trees, snapshots);
  const scanner = new CompilerRung({ processes, digests, permits: new Semaphore(2) });
  const toolchains = new Toolchains({
    processes,
    digests,
    snapshots,
    trees,
    cacheFolder: join(cacheFolder, 'toolchains'),
  });
  return { stats, cache, digests, snapshots, trees, roots, scanner, toolchains };
}
