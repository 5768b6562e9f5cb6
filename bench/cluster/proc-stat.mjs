// A /proc/stat and a /proc/loadavg for each board: the kernel's show the whole machine, and icecream, which looks at them,
// would think that every board is busy. A board has used what its group has used; all the rest of its time it was idle.

import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const ticksPerSecond = 100;

/**
 * Keeps the files `stat-NAME` and `loadavg-NAME` in `folder` up to date.
 * @param {string} folder
 * @param {ReadonlyMap<string, import('./cgroups.mjs').Group>} groups
 */
export function keepProcStat(folder, groups) {
  const cores = availableParallelism();
  const startMs = performance.now();
  const fixed = readFileSync('/proc/stat', 'utf8')
    .split('\n')
    .filter((line) => /^(btime|ctxt|processes) /.test(line))
    .join('\n');
  /** @type {Map<string, [number, number, number]>} */
  const loads = new Map();

  const update = () => {
    const elapsedS = 1000 + (performance.now() - startMs) / 1000;
    for (const [name, group] of groups) {
      try {
        const { userS, systemS } = group.times();
        const processes = group.processes();
        const running = processes.filter(isRunning).length;
        const before = loads.get(name) ?? [0, 0, 0];
        const [one, five, fifteen] = [60, 300, 900].map((periodS, i) => {
          const kept = Math.exp(-1 / periodS);
          return (before[i] ?? 0) * kept + running * (1 - kept);
        });
        const load = /** @type {[number, number, number]} */ ([one, five, fifteen]);
        loads.set(name, load);
        const line = (/** @type {string} */ label, /** @type {number} */ parts) => {
          const user = Math.floor((userS * ticksPerSecond) / parts);
          const system = Math.floor((systemS * ticksPerSecond) / parts);
          const idle = Math.max(0, Math.floor((cores * elapsedS * ticksPerSecond) / parts) - user - system);
          return `${label} ${user} 0 ${system} ${idle} 0 0 0 0 0 0`;
        };
        const each = Array.from({ length: cores }, (_, i) => line(`cpu${i}`, cores));
        const all = [line('cpu ', 1), ...each, fixed, `procs_running ${Math.max(1, running)}`, 'procs_blocked 0', ''];
        rewrite(join(folder, `stat-${name}`), all.join('\n'));
        const newest = processes.at(-1) ?? 1;
        const average = load.map((value) => value.toFixed(2)).join(' ');
        rewrite(join(folder, `loadavg-${name}`), `${average} ${running}/${processes.length} ${newest}\n`);
      } catch {
        // the board is going down
      }
    }
  };
  update();
  const timer = setInterval(update, 1000);
  return { stop: () => clearInterval(timer) };
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /[RD]/.test(stat[stat.lastIndexOf(')') + 2] ?? '');
  } catch {
    return false;
  }
}

/**
 * In place: the file is mounted on the boards.
 * @param {string} path
 * @param {string} text
 */
function rewrite(path, text) {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT);
  writeSync(fd, text, 0);
  ftruncateSync(fd, Buffer.byteLength(text));
  closeSync(fd);
}
