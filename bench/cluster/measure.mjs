// Runs one build on the submitting board and says what it cost: wall time, CPU and bytes of each board, and what the rest of
// the machine did meanwhile.

import { setTimeout as sleep } from 'node:timers/promises';

const timeoutMs = 40 * 60_000;

/** What a resident process of the submitter's board is called in the tables, by its command line. */
const roles = /** @type {const} */ ([
  ['agent', /agent\.mjs/],
  ['scheduler', /icets\.mjs scheduler|icecc-scheduler/],
  ['worker', /icets\.mjs worker/],
  ['iceccd', /iceccd/],
  ['include server', /include_server\.py/],
]);

/**
 * @typedef {object} Measured
 * @property {number} wallS
 * @property {number | null} code exit status of the build
 * @property {boolean} timedOut
 * @property {Record<string, { share: number, cpuS: number, systemS: number, throttledS: number, sentBytes: number,
 *   receivedBytes: number }>} boards
 * @property {number} otherCpuS CPU of the machine outside the boards: noise
 * @property {number} stolenS
 * @property {Record<string, number>} residents CPU seconds of what serves the build on the submitter, by role
 * @property {number} afterS the submitter's CPU in the `afterWallS` behind the build's end
 * @property {number} afterWallS
 */

/**
 * @param {import('./boards.mjs').Boards} boards
 * @param {import('./projects.mjs').Tree} tree
 * @param {number} jobs
 * @param {string} log
 * @param {{ env?: Readonly<Record<string, string>>, wrap?: (argv: string[]) => string[], afterMs?: number }} [options]
 * @returns {Promise<Measured>}
 */
export async function measure(boards, tree, jobs, log, { env = {}, wrap = (argv) => argv, afterMs = 2000 } = {}) {
  const submitter = boards.plans[0]?.name ?? '';
  const argv = wrap(tree.command(jobs));
  let timedOut = false;
  const residentsBefore = residentCpu(boards, submitter);
  const before = boards.snapshot();
  const command = boards.start(submitter, argv, { cwd: tree.cwd, env: { ...tree.env, ...env }, log });
  const timer = setTimeout(() => {
    timedOut = true;
    command.end();
  }, timeoutMs);
  const { code } = await command.ended;
  const after = boards.snapshot();
  const residentsAfter = residentCpu(boards, submitter);
  clearTimeout(timer);
  await sleep(afterMs);
  const later = boards.snapshot();

  let boardsS = 0;
  /** @type {Measured['boards']} */
  const used = {};
  for (const { name, share } of boards.plans) {
    const [from, to] = [before.boards[name], after.boards[name]];
    if (from === undefined || to === undefined) continue;
    boardsS += to.cpuS - from.cpuS;
    used[name] = {
      share,
      cpuS: rounded(to.cpuS - from.cpuS),
      systemS: rounded(to.systemS - from.systemS),
      throttledS: rounded(to.throttledS - from.throttledS),
      sentBytes: to.sentBytes - from.sentBytes,
      receivedBytes: to.receivedBytes - from.receivedBytes,
    };
  }
  return {
    wallS: rounded((after.atMs - before.atMs) / 1000),
    code,
    timedOut,
    boards: used,
    otherCpuS: rounded(Math.max(0, after.machineS - before.machineS - boardsS)),
    stolenS: rounded(after.stolenS - before.stolenS),
    residents: Object.fromEntries(
      Object.entries(residentsAfter).map(([role, cpuS]) => [role, rounded(cpuS - (residentsBefore[role] ?? 0))]),
    ),
    afterS: rounded((later.boards[submitter]?.cpuS ?? 0) - (after.boards[submitter]?.cpuS ?? 0)),
    afterWallS: rounded((later.atMs - after.atMs) / 1000),
  };
}

/**
 * @param {import('./boards.mjs').Boards} boards
 * @param {string} name
 */
function residentCpu(boards, name) {
  /** @type {Record<string, number>} */
  const byRole = {};
  for (const { command, cpuS } of boards.processes(name)) {
    const role = roles.find(([, pattern]) => pattern.test(command))?.[0];
    if (role !== undefined) byRole[role] = (byRole[role] ?? 0) + cpuS;
  }
  return byRole;
}

/** @param {number} value */
function rounded(value) {
  return Math.round(value * 1000) / 1000;
}
