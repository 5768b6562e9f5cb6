// Makes the boards of a setting on this machine and runs commands on them. A board has its own network, mount, pid, uts and
// ipc namespaces, an address on a bridge that exists in a namespace only, a shaped link, a CPU quota and CPU accounting.
// Whatever becomes of this process, board-guard.sh removes all of it. Unaware of compilers and builds.

import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../builds/command.mjs';
import { makeGroupTree, shortenSlice } from './cgroups.mjs';
import { keepProcStat } from './proc-stat.mjs';
import { sumOfShares } from './settings.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** RFC 2544's range for tests; it never leaves the namespaces. */
const network = '198.18.9';
const shaping = ['tbf', 'rate', '1gbit', 'burst', '128k', 'latency', '50ms'];

/** What every command on a board has in its environment, whatever the user's own is. */
export const boardEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/run/home',
  XDG_CACHE_HOME: '/run/cache',
  XDG_RUNTIME_DIR: '/run/tmp',
  LANG: 'C.UTF-8',
  USER: 'root',
};

/**
 * @typedef {object} BoardCounters
 * @property {number} cpuS
 * @property {number} systemS
 * @property {number} throttledS
 * @property {number} sentBytes
 * @property {number} receivedBytes
 */

/**
 * @typedef {object} Snapshot
 * @property {number} atMs
 * @property {Readonly<Record<string, BoardCounters>>} boards
 * @property {number} machineS CPU of the whole machine
 * @property {number} stolenS
 */

/**
 * @typedef {object} CommandOptions
 * @property {string} [cwd]
 * @property {Readonly<Record<string, string>>} [env] beside `boardEnvironment`
 * @property {string} [log] file that gets all output
 * @property {boolean} [unlimited] accounted, but without the quota (where the machine can do that)
 */

/**
 * @typedef {object} BoardCommand
 * @property {Promise<{ code: number | null, output: string }>} ended
 * @property {(text: RegExp, timeoutMs: number) => Promise<string>} said waits for output (commands without `log`)
 * @property {() => void} end asks the command and all it started to end
 */

/**
 * @typedef {object} Boards
 * @property {readonly import('./settings.mjs').BoardPlan[]} plans
 * @property {string} link what shapes the links
 * @property {'1' | '2'} cgroupVersion
 * @property {(name: string) => string} address
 * @property {(name: string, argv: readonly string[], options?: CommandOptions) => BoardCommand} start
 * @property {(name: string, argv: readonly string[], options?: CommandOptions) => Promise<string>} run fails when the
 *   command does; the output
 * @property {() => Snapshot} snapshot
 * @property {(name: string) => { pid: number, command: string, cpuS: number }[]} processes of the board that run now, with
 *   the CPU of each by itself
 * @property {() => Promise<void>} down
 */

/** @type {Set<Boards>} */
const up = new Set();

/** Removes all boards that are up; for signals. */
export async function allBoardsDown() {
  await Promise.all([...up].map((boards) => boards.down()));
}

/**
 * @param {object} plan
 * @param {readonly import('./settings.mjs').BoardPlan[]} plan.boards the first one submits
 * @param {readonly string[]} plan.visible read-only on every board, even below a hidden folder
 * @param {readonly string[]} plan.hidden folders that workers do not see, beside those of the submitter and the homes
 * @param {readonly string[]} plan.submitters folders that only the submitter sees, and may write to
 * @param {boolean} [plan.polite] no priority over the rest of the machine
 * @returns {Promise<Boards>}
 */
export async function makeBoards({ boards: plans, visible, hidden, submitters, polite = false }) {
  if (process.getuid?.() !== 0) throw new Error('boards need root');
  const room = availableParallelism() - 0.1;
  if (sumOfShares(plans) > room) throw new Error(`the shares of the boards are more than this machine's ${room} cores`);

  const id = `icets-bench-${process.pid}`;
  const state = join('/run', id);
  mkdirSync(state);
  const guard = spawn('bash', [join(here, 'board-guard.sh'), state], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const gone = new Promise((resolve) => guard.on('close', resolve));
  /** @type {{ stop: () => void } | undefined} */
  let procStat;
  const down = async () => {
    procStat?.stop();
    guard.stdin.end();
    await gone;
  };

  try {
    const tree = makeGroupTree(id, !polite);
    writeFileSync(join(state, 'groups'), `${tree.folders.join('\n')}\n`);
    const slice = shortenSlice();
    if (slice !== undefined) writeFileSync(join(state, 'restore'), `${slice.file} ${slice.before}\n`);
    /** @type {Map<string, import('./cgroups.mjs').Group>} */
    const groups = new Map();
    for (const { name, share } of plans) groups.set(name, tree.add(name, share));
    writeFileSync(join(state, 'groups'), `${tree.folders.join('\n')}\n`);
    procStat = keepProcStat(state, groups);
    const address = (/** @type {string} */ name) => `${network}.${plans.findIndex((board) => board.name === name) + 1}`;
    const names = plans.map(({ name }) => `${address(name)} ${name}\n`).join('');
    writeFileSync(join(state, 'hosts'), `127.0.0.1 localhost\n${names}`);
    const owned = (/** @type {number} */ pid) =>
      appendFileSync(join(state, 'processes'), `${pid} ${startTime(pid) ?? 0}\n`);

    const bridge = spawn('unshare', ['--net', 'sleep', '86400'], { detached: true, stdio: 'ignore' });
    const bridgePid = bridge.pid ?? 0;
    owned(bridgePid);
    await inOwnNetwork(bridgePid);
    const onBridge = (/** @type {string[]} */ ...argv) => must(['nsenter', '-t', String(bridgePid), '-n', ...argv]);
    await onBridge('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await onBridge('ip', 'link', 'set', 'br0', 'up');

    /** @type {Map<string, number>} */
    const inits = new Map();
    for (const [index, { name }] of plans.entries()) {
      const masked = ['/tmp', ...(index === 0 ? [] : ['/root', '/home', '/var/tmp', ...hidden, ...submitters])];
      const kept = index === 0 ? submitters : [];
      const init = await startBoard(name, state, groups.get(name)?.joinFiles ?? [], [masked, kept, visible], owned);
      inits.set(name, init);
      const onBoard = (/** @type {string[]} */ ...argv) => must(['nsenter', '-t', String(init), '-n', ...argv]);
      const port = `p${index}`;
      await onBridge(...['ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(init)]);
      await onBridge('ip', 'link', 'set', port, 'master', 'br0', 'up');
      await onBoard('ip', 'addr', 'add', `${address(name)}/24`, 'broadcast', '+', 'dev', 'eth0');
      await onBoard('ip', 'link', 'set', 'lo', 'up');
      await onBoard('ip', 'link', 'set', 'eth0', 'up');
      await onBoard('tc', 'qdisc', 'add', 'dev', 'eth0', 'root', ...shaping);
      await onBridge('tc', 'qdisc', 'add', 'dev', port, 'root', ...shaping);
    }

    /** @type {Boards} */
    const boards = {
      plans,
      link: shaping.slice(0, 5).join(' '),
      cgroupVersion: tree.version,
      address,
      start: (name, argv, options = {}) => {
        const group = groups.get(name);
        const files = (options.unlimited === true ? group?.accountFiles : group?.joinFiles) ?? [];
        return startOn(inits.get(name) ?? 0, files, argv, options);
      },
      run: async (name, argv, options) => {
        const { code, output } = await boards.start(name, argv, options).ended;
        if (code !== 0) throw new Error(`${argv.join(' ')} on ${name} ended with ${code}:\n${output.slice(-3000)}`);
        return output;
      },
      snapshot: () => ({
        atMs: performance.now(),
        boards: Object.fromEntries(plans.map(({ name }) => [name, countersOf(inits.get(name) ?? 0, groups.get(name))])),
        ...machineCpu(),
      }),
      processes: (name) => (groups.get(name)?.processes() ?? []).flatMap(processOf),
      down: async () => {
        await down();
        up.delete(boards);
      },
    };
    up.add(boards);
    return boards;
  } catch (error) {
    await down();
    throw error;
  }
}

/**
 * @param {string} name
 * @param {string} state
 * @param {readonly string[]} joinFiles
 * @param {readonly (readonly string[])[]} lists hidden, kept, kept read-only
 * @param {(pid: number) => void} owned
 * @returns {Promise<number>} number of the board's first process
 */
async function startBoard(name, state, joinFiles, lists, owned) {
  const namespaces = ['--net', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child=KILL'];
  const init = [join(here, 'board-init.sh'), name, state, ...lists.map((list) => list.join(':'))];
  const child = spawn(
    'bash',
    joining(joinFiles, ['unshare', ...namespaces, '--propagation', 'private', 'bash', ...init]),
    { cwd: '/', env: boardEnvironment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  owned(child.pid ?? 0);
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  for (const untilMs = Date.now() + 20_000; !/^ready$/m.test(output); await sleep(5)) {
    if (child.exitCode !== null || Date.now() > untilMs) throw new Error(`board ${name} did not start: ${output}`);
  }
  child.unref();
  const pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
  owned(pid);
  return pid;
}

/**
 * @param {number} init
 * @param {readonly string[]} joinFiles
 * @param {readonly string[]} argv
 * @param {CommandOptions} options
 * @returns {BoardCommand}
 */
function startOn(init, joinFiles, argv, { cwd = '/', env = {}, log }) {
  const enter = ['nsenter', '-t', String(init), '-n', '-m', '-p', '-u', '-i', '--'];
  const inside = ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', cwd, ...argv];
  const fd = log === undefined ? undefined : openSync(log, 'w');
  const child = spawn('bash', joining(joinFiles, [...enter, ...inside]), {
    cwd: '/',
    env: { ...boardEnvironment, ...env },
    detached: true,
    stdio: ['ignore', fd ?? 'pipe', fd ?? 'pipe'],
  });
  if (fd !== undefined) closeSync(fd);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  /** @type {{ code: number | null, output: string } | undefined} */
  let finished;
  /** @type {BoardCommand['ended']} */
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    // Not `close`: what the command left in the background may hold its output open.
    child.on('exit', (code) => {
      finished = { code, output };
      resolve(finished);
    });
  });
  return {
    ended,
    said: async (text, timeoutMs) => {
      const all = () => (log === undefined ? output : readFileSync(log, 'utf8'));
      for (const untilMs = Date.now() + timeoutMs; !text.test(all()); await sleep(50)) {
        if (finished !== undefined || Date.now() > untilMs) {
          throw new Error(`${argv.join(' ')} did not say ${text}: ${all().slice(-2000)}`);
        }
      }
      return text.exec(all())?.[0] ?? '';
    },
    end: () => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGTERM');
      } catch {
        // it has ended
      }
    },
  };
}

/**
 * Arguments of bash: join the groups, then become `argv`.
 * @param {readonly string[]} joinFiles
 * @param {readonly string[]} argv
 */
function joining(joinFiles, argv) {
  return ['-c', `${joinFiles.map((file) => `echo $$ > ${file}; `).join('')}exec "$@"`, 'bash', ...argv];
}

/**
 * @param {number} init
 * @param {import('./cgroups.mjs').Group | undefined} group
 * @returns {BoardCounters}
 */
function countersOf(init, group) {
  const line = /^\s*eth0:\s*(.*)$/m.exec(readFileSync(`/proc/${init}/net/dev`, 'utf8'))?.[1]?.split(/\s+/) ?? [];
  const use = group?.use() ?? { cpuS: 0, systemS: 0, throttledS: 0 };
  return { ...use, receivedBytes: Number(line[0] ?? 0), sentBytes: Number(line[8] ?? 0) };
}

function machineCpu() {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)
    .join('')
    .split(/\s+/)
    .map(Number);
  return { machineS: (user + nice + system + irq + softIrq) / 100, stolenS: steal / 100 };
}

/** @param {number} pid */
function processOf(pid) {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // utime and stime are fields 14 and 15 of proc(5); the first two have been cut off.
    return [{ pid, command, cpuS: (Number(fields[11]) + Number(fields[12])) / 100 }];
  } catch {
    return [];
  }
}

/** @param {number} pid */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/**
 * Waits until the process is in another network namespace than this one.
 * @param {number} pid
 */
async function inOwnNetwork(pid) {
  const namespaceOf = async (/** @type {string} */ of) =>
    String((await runCommand(['readlink', `/proc/${of}/ns/net`])).stdout);
  const own = await namespaceOf('self');
  for (const untilMs = Date.now() + 5000; (await namespaceOf(String(pid))) === own; await sleep(10)) {
    if (Date.now() > untilMs) throw new Error('this machine makes no network namespaces');
  }
}

/** @param {readonly string[]} argv */
async function must(argv) {
  const { code, stderr } = await runCommand(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}
