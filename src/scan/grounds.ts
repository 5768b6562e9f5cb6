// What a closure rests on, and whether all of it still is what it was. What events show is walked only when something has
// changed, and in full every few seconds. Unaware of how a closure is found.

import { closureUnchanged } from './closure-builder.ts';
import type { CompilerFacts } from './compiler-facts.ts';
import type { FileTable, FileVersion, FolderAnswers, TableFile } from './file-table.ts';
import type { Closure } from './scanner.ts';

/** All of it must be the same object again. */
interface LookedAt {
  readonly versions: readonly FileVersion[];
  readonly folders: readonly FolderAnswers[];
  readonly absent: readonly TableFile[];
  /** files, directories and probes that the evaluation does not cover */
  readonly rest: Closure;
}

export interface Grounds extends LookedAt {
  readonly key: string;
  readonly digest: string;
  readonly facts: CompilerFacts;
  shown: NotShown | undefined;
}

/** Of grounds that held, what events do not show: where the events stood, and until when they are believed. */
interface NotShown extends LookedAt {
  readonly changes: number;
  readonly untilMs: number;
}

/** Whether files, directories and probes are what they were at or after a moment of the monotonic clock. The table has caught up. */
export function groundsHold(grounds: Grounds, table: FileTable, notBeforeMs: number): boolean {
  const { shown } = grounds;
  const { digests, paths } = table;
  const { stats } = digests;
  if (shown !== undefined && table.isShown(shown.changes, notBeforeMs) && (paths?.provenMs ?? 0) < shown.untilMs) {
    return allSame(shown, notBeforeMs) && closureUnchanged(shown.rest, digests, stats, notBeforeMs);
  }
  const { changes } = table;
  const { rest } = grounds;
  // followed first: a stat from before the watch would not show what happened in between
  const isOpen = (path: string) => paths?.followPlace(path) !== true;
  const open = {
    ...rest,
    directories: rest.directories.filter(isOpen),
    probes: rest.probes.filter(({ path }) => isOpen(path)),
  };
  if (!allSame(grounds, notBeforeMs)) return false;
  if (!closureUnchanged(rest, digests, stats, paths === undefined ? notBeforeMs : performance.now())) return false;
  grounds.shown = changes === table.changes ? { changes, ...openOf(grounds), rest: open } : undefined;
  return true;
}

function allSame({ versions, folders, absent }: Omit<LookedAt, 'rest'>, notBeforeMs: number): boolean {
  for (const version of versions) if (version.file.at(notBeforeMs) !== version) return false;
  for (const answers of folders) if (answers.folder.at(notBeforeMs) !== answers) return false;
  for (const file of absent) if (file.at(notBeforeMs).record !== undefined) return false;
  return true;
}

function openOf(grounds: Grounds): Omit<NotShown, 'changes' | 'rest'> {
  let untilMs = Infinity;
  const isOpen = (file: TableFile) => {
    const until = file.shownUntilMs;
    if (until !== -Infinity) untilMs = Math.min(untilMs, until);
    return until === -Infinity;
  };
  const versions = grounds.versions.filter(({ file }) => isOpen(file));
  const absent = grounds.absent.filter(isOpen);
  return { untilMs, versions, absent, folders: grounds.folders.filter(({ folder }) => !folder.isShown) };
}
