// The folder for one agent's cookie files: named after its process, and those of agents that were killed removed.
// Unaware of what cookies are for.

import { readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A process that is told from a later one with the same number. */
export interface ProcessName {
  readonly pid: number;
  /** when it started, in clock ticks since boot; digits */
  readonly startTicks: string;
}

/** A folder of another machine or container, whose processes cannot be asked about: an agent in use renames its cookie often. */
const forgottenAfterMs = 7 * 24 * 3600 * 1000;

/**
 * The path of a folder of its own for `owner`; not made yet. Removes those of processes that have ended.
 * @param parent folder of all agents that share a cache folder, perhaps missing
 * @param isRunning tells whether exactly this process of the same pid namespace still runs
 */
export function cookieFolderOf(
  parent: string,
  owner: ProcessName,
  isRunning: (process: ProcessName) => boolean,
  nowMs = Date.now(),
): string {
  const namespace = pidNamespace();
  for (const name of namesIn(parent)) {
    const path = join(parent, name);
    const [, space, pid, startTicks] = /^([0-9]+)-([0-9]+)-([0-9]+)$/.exec(name) ?? [];
    const ours = space === namespace && pid !== undefined && startTicks !== undefined;
    const ended = ours ? !isRunning({ pid: Number(pid), startTicks }) : olderThan(path, nowMs - forgottenAfterMs);
    if (ended) rmSync(path, { recursive: true, force: true });
  }
  return join(parent, `${namespace}-${owner.pid}-${owner.startTicks}`);
}

/** Number of this process's pid namespace: the same pid elsewhere is another process. */
function pidNamespace(): string {
  try {
    return /[0-9]+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function olderThan(path: string, beforeMs: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.mtimeMs < beforeMs;
}
