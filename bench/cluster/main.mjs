// The cluster bench: real builds on emulated boards, alone, with the peers and with icets, beside the ideal. `--help` lists
// the options. Needs root and a quiet machine with two cores.

import { mkdirSync } from 'node:fs';
import { homedir, loadavg, release } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { endRunning, runCommand } from '../builds/command.mjs';
import { formatTable } from '../builds/table.mjs';
import { allBoardsDown, makeBoards } from './boards.mjs';
import { calibrate, probeFolder } from './calibrate.mjs';
import { runCampaign } from './campaign.mjs';
import { projects } from './projects.mjs';
import { fractionOfIdeal, resultTable, Results } from './results.mjs';
import { families, installIcets } from './sessions.mjs';
import { claimWork } from './work-claim.mjs';
import { settings } from './settings.mjs';

const modeNames = families.flatMap(({ name, phases }) =>
  phases.map((phase) => (phase === 'once' ? name : `${name}-${phase}`)),
);

const usage = `usage: npm run bench -- cluster [options]
  (none)                icets, warm, settings normal and weak; ends in a line "cluster: cxx=E c=E weak=E"
  --all                 every setting, project and mode, and the builds of which nothing is compiled on the submitter
  --setting NAME,...    ${settings.map(({ name }) => name).join(', ')}
  --project NAME,...    ${projects.map(({ name, title }) => `${name} (${title})`).join(', ')}
  --mode NAME,...       ${modeNames.join(', ')}
  --remote-only         nothing is compiled on the submitter (distcc, pump, icets)
  --jobs N              of make and ninja (default 48; standalone builds have 12)
  --slots N             compiles at once on each worker (default 2)
  --host-slots N        the same on the submitter (default 2)
  --repeat N            builds of each mode; the median counts (default 3; standalone and tiny: 1)
  --slice               a few targets of each project, to see whether it works
  --calibrate           only look whether the boards are what they claim to be
  --resume              what the results file already has is not built again
  --work FOLDER         for sources, builds, logs and results.jsonl
  --polite              the boards weigh as much as four processes; else they come before the rest of the machine`;

const { values: options } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    setting: { type: 'string' },
    project: { type: 'string' },
    mode: { type: 'string' },
    'remote-only': { type: 'boolean', default: false },
    jobs: { type: 'string', default: '48' },
    slots: { type: 'string', default: '2' },
    'host-slots': { type: 'string', default: '2' },
    repeat: { type: 'string', default: '3' },
    slice: { type: 'boolean', default: false },
    calibrate: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    work: { type: 'string' },
    polite: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

let interrupted = false;
/** @type {Results | undefined} */
let results;

/** @param {string} line */
function say(line) {
  if (!interrupted) process.stdout.write(`${line}\n`);
}

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const work = resolve(options.work ?? join(cache, 'icets-bench/cluster'));

for (const [signal, code] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])) {
  process.once(signal, () => {
    interrupted = true;
    results?.close();
    void Promise.all([allBoardsDown(), endRunning()]).finally(() => process.exit(code));
  });
}

/**
 * @param {string | undefined} given
 * @param {readonly string[]} all
 * @param {readonly string[]} standard
 */
function chosen(given, all, standard) {
  const names = given?.split(',') ?? standard;
  const wrong = names.filter((name) => !all.includes(name));
  if (wrong.length > 0) {
    say(`unknown: ${wrong.join(', ')}\n${usage}`);
    process.exit(2);
  }
  return names;
}

async function needed() {
  const missing = [];
  for (const [program, where] of [
    ['ip', 'iproute2'],
    ['tc', 'iproute2'],
    ['nsenter', 'util-linux'],
    ['unshare', 'util-linux'],
  ]) {
    if ((await runCommand(['sh', '-c', `command -v ${program}`])).code !== 0) missing.push(`${program} (${where})`);
  }
  if (missing.length > 0) throw new Error(`missing on this machine: ${missing.join(', ')}`);
}

async function calibrateAll(/** @type {readonly string[]} */ names) {
  let good = true;
  for (const setting of settings.filter(({ name }) => names.includes(name))) {
    const plan = { boards: setting.boards, visible: [probeFolder], hidden: [], submitters: [work] };
    const boards = await makeBoards({ ...plan, polite: options.polite });
    try {
      const { header, rows, problems } = await calibrate(boards, { hidden: work });
      say(`${setting.name}\n${formatTable(header, rows)}`);
      for (const problem of problems) say(`NOT AS CLAIMED: ${problem}`);
      good &&= problems.length === 0;
    } finally {
      await boards.down();
    }
  }
  return good;
}

async function main() {
  if (options.help) return say(usage);
  await needed();
  mkdirSync(join(work, 'logs'), { recursive: true });
  const allSettings = settings.map(({ name }) => name);
  const allProjects = projects.map(({ name }) => name);
  const settingNames = chosen(options.setting, allSettings, options.all ? allSettings : ['normal', 'weak']);
  if (options.calibrate) {
    if (!(await calibrateAll(settingNames))) process.exitCode = 1;
    return;
  }
  const projectNames = chosen(options.project, allProjects, allProjects);
  const modes = chosen(options.mode, modeNames, options.all ? modeNames : ['icets-warm']);
  claimWork(work);
  const installed = await installIcets(work);
  results = new Results(join(work, 'results.jsonl'), options.resume, installed.build);
  const started = { load: loadavg()[0] ?? 0 };
  const plan = {
    ...{ work, installed, settingNames, projectNames, modes, results, say },
    jobs: Number(options.jobs),
    slots: Number(options.slots),
    hostSlots: Number(options['host-slots']),
    repeat: Number(options.repeat),
    slice: options.slice,
    polite: options.polite,
    remoteOnly: options['remote-only'],
    // Of the weak cluster only the C++ project is asked for, unless somebody names what to build.
    weakCxxOnly: !options.all && options.project === undefined,
  };
  const { link, cgroupVersion } = await runCampaign(plan);
  if (options.all) {
    const rest = { settingNames: ['normal'], projectNames: ['cxx'], remoteOnly: true };
    const able = modes.filter((mode) => /^(distcc|pump|icets)/.test(mode));
    await runCampaign({ ...plan, ...rest, modes: able });
  }

  say('');
  say(
    `icets ${installed.build}, kernel ${release()}, load ${started.load.toFixed(1)} at the start, links ${link}, no added delay,`,
  );
  say(`CPU quotas and accounting by cgroup v${cgroupVersion}; medians (range) of builds from clean;`);
  say(
    'submitter CPU: during the build (+ in the 2 s behind it); noise: CPU of the rest of the machine over wall time;',
  );
  say('cold: no agent, empty caches, fresh daemons; warm: the second build, of icets without kept results');
  for (const { name: project, title } of projects) {
    const row = results.reference(project, options.slice);
    if (row === undefined) continue;
    const { reference, version } = row;
    const units = `${reference.units} units, ${reference.steps.length} measured steps`;
    say(
      `\n== ${title} (${version}${options.slice ? ', a slice' : ''}): ${units}, ${reference.cpuS.toFixed(1)} s of CPU`,
    );
    for (const name of allSettings) {
      for (const remoteOnly of [false, true]) {
        const table = resultTable(results, name, project, options.slice, remoteOnly);
        if (table !== undefined) say(`\n${table}`);
      }
    }
  }
  const fraction = (/** @type {string} */ setting, /** @type {string} */ project) =>
    fractionOfIdeal(results, { setting, project, mode: 'icets-warm', slice: options.slice })?.toFixed(3) ?? 'none';
  const [cxx, c, weak] = [fraction('normal', 'cxx'), fraction('normal', 'c'), fraction('weak', 'cxx')];
  const failed = results.builds().some(({ measured }) => measured.code !== 0);
  const asked = options.setting === undefined && options.project === undefined && options.mode === undefined;
  if (failed || (asked && [cxx, c, weak].includes('none'))) process.exitCode = 1;
  say('');
  say(`cluster: cxx=${cxx} c=${c} weak=${weak}`);
}

try {
  await main();
} catch (error) {
  say(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await allBoardsDown();
}
