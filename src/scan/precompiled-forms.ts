// Precompiled forms of the files that an evaluation has read: where one stands, the compiler takes it in their place.
// Unaware of what follows from that.

import { basename, dirname } from 'node:path';
import type { CompilerFacts } from './compiler-facts.ts';
import { precompiledShadows } from './compiler-rung.ts';
import type { Evaluation } from './evaluation.ts';
import type { FileTable } from './file-table.ts';
import type { ScanUnit } from './scanner.ts';
import { inside } from './system-trees.ts';

/** The path of one that exists; that there is none is in the evaluation's trail then. */
export function precompiledForm(
  table: FileTable,
  unit: ScanUnit,
  facts: CompilerFacts,
  { files, trail }: Evaluation,
  dependencies: readonly string[],
): string | undefined {
  const exists = (path: string) => {
    const folder = table.folder(dirname(path));
    const has = folder.has(basename(path), unit.arrivedMs);
    trail.folders.add(folder.at(unit.arrivedMs));
    return has;
  };
  const { source, family } = unit.compile;
  const shadows = family.kind === 'gcc' ? precompiledShadows(unit, facts.search, [source, ...dependencies]) : [];
  const isSystem = (path: string) => facts.search.coarse.some((directory) => inside(path, directory));
  const own = files.filter(({ path }) => !isSystem(path)).map(({ path }) => `${path}.gch`);
  return [...shadows, ...own].find(exists);
}
