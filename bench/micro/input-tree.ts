// CPU of building the input root of one compile from a warm agent: 300 project files over a base with /usr/include.
// Prints a table; run it bundled, as the agent is.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyTree } from '../../src/model/tree.ts';
import { noFacts } from '../../src/scan/file-facts.ts';
import { DirectoryWatch } from '../../src/scan/directory-watch.ts';
import { StatFileDigests } from '../../src/scan/file-digests.ts';
import { InputRoots } from '../../src/scan/input-root.ts';
import { DiskInputTrees } from '../../src/scan/input-tree.ts';
import { PathStats } from '../../src/scan/path-stats.ts';
import type { Closure, ClosureFile } from '../../src/scan/scanner.ts';
import { closureUnchanged } from '../../src/scan/closure-builder.ts';
import { StatCache } from '../../src/scan/stat-cache.ts';
import { SystemTrees } from '../../src/scan/system-trees.ts';

const projectFiles = 300;
const systemFiles = 300;
const rounds = 200;

async function cpuMs(work: () => Promise<unknown>, times: number): Promise<number> {
  const before = process.cpuUsage();
  for (let round = 0; round < times; round += 1) await work();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000 / times;
}

const folder = mkdtempSync(join(tmpdir(), 'icets-bench-'));
try {
  const paths: string[] = [];
  for (let file = 0; file < projectFiles; file += 1) {
    const directory = join(folder, 'src', `module${file % 30}`, 'include');
    mkdirSync(directory, { recursive: true });
    const path = join(directory, `header${file}.h`);
    writeFileSync(path, `#pragma once\nint f${file}(void);\n`.repeat(200));
    paths.push(path);
  }
  // hashed once they are older than the two seconds in which a file is not trusted
  await new Promise((resolve) => setTimeout(resolve, 2_200));

  const stats = new PathStats();
  const digests = new StatFileDigests(stats, new StatCache(undefined));
  const watch = new DirectoryWatch({ cookieFolder: join(folder, 'cookies') });
  const snapshots = new SystemTrees({ digests, watch, spacingMs: 0 });
  const roots = new InputRoots(new DiskInputTrees(digests), snapshots);
  const rows: [string, number][] = [];
  rows.push(['snapshot of /usr/include, nothing known', await cpuMs(() => snapshots.current('/usr/include'), 1)]);
  rows.push([
    'snapshot of /usr/include, digests known',
    await cpuMs(() => new SystemTrees({ digests, watch }).current('/usr/include'), 1),
  ]);
  rows.push(['check that /usr/include is current', await cpuMs(() => snapshots.current('/usr/include'), 200)]);
  const unwatched = new SystemTrees({ digests, spacingMs: 0 });
  await unwatched.current('/usr/include');
  rows.push(['the same by stats', await cpuMs(() => unwatched.current('/usr/include'), 20)]);
  const snapshot = await snapshots.current('/usr/include');
  const system = snapshot.ok
    ? [...snapshot.value.node.files.keys()].slice(0, systemFiles).map((name) => `/usr/include/${name}`)
    : [];

  const closureOf = (arrivedMs: number): Closure => {
    const files: ClosureFile[] = [];
    for (const path of [...paths, ...system]) {
      const record = digests.file(path, arrivedMs);
      if (record.ok) files.push({ path, record: record.value });
    }
    return {
      rung: 'exact',
      files,
      directories: [folder],
      coarse: ['/usr/include'],
      probes: [],
      dependencies: [],
      dateOrTime: false,
      timestamp: noFacts.timestamp,
      sourceBytes: 0,
    };
  };
  const extras = { directories: [folder], files: [] };
  const all = `${projectFiles} project and ${system.length} system files`;
  rows.push([`stat and look up ${all}`, await cpuMs(async () => closureOf(performance.now()), rounds)]);
  const arrivedMs = performance.now();
  const closure = closureOf(arrivedMs);
  rows.push([
    `assemble and encode ${all}, stats known`,
    await cpuMs(async () => {
      const assembled = await roots.assemble(emptyTree, { ...closure }, extras, arrivedMs);
      if (!assembled.ok) throw new Error(assembled.error.message);
    }, rounds),
  ]);
  const together = 20;
  const burst = await cpuMs(
    () =>
      Promise.all(Array.from({ length: together }, () => roots.assemble(emptyTree, { ...closure }, extras, arrivedMs))),
    rounds / together,
  );
  rows.push([`the same for each of ${together} that wait together`, burst / together]);
  rows.push([
    'assemble for a closure that is the same object',
    await cpuMs(() => roots.assemble(emptyTree, closure, extras, performance.now()), rounds),
  ]);
  rows.push([
    'stat them again after the result',
    await cpuMs(async () => closureUnchanged(closure, digests, stats, performance.now()), rounds),
  ]);
  watch.close();
  for (const [name, ms] of rows) console.log(`${ms.toFixed(3).padStart(9)} ms  ${name}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
