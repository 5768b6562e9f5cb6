// The campaign's results: one JSON line per build, kept in a file so that an interrupted campaign can go on, and the tables
// made of them. Unaware of how they were measured.

import { appendFileSync, existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { formatTable } from '../builds/table.mjs';
import { listScheduleS } from './list-schedule.mjs';
import { describeSetting, idealSetting, settings, standaloneMode, sumOfShares } from './settings.mjs';

/** @typedef {import('./measure.mjs').Measured} Measured */
/** @typedef {import('./reference.mjs').Reference} Reference */

/**
 * What tells one build of a campaign from the others.
 * @typedef {object} RunKey
 * @property {string} setting
 * @property {string} project
 * @property {string} mode
 * @property {boolean} remoteOnly nothing is compiled on the submitter
 * @property {number} jobs
 * @property {number} slots
 * @property {number} hostSlots
 * @property {boolean} slice
 * @property {number} repetition from 1
 */

/** @typedef {RunKey & { v: 1, kind: 'build', when: string, build: string, counters: Record<string, number>,
 *   measured: Measured }} BuildRow */
/** @typedef {{ v: 1, kind: 'reference', when: string, project: string, slice: boolean, version: string,
 *   reference: Reference, measured: Measured }} ReferenceRow */

const keyNames = /** @type {const} */ ([
  ...['setting', 'project', 'mode', 'remoteOnly', 'jobs', 'slots', 'hostSlots', 'slice', 'repetition'],
]);

/** @param {RunKey} row */
const keyOf = (row) => keyNames.map((name) => /** @type {Record<string, unknown>} */ (row)[name]).join(' ');

export class Results {
  /** @type {(BuildRow | ReferenceRow)[]} */
  rows = [];
  #file;
  #closed = false;

  /**
   * @param {string} file
   * @param {boolean} resume whether what the file holds counts; else it is put aside
   * @param {string} build of icets; builds with another one do not count
   */
  constructor(file, resume, build) {
    this.#file = file;
    if (!existsSync(file)) return;
    if (!resume) {
      renameSync(file, file.replace(/jsonl$/, `${Math.round(statSync(file).mtimeMs)}.jsonl`));
      return;
    }
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      try {
        const row = JSON.parse(line);
        const other = row.kind === 'build' && row.mode.startsWith('icets') && row.build !== build;
        if (row.v === 1 && !other) this.rows.push(row);
      } catch {
        // the last line of an interrupted campaign
      }
    }
  }

  /** What comes later is of an interrupted build and is not kept. */
  close() {
    this.#closed = true;
  }

  /** @param {BuildRow | ReferenceRow} row */
  add(row) {
    if (this.#closed) return;
    this.rows.push(row);
    appendFileSync(this.#file, `${JSON.stringify(row)}\n`);
  }

  /** @param {RunKey} key */
  has(key) {
    return this.builds().some((row) => keyOf(row) === keyOf(key) && row.measured.code === 0);
  }

  /** @returns {BuildRow[]} the newest of each key */
  builds() {
    return [...new Map(this.rows.flatMap((row) => (row.kind === 'build' ? [[keyOf(row), row]] : []))).values()];
  }

  /**
   * @param {string} project
   * @param {boolean} slice
   * @returns {BuildRow | undefined} the newest of the submitter alone, on which the ideal rests
   */
  standalone(project, slice) {
    return this.builds().findLast(
      (row) =>
        row.mode === standaloneMode &&
        row.setting === idealSetting.name &&
        row.project === project &&
        row.slice === slice &&
        row.measured.code === 0,
    );
  }

  /**
   * @param {string} project
   * @param {boolean} slice
   * @returns {ReferenceRow | undefined} the newest
   */
  reference(project, slice) {
    return this.rows.findLast(
      /** @returns {row is ReferenceRow} */
      (row) => row.kind === 'reference' && row.project === project && row.slice === slice,
    );
  }
}

/**
 * Seconds that all boards together would need for the CPU which the build takes on the submitter alone (`idealS`), the same
 * for what its steps cost one after the other on a whole core (`stepsS`), and those of a list schedule of these steps that
 * knows everything. Undefined before both were measured.
 * @param {Results} results
 * @param {import('./settings.mjs').Setting} setting
 * @param {string} project
 * @param {boolean} slice
 */
function idealOf(results, setting, project, slice) {
  const reference = results.reference(project, slice)?.reference;
  const aloneS = results.standalone(project, slice)?.measured.boards.submitter?.cpuS;
  if (reference === undefined || aloneS === undefined) return undefined;
  const shares = setting.boards.map(({ share }) => share);
  const sum = sumOfShares(setting.boards);
  return {
    idealS: aloneS / sum,
    stepsS: reference.cpuS / sum,
    listS: listScheduleS(reference.steps, shares, reference.otherS),
  };
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/**
 * The table of one setting and project; undefined when nothing was built there.
 * @param {Results} results
 * @param {string} settingName
 * @param {string} project
 * @param {boolean} slice
 * @param {boolean} remoteOnly
 */
export function resultTable(results, settingName, project, slice, remoteOnly) {
  const setting = settings.find(({ name }) => name === settingName);
  const rows = results
    .builds()
    .filter(
      (row) =>
        row.setting === settingName && row.project === project && row.slice === slice && row.remoteOnly === remoteOnly,
    );
  if (setting === undefined || rows.length === 0) return undefined;
  const ideal = idealOf(results, setting, project, slice);
  /** @type {(string | number)[][]} */
  const lines = [];
  const modes = new Map(rows.map((row) => [[row.mode, row.jobs, row.slots, row.hostSlots].join(' '), row.mode]));
  for (const [key, mode] of modes) {
    const all = rows.filter((row) => [row.mode, row.jobs, row.slots, row.hostSlots].join(' ') === key);
    const same = all.filter(({ measured }) => measured.code === 0);
    const [first] = same;
    if (first === undefined) {
      lines.push([mode, all[0]?.jobs ?? '', 'failed', '', '', '', '', '', '']);
      continue;
    }
    const over = (/** @type {(row: BuildRow) => number} */ pick) => median(same.map(pick));
    const walls = same.map(({ measured }) => measured.wallS);
    const wallS = median(walls);
    const names = setting.boards.map(({ name }) => name);
    const perBoard = names.map((name) => over(({ measured }) => measured.boards[name]?.cpuS ?? 0));
    const perWorker = perBoard.slice(1).map((cpuS) => cpuS.toFixed(1));
    const bytes = over(({ measured }) => {
      const own = measured.boards[names[0] ?? ''];
      return (own?.sentBytes ?? 0) + (own?.receivedBytes ?? 0);
    });
    const slots = mode === standaloneMode ? '-' : `${first.hostSlots}, ${first.slots}`;
    lines.push([
      mode,
      `${first.jobs} (${slots})`,
      walls.length === 1 ? wallS.toFixed(1) : `${wallS.toFixed(1)} (${Math.min(...walls)}-${Math.max(...walls)})`,
      ideal === undefined || remoteOnly ? '' : `${((100 * ideal.idealS) / wallS).toFixed(1)} %`,
      `${(perBoard[0] ?? 0).toFixed(1)} (+${over(({ measured }) => measured.afterS).toFixed(1)})`,
      perWorker.length > 4 ? perWorker.reduce((sum, cpuS) => sum + Number(cpuS), 0).toFixed(1) : perWorker.join(' + '),
      (bytes / 1e6).toFixed(1),
      over(({ measured }) => measured.otherCpuS / measured.wallS).toFixed(2),
      remarks(first),
    ]);
  }
  // Of the other builds the submitter's CPU is what matters.
  if (ideal !== undefined && !remoteOnly) {
    const rest = ['', '', '', '', ''];
    const bound = (/** @type {string} */ name, /** @type {number} */ seconds) =>
      lines.push([name, '', seconds.toFixed(1), `${((100 * ideal.idealS) / seconds).toFixed(1)} %`, ...rest]);
    bound('list schedule', ideal.listS);
    bound('steps alone', ideal.stepsS);
    bound('ideal', ideal.idealS);
  }
  const title = `${settingName}${remoteOnly ? ', nothing compiled on the submitter' : ''}: ${describeSetting(setting)}`;
  const header = [
    ...[
      'mode',
      'jobs (slots)',
      'wall s',
      'of ideal',
      'submitter CPU s',
      'workers CPU s',
      'link MB',
      'noise core',
      'units',
    ],
  ];
  return `${title}\n${formatTable(header, lines)}`;
}

/** @param {BuildRow} row */
function remarks({ counters, mode, measured }) {
  const count = (/** @type {string} */ name) => counters[name] ?? 0;
  if (mode === standaloneMode) return '';
  const residents = Object.entries(measured.residents ?? {}).filter(([, cpuS]) => cpuS >= 0.05);
  const paid = residents.map(([role, cpuS]) => `; ${role} ${cpuS.toFixed(1)} s`).join('');
  if (!mode.startsWith('icets')) return `${count('place.remote')} remote${paid}`;
  const local = Object.entries(counters)
    .filter(([name, times]) => name.startsWith('local.') && times > 0)
    .map(([name, times]) => `${name.slice('local.'.length)} ${times}`);
  const cached = count('place.cache') > 0 ? `, ${count('place.cache')} FROM THE CACHE` : '';
  return `${count('place.remote')} remote${cached}${local.length > 0 ? `, local: ${local.join(', ')}` : ''}${paid}`;
}

/**
 * Ideal over wall of a mode, the median of its builds.
 * @param {Results} results
 * @param {{ setting: string, project: string, mode: string, slice: boolean }} which
 * @returns {number | undefined}
 */
export function fractionOfIdeal(results, { setting: settingName, project, mode, slice }) {
  const setting = settings.find(({ name }) => name === settingName);
  const ideal = setting && idealOf(results, setting, project, slice);
  const walls = results
    .builds()
    .filter((row) => row.setting === settingName && row.project === project && row.mode === mode)
    .filter((row) => row.slice === slice && !row.remoteOnly && row.measured.code === 0)
    .map(({ measured }) => measured.wallS);
  return ideal === undefined || walls.length === 0 ? undefined : ideal.idealS / median(walls);
}
