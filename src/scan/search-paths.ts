// Where a compiler looks for headers under the flags of a compile.

import { isDirectory, type PathStats } from './path-stats.ts';

export interface SearchPaths {
  /** absolute, as the compiler goes through them: for `"..."` after the includer's own directory, then `angle` */
  readonly quote: readonly string[];
  readonly angle: readonly string[];
  /** the same as the compiler spells them in the names of files that it finds there */
  readonly spelled: { readonly quote: readonly string[]; readonly angle: readonly string[] };
  /** existing directories that were named twice */
  readonly duplicates: readonly string[];
  /** asked for but not there */
  readonly nonexistent: readonly string[];
  /** physical paths of the compiler's own directories, those of the command line and the environment left out */
  readonly coarse: readonly string[];
}

/** Those of `paths` that are directories now. */
export function existingDirectories(paths: Iterable<string>, stats: PathStats, notBeforeMs: number): string[] {
  const existing: string[] = [];
  for (const path of new Set(paths)) {
    const stat = stats.stat(path, notBeforeMs);
    if (stat !== undefined && isDirectory(stat)) existing.push(path);
  }
  return existing;
}
