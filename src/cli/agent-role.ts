// Puts the agent together and runs it until it is idle or told to end.

import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BuildIdentity } from '../agent/build-identity.ts';
import { serveControl } from '../agent/control-server.ts';
import { Counters } from '../agent/counters.ts';
import { recordUnserved, serveInvocation, type InvocationParts } from '../agent/invocation.ts';
import { NativeExpansion } from '../agent/native-expansion.ts';
import { RemoteCompiler } from '../agent/remote-compile.ts';
import { WriteJournal } from '../agent/write-journal.ts';
import { Semaphore } from '../base/semaphore.ts';
import { buildHash } from '../host/launcher-binary.ts';
import { meteredProcesses } from '../host/metered-processes.ts';
import { systemClock } from '../host/system-clock.ts';
import { serveLaunchers } from '../ipc/launcher-server.ts';
import { ownPlace } from '../ipc/socket-folder.ts';
import { takeUnservedNotes } from '../ipc/unserved-notes.ts';
import type { AgentStatus } from '../model/status.ts';
import { CompilerFactsCache } from '../scan/compiler-facts.ts';
import { CompilerRung } from '../scan/compiler-rung.ts';
import { cookieFolderOf } from '../scan/cookie-folder.ts';
import { DirectiveCache } from '../scan/directive-cache.ts';
import { DirectoryWatch } from '../scan/directory-watch.ts';
import { ExactRung } from '../scan/exact-rung.ts';
import { StatFileDigests } from '../scan/file-digests.ts';
import { FileTable } from '../scan/file-table.ts';
import { InputRoots } from '../scan/input-root.ts';
import { DiskInputTrees } from '../scan/input-tree.ts';
import { PathStats } from '../scan/path-stats.ts';
import { ScanLadder } from '../scan/scan-ladder.ts';
import { StatCache } from '../scan/stat-cache.ts';
import { SystemTrees } from '../scan/system-trees.ts';
import { UnitStore } from '../scan/unit-store.ts';
import { StepLog } from '../steps/step-log.ts';
import { Toolchains } from '../toolchain/toolchains.ts';
import { answerAudit, openAuditor } from './audits.ts';
import { ClusterAccess } from './cluster-access.ts';
import { isRunning, processStartTicks } from './cluster-file.ts';
import { untilSignal } from './foreground.ts';
import { installationRoot, version } from './installation.ts';
import { fileLog } from './logging.ts';
import { openProcesses } from './processes.ts';
import { stepFolder } from './records.ts';
import type { Settings } from './settings.ts';

const stepLogLimitBytes = 256 * 1024 ** 2;
const idleCheckMs = 5_000;
const drainMs = 10_000;
const saveDigestsMs = 30_000;

/** Serves launchers in `settings.socketDir` until it ends; answers one line when it could not start. */
export async function runAgent(settings: Settings): Promise<string | undefined> {
  const log = fileLog(join(settings.stateDir, 'logs/agent.log'), settings.logLevel, 'agent');
  const loadCpuMs = ownCpuMs();
  const clock = systemClock;
  const startedMs = clock.nowMs();
  const counters = new Counters();
  const localSlots = new Semaphore(settings.localSlots);
  const processes = meteredProcesses(await openProcesses(log));
  const stats = new PathStats();
  const statCache = new StatCache(join(settings.cacheDir, 'agent/digests'));
  const digests = new StatFileDigests(stats, statCache);
  const startTicks = processStartTicks(process.pid) ?? '0';
  const cookieFolder = cookieFolderOf(
    join(settings.cacheDir, 'agent/cookies'),
    { pid: process.pid, startTicks },
    isRunning,
  );
  const watch = new DirectoryWatch({ cookieFolder });
  const snapshots = new SystemTrees({ digests, watch });
  const trees = new DiskInputTrees(digests);
  const toolchains = new Toolchains({
    processes,
    digests,
    snapshots,
    trees,
    cacheFolder: join(settings.cacheDir, 'agent/toolchains'),
    version: buildHash(installationRoot()),
    watch,
  });
  const permits = new Semaphore(availableParallelism());
  const table = new FileTable({ digests, watch });
  const facts = new CompilerFactsCache({ processes, table, permits, folder: join(settings.cacheDir, 'agent/probes') });
  const directives = new DirectiveCache({ folder: join(settings.cacheDir, 'agent/directives') });
  const units = new UnitStore({
    folder: join(settings.cacheDir, 'agent/units'),
    version: buildHash(installationRoot()),
  });
  const exact = new ExactRung({ facts, table, directives, store: units });
  const cluster = new ClusterAccess(settings, clock, log);
  const steps = new StepLog({ dir: stepFolder(settings), limitBytes: stepLogLimitBytes, clock, log });
  let ended: (why: string) => void = () => {};
  const untilEnded = new Promise<string>((resolve) => {
    ended = resolve;
  });

  let running = 0;
  let lastActiveMs = clock.monotonicMs();
  let serial = 0;
  const session = startedMs.toString(36);
  const remoteCompiler = new RemoteCompiler({
    remote: () => cluster.access(),
    toolchains,
    scanner: new ScanLadder(exact, new CompilerRung({ processes, digests, facts, permits })),
    roots: new InputRoots(trees, snapshots),
    native: new NativeExpansion(processes, join(settings.cacheDir, 'agent/native')),
    digests,
    counters,
    baseDirectory: settings.baseDirectory,
  });
  const auditor = openAuditor({
    settings,
    clock,
    log,
    remoteCompiler,
    remote: () => cluster.access(),
    localSlots,
    running: () => running,
  });
  const parts: InvocationParts = {
    journal: new WriteJournal(join(settings.stateDir, 'agent'), { pid: process.pid, startTicks }, (pid, ticks) =>
      isRunning({ pid, startTicks: ticks }),
    ),
    place: ownPlace(),
    toolchains,
    remoteCompiler,
    auditor,
    localSlots,
    builds: new BuildIdentity(clock),
    counters,
    steps,
    clock,
    log,
  };
  const server = await serveLaunchers({
    socketDir: settings.socketDir,
    version: buildHash(installationRoot()),
    log,
    onRequest: async (request, launcher) => {
      running += 1;
      try {
        await serveInvocation(parts, `${session}-${(serial++).toString(36)}`, request, launcher);
      } finally {
        running -= 1;
        lastActiveMs = clock.monotonicMs();
      }
    },
    onOtherVersion: (hello) => {
      if (hello.builtMs > startedMs) ended('a launcher of a newer build came by');
    },
  });
  if (!server.ok) {
    parts.journal.close();
    return server.error.message;
  }
  const recordWhatRanWithoutUs = () => {
    for (const note of takeUnservedNotes(settings.socketDir)) {
      recordUnserved(parts, `${session}-${(serial++).toString(36)}`, note);
    }
  };
  recordWhatRanWithoutUs();
  const status = (): AgentStatus => {
    recordWhatRanWithoutUs();
    return {
      version,
      pid: process.pid,
      startedMs,
      scheduler: cluster.status(),
      localSlots: localSlots.permits,
      localBusy: localSlots.permits - localSlots.free,
      running,
      counters: counters.snapshot(),
      cpuMs: ownCpuMs(),
      childCpuMs: processes.cpuMs,
      rssBytes: process.memoryUsage.rss(),
      audit: auditor.status(),
    };
  };
  const control = await serveControl(settings.socketDir, {
    status,
    flush: () => {
      recordWhatRanWithoutUs();
      return steps.flush();
    },
    stop: () => ended('it was told to'),
    audit: (request) => answerAudit(auditor, request),
  });
  cluster.look();
  const cost = { loadCpuMs, cpuMs: ownCpuMs() };
  log.info({ pid: process.pid, version, socket: server.value.socketPath, ...cost }, 'the agent listens');

  const idle = setInterval(
    () => {
      recordWhatRanWithoutUs();
      if (running === 0 && clock.monotonicMs() - lastActiveMs > settings.idleSeconds * 1000) ended('it was idle');
    },
    Math.min(idleCheckMs, Math.max(100, settings.idleSeconds * 500)),
  );
  const saving = setInterval(() => {
    directives.flush();
    units.flush();
    void statCache.save();
  }, saveDigestsMs);
  const why = await Promise.race([untilEnded, untilSignal()]);
  log.info({ why }, 'the agent ends');
  clearInterval(idle);
  clearInterval(saving);
  // New launchers start another agent; those that are being served are finished.
  server.value.retire();
  control.close();
  const untilMs = clock.monotonicMs() + drainMs;
  while (running > 0 && clock.monotonicMs() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20));
  await server.value.close();
  await auditor.close();
  await cluster.close();
  await steps.close();
  await statCache.save();
  directives.flush();
  units.flush();
  watch.close();
  rmSync(cookieFolder, { recursive: true, force: true });
  parts.journal.close();
  return undefined;
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
