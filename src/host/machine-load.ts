// How much of this machine's CPU and memory is not wanted now, and whether a quota makes idle CPU cost something all the same.

import { readFileSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

/** what was before says nothing about now */
const recentMs = 5_000;

export class MachineLoad {
  #before:
    { readonly idleMs: number; readonly allMs: number; readonly cores: number; readonly atMs: number } | undefined;

  /** Cores that had nothing to do since the last call, as a mean; undefined when that was long ago, or there was none. */
  idleCores(): number | undefined {
    const now = cpus();
    let idleMs = 0;
    let allMs = 0;
    for (const { times } of now) {
      idleMs += times.idle;
      allMs += times.idle + times.user + times.nice + times.sys + times.irq;
    }
    const before = this.#before;
    const atMs = performance.now();
    this.#before = { idleMs, allMs, cores: now.length, atMs };
    if (before === undefined || atMs - before.atMs > recentMs) return undefined;
    if (before.cores !== now.length || allMs <= before.allMs) return undefined;
    return (now.length * (idleMs - before.idleMs)) / (allMs - before.allMs);
  }

  /** Share of the memory that could be had without swapping, 0 to 1. */
  freeMemoryShare(): number {
    return freemem() / totalmem();
  }
}

/**
 * Whether a control group around this process limits its CPU: what one of its programs takes, however nice, the others lack.
 * Both versions of cgroups; what cannot be read does not limit.
 */
export function hasCpuQuota(groups = '/proc/self/cgroup', root = '/sys/fs/cgroup'): boolean {
  for (const line of read(groups).split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controllers !== '' && !controllers.split(',').includes('cpu')) continue;
    const unified = controllers === '';
    for (let at = path; ; at = dirname(at)) {
      const limit = unified ? read(join(root, at, 'cpu.max')) : quotaOf(root, controllers, at);
      if (/^[1-9]/.test(limit)) return true;
      if (at === '/') break;
    }
  }
  return false;
}

function quotaOf(root: string, controllers: string, path: string): string {
  return read(join(root, controllers, path, 'cpu.cfs_quota_us')) || read(join(root, 'cpu', path, 'cpu.cfs_quota_us'));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
