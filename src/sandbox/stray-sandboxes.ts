// Ends sandboxes whose bubblewrap was killed before it had tied their life to its own: --die-with-parent takes hold a few
// milliseconds after the start, and until then a killed parent leaves the inner process running. Unaware of actions.

import { readdirSync, readFileSync } from 'node:fs';

const scans = 10;

/**
 * Kills every bubblewrap process of this machine that has `path`, or something below it, among its arguments; with the first
 * process of a sandbox all of it ends. To be called when the sandbox is meant to be over.
 * @returns how many were found
 */
export function killStraySandboxes(path: string): number {
  const found = new Set<string>();
  // A process that forks while it is looked for shows in the next scan.
  for (let scan = 0; scan < scans; scan++) {
    const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && isSandboxOf(name, path));
    if (pids.length === 0) break;
    for (const pid of pids) {
      found.add(pid);
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
  }
  return found.size;
}

function isSandboxOf(pid: string, path: string): boolean {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return false;
  }
  if (!line.startsWith('bwrap\0')) return false;
  return line.split('\0').some((argument) => argument === path || argument.startsWith(`${path}/`));
}
