// `icets worker [URL]`: this machine compiles for a cluster, in the foreground.

import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../host/system-clock.ts';
import { runWorkerLink, type WorkerLink } from '../../link/worker-link.ts';
import { machineArch } from '../../model/platform.ts';
import { openDiskStore } from '../../store/disk-store.ts';
import { createWorker } from '../../worker/worker.ts';
import { positiveInteger } from '../arguments.ts';
import { announce, untilSignal } from '../foreground.ts';
import { version } from '../installation.ts';
import { fileLog } from '../logging.ts';
import { complain, say } from '../output.ts';
import { openProcesses } from '../processes.ts';
import { schedulerUrl } from '../scheduler-url.ts';
import type { Settings } from '../settings.ts';
import { readToken } from '../token.ts';

interface Options {
  readonly slots: number;
  readonly name: string;
  readonly dir: string;
}

export function addWorker(program: Command, settings: Settings): void {
  program
    .command('worker')
    .description('compile for a cluster, in the foreground')
    .argument('[url]', 'the scheduler, icets://HOST:PORT (default: the configured one)')
    .option('-s, --slots <n>', 'compiles at once', positiveInteger, settings.worker.slots)
    .option('-n, --name <name>', 'how people know this worker', settings.worker.name ?? hostname())
    .option('-d, --dir <folder>', 'where inputs and toolchains are kept', join(settings.cacheDir, 'worker'))
    .action(async (url: string | undefined, options: Options) => runWorker(settings, url, options));
}

/** compiles of others give way to this machine's own work: its user, its builds, its scheduler and agent */
const compileNiceness = 10;

async function runWorker(settings: Settings, givenUrl: string | undefined, options: Options): Promise<void> {
  const url = givenUrl ?? schedulerUrl(settings);
  if (url === undefined) return complain('which scheduler? give its URL: icets worker icets://HOST:8765', 2);
  const token = readToken(settings.tokenFile);
  if (!token.ok) return complain(token.error);
  const dir = resolve(options.dir);
  const log = fileLog(join(settings.stateDir, `logs/${options.name}.log`), settings.logLevel, options.name);
  const clock = systemClock;
  const store = await openDiskStore({
    dir: join(dir, 'store'),
    limitBytes: settings.worker.storeLimitBytes,
    clock,
    log,
  });
  if (!store.ok) return complain(store.error.message);
  const processes = await openProcesses(log, compileNiceness);
  const joined: { link?: WorkerLink } = {};
  const memory = settings.worker.memoryLimitBytes;
  const worker = await createWorker({
    dir: join(dir, 'work'),
    name: options.name,
    slots: options.slots,
    processes,
    store: store.value,
    log,
    ...(memory !== undefined && {
      limits: { process: { addressSpaceBytes: memory, fileSizeBytes: 2 * 1024 ** 3, openFiles: 1024 } },
    }),
    onStateChange: () => joined.link?.stateChanged(),
  });
  if (!worker.ok) {
    complain(`${worker.error.message}; icets doctor tells more`);
    await store.value.close();
    return;
  }
  let announced = false;
  joined.link = runWorkerLink({
    url,
    token: token.value,
    name: options.name,
    version,
    clock,
    log,
    info: {
      id: workerId(dir),
      arch: machineArch(process.arch),
      cores: availableParallelism(),
      slots: options.slots,
      memoryBytes: totalmem(),
      url: '',
    },
    runner: worker.value,
    state: () => worker.value.state(),
    onLinkState: (state) => {
      log.info({ state, url }, 'link to the scheduler');
      if (state.kind === 'connected' && !announced) {
        announced = true;
        announce(url);
      }
      if (state.kind === 'refused') complain(`${url} refuses this worker: ${state.message}`);
    },
  });
  if (process.stdout.isTTY) say(`worker ${options.name}: ${options.slots} slots, joining ${url}`);
  const signal = await untilSignal();
  log.info({ signal }, 'the worker ends');
  worker.value.drain();
  await joined.link.close();
  await worker.value.close();
  await store.value.close();
  process.exit(0);
}

/** Stays the same over restarts, so that what the scheduler learned of this worker stays true. */
function workerId(dir: string): string {
  const path = join(dir, 'id');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    const id = createHash('sha256').update(randomBytes(32)).digest('hex').slice(0, 24);
    writeFileSync(path, `${id}\n`);
    return id;
  }
}
