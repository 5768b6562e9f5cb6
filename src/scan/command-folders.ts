// The directories that clang meets before it reads anything: those of the command line, in its order. Unaware of the disk.

import type { CompilerFacts } from './compiler-facts.ts';
import { FolderNames, type FolderIdentity } from './folder-names.ts';
import { parentOf, toBytes } from './include-search.ts';
import type { ScanUnit } from './scanner.ts';

/** Of a directory that does not exist clang meets the parent. */
export function commandFolders(unit: ScanUnit, facts: CompilerFacts, identityOf: FolderIdentity): FolderNames {
  const names = new FolderNames(identityOf);
  const { directories } = unit.compile.search;
  const given = (option: string) => directories.filter((each) => each.option === option).map(({ path }) => path);
  const fromVariable = unit.env['CPATH']?.split(':').map((path) => (path === '' ? '.' : path)) ?? [];
  const { quote, angle } = facts.search.spelled;
  const inOrder = [given('I'), fromVariable, ...['idirafter', 'iquote', 'isystem'].map(given), quote, angle];
  for (const path of inOrder.flat()) {
    const spelling = toBytes(path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);
    if (names.folderOf(spelling) === undefined && !path.endsWith('/')) names.meet([parentOf(spelling)]);
  }
  return names;
}
