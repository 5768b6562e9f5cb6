// The description of the embedded cluster that `icets up` started on this machine: its URL and its processes.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';

const shape = z.object({
  v: z.literal(1),
  url: z.string(),
  processes: z.array(
    z.object({ role: z.string(), pid: z.int(), /** field 22 of /proc/PID/stat */ startTicks: z.string() }),
  ),
});

export type ClusterFile = z.infer<typeof shape>;

function pathOf(stateDir: string): string {
  return join(stateDir, 'cluster.json');
}

/** The description, or undefined when there is none that this version understands. */
export function readClusterFile(stateDir: string): ClusterFile | undefined {
  try {
    const parsed = shape.safeParse(JSON.parse(readFileSync(pathOf(stateDir), 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function writeClusterFile(stateDir: string, cluster: ClusterFile): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const temporary = `${pathOf(stateDir)}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(cluster, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, pathOf(stateDir));
}

export function removeClusterFile(stateDir: string): void {
  rmSync(pathOf(stateDir), { force: true });
}

/** When the process started, in clock ticks since boot; undefined when there is no such process or it is a zombie. */
export function processStartTicks(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isRunning(entry: { readonly pid: number; readonly startTicks: string }): boolean {
  return processStartTicks(entry.pid) === entry.startTicks;
}
