// Puts the agent's audits together: where they are kept, what compiles for them, and when the machine is idle enough.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Auditor } from '../agent/audit/auditor.ts';
import { Findings } from '../agent/audit/findings.ts';
import { mayAudit } from '../agent/audit/idleness.ts';
import { privateCompiler } from '../agent/audit/private-run.ts';
import { Tally } from '../agent/audit/tally.ts';
import type { RemoteAccess } from '../agent/remote-access.ts';
import type { RemoteCompiler } from '../agent/remote-compile.ts';
import type { Log } from '../base/log.ts';
import { err } from '../base/result.ts';
import type { Semaphore } from '../base/semaphore.ts';
import { hasCpuQuota, MachineLoad } from '../host/machine-load.ts';
import type { Clock } from '../model/clock.ts';
import type { Processes } from '../model/processes.ts';
import { openProcesses } from './processes.ts';
import type { Settings } from './settings.ts';

const lowestPriority = 19;

export interface AuditSurroundings {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly remoteCompiler: RemoteCompiler;
  readonly remote: () => Promise<RemoteAccess>;
  readonly localSlots: Semaphore;
  /** steps that are being served */
  readonly running: () => number;
}

export function auditFolder(settings: Settings): string {
  return join(settings.stateDir, 'audit');
}

export function openAuditor(around: AuditSurroundings): Auditor {
  const { settings, clock, log, remoteCompiler, localSlots } = around;
  const outputs = join(settings.cacheDir, `agent/audit-${process.pid}`);
  removeLeftovers(join(settings.cacheDir, 'agent'));
  let opened: Promise<Processes> | undefined;
  const load = new MachineLoad();
  const dir = auditFolder(settings);
  return new Auditor({
    percent: settings.auditPercent,
    random: Math.random,
    clock,
    log,
    tally: new Tally(dir),
    findings: new Findings(join(dir, 'findings')),
    compileHere: async (job, folder, signal) => {
      // A spawner of its own, whose compilers get what others leave.
      opened ??= openProcesses(log, lowestPriority);
      const processes = await opened;
      if (job.stderrTerminal !== undefined && !('spawnerPid' in processes)) {
        return err({ reason: 'unusual-command', detail: 'without the C spawner there is no terminal to print to' });
      }
      const compiled = await privateCompiler(processes, outputs)(job, folder, signal);
      rmSync(outputs, { recursive: true, force: true });
      return compiled;
    },
    compileThere: (job, signal) => remoteCompiler.run(job, { phases: {}, cpu: {} }, signal),
    remote: around.remote,
    mayStart: () =>
      mayAudit({
        cores: availableParallelism(),
        idleCores: load.idleCores(),
        freeMemoryShare: load.freeMemoryShare(),
        running: around.running(),
        freeLocalSlots: localSlots.free,
        waitingForSlots: localSlots.waiting,
        hasQuota: hasCpuQuota,
      }),
    mustStop: () => localSlots.waiting > 0,
  });
}

/** Outputs of agents that were killed during an audit. */
function removeLeftovers(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const pid = /^audit-([0-9]+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** Does what the command line asked the agent for. */
export function answerAudit(auditor: Auditor, request: URLSearchParams): object {
  const now = request.get('now');
  const rate = request.get('rate');
  const forgive = request.get('forgive');
  if (now !== null) return { urgent: auditor.hurry(now === '' ? undefined : Number(now)) };
  if (rate !== null) {
    const set = auditor.setPercent(rate === 'default' ? undefined : Number(rate));
    return set.ok ? { percent: auditor.status().percent } : { error: set.error };
  }
  if (forgive === null) return { error: 'unknown request' };
  const forgiven = auditor.forgive(forgive);
  return forgiven.ok ? { forgiven: forgiven.value } : { error: forgiven.error };
}
