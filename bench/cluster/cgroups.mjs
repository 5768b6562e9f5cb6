// CPU quotas and CPU accounting of boards by control groups, version 1 or 2, whichever this machine has. Unaware of what
// runs in a group.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A short period makes a slow core, a long one a core that stutters. */
const periodUs = 10_000;
const sliceFile = '/proc/sys/kernel/sched_cfs_bandwidth_slice_us';
const sliceUs = 1000;

/**
 * @typedef {object} CpuUse
 * @property {number} cpuS
 * @property {number} systemS
 * @property {number} throttledS
 */

/**
 * @typedef {object} Group
 * @property {readonly string[]} joinFiles a process that writes its number into each is in the group
 * @property {readonly string[]} accountFiles the same, accounted but not limited
 * @property {() => CpuUse} use
 * @property {() => { userS: number, systemS: number }} times
 * @property {() => number[]} processes
 */

/**
 * @typedef {object} GroupTree
 * @property {'1' | '2'} version
 * @property {readonly string[]} folders to be removed afterwards, children first; grows
 * @property {(name: string, share: number) => Group} add
 */

/**
 * @param {string} name of the parent group, unique on this machine
 * @param {boolean} first whether the boards come before whatever else the machine runs; else they weigh as much as four
 *   processes
 * @returns {GroupTree}
 */
export function makeGroupTree(name, first) {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const controller = (/** @type {string} */ wanted) =>
    mounts.find(([, , type, options]) => type === 'cgroup' && options?.split(',').includes(wanted))?.[1];
  const [cpu, account] = [controller('cpu'), controller('cpuacct')];
  if (cpu !== undefined && account !== undefined) return versionOne(name, cpu, account, first);
  const unified = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  if (unified !== undefined && read(join(unified, 'cgroup.controllers')).split(/\s/).includes('cpu')) {
    return versionTwo(name, unified, first);
  }
  throw new Error('this machine offers no CPU quotas: no cgroup controller named cpu');
}

/** The slice in which the kernel hands out quota; a value to be restored when it was changed. */
export function shortenSlice() {
  if (!existsSync(sliceFile)) return undefined;
  const before = read(sliceFile).trim();
  writeFileSync(sliceFile, String(sliceUs));
  return { file: sliceFile, before };
}

/**
 * @param {string} name
 * @param {string} cpu
 * @param {string} account
 * @param {boolean} first
 * @returns {GroupTree}
 */
function versionOne(name, cpu, account, first) {
  const parents = [...new Set([join(cpu, name), join(account, name)])];
  for (const parent of parents) mkdirSync(parent);
  writeFileSync(join(cpu, name, 'cpu.shares'), first ? '262144' : '4096');
  const folders = [...parents];
  return {
    version: '1',
    folders,
    add: (board, share) => {
      const [quota, usage] = [join(cpu, name, board), join(account, name, board)];
      for (const folder of new Set([quota, usage])) {
        mkdirSync(folder);
        folders.unshift(folder);
      }
      writeFileSync(join(quota, 'cpu.cfs_period_us'), String(periodUs));
      writeFileSync(join(quota, 'cpu.cfs_quota_us'), String(Math.round(periodUs * share)));
      const seconds = (/** @type {string} */ file) => Number(read(join(usage, file))) / 1e9;
      return {
        joinFiles: [...new Set([join(usage, 'cgroup.procs'), join(quota, 'cgroup.procs')])],
        accountFiles: [join(usage, 'cgroup.procs')],
        use: () => ({
          cpuS: seconds('cpuacct.usage'),
          systemS: seconds('cpuacct.usage_sys'),
          throttledS: valueIn(read(join(quota, 'cpu.stat')), 'throttled_time') / 1e9,
        }),
        times: () => ({ userS: seconds('cpuacct.usage_user'), systemS: seconds('cpuacct.usage_sys') }),
        processes: () => numbersIn(read(join(usage, 'cgroup.procs'))),
      };
    },
  };
}

/**
 * @param {string} name
 * @param {string} unified
 * @param {boolean} first
 * @returns {GroupTree}
 */
function versionTwo(name, unified, first) {
  writeFileSync(join(unified, 'cgroup.subtree_control'), '+cpu');
  const parent = join(unified, name);
  mkdirSync(parent);
  writeFileSync(join(parent, 'cgroup.subtree_control'), '+cpu');
  writeFileSync(join(parent, 'cpu.weight'), first ? '10000' : '400');
  const folders = [parent];
  return {
    version: '2',
    folders,
    add: (board, share) => {
      const folder = join(parent, board);
      mkdirSync(folder);
      folders.unshift(folder);
      writeFileSync(join(folder, 'cpu.max'), `${Math.round(periodUs * share)} ${periodUs}`);
      const seconds = (/** @type {string} */ key) => valueIn(read(join(folder, 'cpu.stat')), key) / 1e6;
      return {
        joinFiles: [join(folder, 'cgroup.procs')],
        accountFiles: [join(folder, 'cgroup.procs')],
        use: () => ({
          cpuS: seconds('usage_usec'),
          systemS: seconds('system_usec'),
          throttledS: seconds('throttled_usec'),
        }),
        times: () => ({ userS: seconds('user_usec'), systemS: seconds('system_usec') }),
        processes: () => numbersIn(read(join(folder, 'cgroup.procs'))),
      };
    },
  };
}

/** @param {string} file */
function read(file) {
  return readFileSync(file, 'utf8');
}

/**
 * @param {string} text lines of a key and a number
 * @param {string} key
 */
function valueIn(text, key) {
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

/** @param {string} text */
function numbersIn(text) {
  return text.split('\n').filter(Boolean).map(Number);
}
