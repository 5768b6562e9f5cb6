// How long a build would last if somebody who knows every step's cost in advance placed the steps: longest first, each where
// it is finished first, links on the submitter after their inputs. A bound for schedulers, not a proof of optimality. Pure.

/**
 * @typedef {object} PlannedStep
 * @property {number} cpuS on a whole core
 * @property {boolean} mayLeave whether a worker may run it
 * @property {number} phase steps of a phase begin when all of the phase before have ended
 * @property {string} output
 * @property {readonly string[]} inputs outputs of other steps
 */

/**
 * A board with a share of a core runs one step at a time at that speed, which ends no later than several at once would.
 * @param {readonly PlannedStep[]} steps
 * @param {readonly number[]} shares the first is the submitter's
 * @param {number} [otherS] CPU that only the submitter can spend, at any time: the build tool's own, its shells
 * @returns {number} seconds from the start to the last end
 */
export function listScheduleS(steps, shares, otherS = 0) {
  const total = steps.reduce((sum, { cpuS }) => sum + cpuS, 0);
  let startS = 0;
  for (const phase of [...new Set(steps.map((step) => step.phase))].sort((a, b) => a - b)) {
    const own = steps.filter((step) => step.phase === phase);
    const part = own.reduce((sum, { cpuS }) => sum + cpuS, 0) / total;
    startS += phaseS(own, shares, otherS * part);
  }
  return startS;
}

/**
 * @param {readonly PlannedStep[]} steps
 * @param {readonly number[]} shares
 * @param {number} otherS
 */
function phaseS(steps, shares, otherS) {
  const [submitter = 1] = shares;
  const local = steps.filter((step) => !step.mayLeave);
  const ends = shares.map(() => 0);
  // What only the submitter can do is set aside first, so that it takes as many fewer compiles.
  ends[0] = (otherS + local.reduce((sum, { cpuS }) => sum + cpuS, 0)) / submitter;
  /** @type {PlannedStep[][]} */
  const placed = shares.map(() => []);
  for (const step of steps.filter(({ mayLeave }) => mayLeave).sort((a, b) => b.cpuS - a.cpuS)) {
    const finish = shares.map((share, board) => (ends[board] ?? 0) + step.cpuS / share);
    const best = finish.indexOf(Math.min(...finish));
    ends[best] = finish[best] ?? 0;
    placed[best]?.push(step);
  }
  /** @type {Map<string, number>} */
  const ready = new Map();
  let last = 0;
  for (const [board, share] of shares.entries()) {
    if (board === 0) continue;
    let atS = 0;
    for (const step of placed[board] ?? []) {
      atS += step.cpuS / share;
      ready.set(step.output, atS);
    }
    last = Math.max(last, atS);
  }
  return Math.max(last, submitterS(placed[0] ?? [], local, otherS, submitter, ready));
}

/**
 * The submitter: links as soon as their inputs are there, compiles in between, the rest where there is room.
 * @param {readonly PlannedStep[]} compiles in the order of their start
 * @param {readonly PlannedStep[]} links
 * @param {number} otherS
 * @param {number} share
 * @param {Map<string, number>} ready when which output of other boards is there; outputs of this one are added
 */
function submitterS(compiles, links, otherS, share, ready) {
  const made = new Set([...compiles, ...links].map(({ output }) => output));
  const waiting = [...compiles];
  const open = [...links];
  let atS = otherS / share;
  while (waiting.length + open.length > 0) {
    const readyAt = (/** @type {PlannedStep} */ step) =>
      step.inputs.reduce((latest, input) => {
        const when = ready.get(input) ?? (made.has(input) ? Infinity : 0);
        return Math.max(latest, when);
      }, 0);
    const possible = open.filter((step) => readyAt(step) <= atS);
    let step = possible.sort((a, b) => b.cpuS - a.cpuS)[0];
    if (step !== undefined) open.splice(open.indexOf(step), 1);
    else step = waiting.shift();
    if (step === undefined) {
      const next = Math.min(...open.map(readyAt));
      // Links that wait for each other cannot be: then their order does not matter.
      if (Number.isFinite(next)) atS = Math.max(atS, next);
      else for (const each of open) ready.set(each.output, atS);
      continue;
    }
    atS += step.cpuS / share;
    ready.set(step.output, atS);
  }
  return atS;
}
