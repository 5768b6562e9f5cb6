// `icets scheduler`: the scheduler of a cluster with its store and action cache, in the foreground.

import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../host/system-clock.ts';
import { startLinkServer } from '../../link/link-server.ts';
import { learnedFile } from '../../scheduler/learned-store.ts';
import { Scheduler } from '../../scheduler/scheduler.ts';
import { openActionCache } from '../../store/action-cache.ts';
import { openDiskStore } from '../../store/disk-store.ts';
import { hostAndPort } from '../arguments.ts';
import { announce, untilSignal } from '../foreground.ts';
import { version } from '../installation.ts';
import { fileLog } from '../logging.ts';
import { complain } from '../output.ts';
import type { Settings } from '../settings.ts';
import { readOrMakeToken } from '../token.ts';

export function addScheduler(program: Command, settings: Settings): void {
  program
    .command('scheduler')
    .description('run the scheduler of a cluster in the foreground')
    .option('-l, --listen <host:port>', 'where to listen; 0.0.0.0:8765 lets other machines join', settings.listen)
    .action(async (options: { listen: string }) => runScheduler(settings, hostAndPort(options.listen)));
}

async function runScheduler(settings: Settings, listen: { host: string; port: number }): Promise<void> {
  const token = readOrMakeToken(settings.tokenFile);
  if (!token.ok) return complain(token.error);
  const log = fileLog(join(settings.stateDir, 'logs/scheduler.log'), settings.logLevel, 'scheduler');
  const clock = systemClock;
  const dir = join(settings.cacheDir, 'scheduler');
  const store = await openDiskStore({
    dir: join(dir, 'store'),
    limitBytes: settings.schedulerStoreLimitBytes,
    clock,
    log,
  });
  if (!store.ok) return complain(store.error.message);
  const actionCache = await openActionCache({
    dir: join(dir, 'actions'),
    limitBytes: settings.schedulerResultsLimitBytes,
    clock,
    log,
  });
  if (!actionCache.ok) return complain(actionCache.error.message);
  const scheduler = await Scheduler.open({
    blobs: store.value,
    actionCache: actionCache.value,
    clock,
    log,
    version,
    learned: learnedFile(join(settings.stateDir, 'learned.json'), log),
    quarantined: learnedFile(join(settings.stateDir, 'quarantine.json'), log, 'workers in quarantine'),
  });
  const server = await startLinkServer({
    ...listen,
    token: token.value,
    name: hostname(),
    version,
    executor: scheduler,
    workers: scheduler,
    status: () => scheduler.status(),
    trimCache: (limits) => scheduler.trimCache(limits),
    clock,
    log,
  });
  if (!server.ok) {
    complain(server.error.message);
    await actionCache.value.close();
    await store.value.close();
    return;
  }
  log.info({ url: server.value.url }, 'the scheduler listens');
  announce(server.value.url);
  const signal = await untilSignal();
  log.info({ signal }, 'the scheduler ends');
  await server.value.close();
  await scheduler.close();
  await actionCache.value.close();
  await store.value.close();
  process.exit(0);
}
