// The emulated clusters: which boards there are and what share of one core each has. Unaware of how boards are made.

/**
 * @typedef {object} BoardPlan
 * @property {string} name
 * @property {number} share of one core
 */

/**
 * The first board submits; the scheduler and the agent run there and pay from its share.
 * @typedef {object} Setting
 * @property {string} name
 * @property {readonly BoardPlan[]} boards
 */

/**
 * @param {string} name
 * @param {number} submitter
 * @param {readonly number[]} workers
 * @returns {Setting}
 */
function setting(name, submitter, workers) {
  return {
    name,
    boards: [
      { name: 'submitter', share: submitter },
      ...workers.map((share, index) => ({ name: `w${index + 1}`, share })),
    ],
  };
}

/** The mode in which everything runs on the submitter. */
export const standaloneMode = 'standalone';

/** Of the build alone, whatever the others have: more compilers at once on one slow core only take each other's caches away. */
export const standaloneJobs = 12;

/** On whose submitter the build is done alone, for the ideal of all settings. */
export const idealSetting = setting('normal', 0.4, [0.6, 0.5, 0.3]);

/** @type {readonly Setting[]} */
export const settings = [
  idealSetting,
  setting('weak', 0.15, [0.65, 0.6, 0.45]),
  setting('tiny', 0.1, new Array(12).fill(0.13)),
];

/** One board with a whole core: what the steps of a build cost by themselves. */
export const referenceSetting = setting('reference', 1, []);

/** @param {readonly BoardPlan[]} boards */
export function sumOfShares(boards) {
  return boards.reduce((sum, { share }) => sum + share, 0);
}

/** @param {Setting} chosen */
export function describeSetting({ boards }) {
  const shares = boards.slice(1).map(({ share }) => share.toFixed(2));
  const workers = new Set(shares).size === 1 ? `${shares.length} x ${shares[0]}` : shares.join(' + ');
  return `submitter ${boards[0]?.share.toFixed(2)}${shares.length === 0 ? '' : `, workers ${workers}`} core`;
}
