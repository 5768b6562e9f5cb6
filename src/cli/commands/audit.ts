// `icets audit`: what samples of results showed, how many are taken, taking some now, and forgiving what was found.

import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import pc from 'picocolors';
import { Findings } from '../../agent/audit/findings.ts';
import { Tally } from '../../agent/audit/tally.ts';
import { ok, type Result } from '../../base/result.ts';
import type { AuditFinding, AuditStatus } from '../../model/audit.ts';
import type { QuarantinedWorker } from '../../model/status.ts';
import { positiveInteger } from '../arguments.ts';
import { auditFolder } from '../audits.ts';
import { askCluster, liftQuarantine } from '../cluster-client.ts';
import { askAgent, askForAudit } from '../control-client.ts';
import { complain, say } from '../output.ts';
import type { Settings } from '../settings.ts';

interface Options {
  readonly rate?: number | 'default';
  readonly now?: number | true;
  readonly forgive?: string;
  readonly json?: boolean;
}

const askAgainMs = 100;

export function addAudit(program: Command, settings: Settings): void {
  program
    .command('audit')
    .description('show what compiling samples of results again on this machine has found')
    .option(
      '--rate <percent>',
      'of results to compile again, 0 to 100; "default" for what the configuration says',
      percent,
    )
    .option('--now [n]', 'audit what waits, or the last N results, without waiting for idle cores', positiveInteger)
    .option('--forgive <name>', 'let a worker, an option or an object have another chance; "all" for everything')
    .option('--json', 'everything, as one JSON object')
    .action(async (options: Options) => {
      if (options.rate !== undefined) await setRate(settings, options.rate);
      if (options.forgive !== undefined) await forgive(settings, options.forgive);
      if (options.now !== undefined) await auditNow(settings, options.now, options.json === true);
      else if (options.json === true || (options.rate === undefined && options.forgive === undefined)) {
        await show(settings, options.json === true);
      }
    });
}

function percent(text: string): number | 'default' {
  if (text === 'default') return text;
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 100)) {
    throw new InvalidArgumentError('a number from 0 to 100 is needed, or "default".');
  }
  return value;
}

async function setRate(settings: Settings, rate: number | 'default'): Promise<void> {
  const asked = await askForAudit<{ error?: string }>(settings.socketDir, { rate: String(rate) });
  const set: Result<void, string> = asked.ok
    ? asked.value.error === undefined
      ? ok(undefined)
      : { ok: false, error: asked.value.error }
    : new Tally(auditFolder(settings)).setPercent(rate === 'default' ? undefined : rate);
  if (!set.ok) return complain(set.error);
  say(rate === 'default' ? 'the configuration decides' : `${rate} % of the results from elsewhere are audited`);
}

/** Here for options and objects, at the cluster for workers. */
async function forgive(settings: Settings, name: string): Promise<void> {
  const asked = await askForAudit<{ forgiven?: AuditFinding[]; error?: string }>(settings.socketDir, { forgive: name });
  const local: { forgiven?: readonly AuditFinding[]; error?: string } = asked.ok
    ? asked.value
    : forgiveWithoutAgent(settings, name);
  const { forgiven = [], error } = local;
  if (error !== undefined) complain(error);
  const workers = new Set(forgiven.flatMap(({ blame }) => (blame.kind === 'worker' ? [blame.worker] : [])));
  if (name !== 'all') workers.add(name);
  else {
    const cluster = await askCluster(settings);
    if (cluster.ok) for (const { worker } of cluster.value.quarantined) workers.add(worker);
  }
  let lifted = 0;
  for (const worker of workers) {
    const answer = await liftQuarantine(settings, worker);
    if (answer.ok && answer.value.wasQuarantined) {
      lifted += 1;
      say(`${worker} gets work again`);
    } else if (!answer.ok && forgiven.some(({ blame }) => blame.kind === 'worker' && blame.worker === worker)) {
      complain(`${worker} is still in quarantine: ${answer.error}`);
    }
  }
  for (const { blame, output } of forgiven) {
    if (blame.kind === 'option') say(`compiles with ${blame.option} may leave this machine again`);
    if (blame.kind === 'unit') say(`${output} may be made elsewhere again`);
  }
  if (lifted === 0 && forgiven.length === 0 && error === undefined) complain(`no audit has anything against ${name}`);
}

function forgiveWithoutAgent(settings: Settings, name: string): { forgiven?: readonly AuditFinding[]; error?: string } {
  const forgiven = findingsOf(settings).forgive(name);
  return forgiven.ok ? { forgiven: forgiven.value } : { error: forgiven.error };
}

function findingsOf(settings: Settings): Findings {
  return new Findings(join(auditFolder(settings), 'findings'));
}

/** What was found and not forgiven, also while no agent runs. */
export function findingsOnDisk(settings: Settings): readonly AuditFinding[] {
  return findingsOf(settings).active;
}

async function auditNow(settings: Settings, last: number | true, json: boolean): Promise<void> {
  const before = await askAgent(settings.socketDir);
  const asked = await askForAudit<{ urgent: number }>(settings.socketDir, { now: last === true ? '' : String(last) });
  if (!before.ok || !asked.ok)
    return complain('no agent runs, so there is nothing to audit; the first compile starts it');
  for (;;) {
    const agent = await askAgent(settings.socketDir);
    if (!agent.ok) return complain('the agent ended before its audits');
    const { audit } = agent.value;
    if (audit.urgent > 0) {
      await new Promise((resolve) => setTimeout(resolve, askAgainMs));
      continue;
    }
    const earlier = before.value.audit;
    const equal = audit.equal - earlier.equal;
    const different = audit.different - earlier.different;
    const skipped = Object.entries(audit.skipped).flatMap(([reason, times]) => {
      const more = times - (earlier.skipped[reason as keyof AuditStatus['skipped']] ?? 0);
      return more > 0 ? [`${more} ${reason}`] : [];
    });
    if (json) say(JSON.stringify({ v: 1, equal, different, agent: audit }));
    else {
      for (const line of findingLines(audit.findings)) say(line);
      const rest = skipped.length === 0 ? '' : `, not compared: ${skipped.join(', ')}`;
      say(`${equal} equal, ${different} different${rest}`);
    }
    if (different > 0) process.exitCode = 1;
    return;
  }
}

async function show(settings: Settings, json: boolean): Promise<void> {
  const [agent, cluster] = await Promise.all([askAgent(settings.socketDir), askCluster(settings)]);
  const quarantined = cluster.ok ? cluster.value.quarantined : [];
  const audit: AuditStatus = agent.ok ? agent.value.audit : withoutAgent(settings);
  if (json) {
    say(JSON.stringify({ v: 1, audit, quarantined: cluster.ok ? quarantined : null }));
    return;
  }
  for (const line of auditAlarms(audit.findings, quarantined)) say(line);
  say(`rate        ${audit.percent} % of the results from elsewhere`);
  say(`samples     ${audit.taken} taken, ${audit.equal} equal, ${audit.different} different, ${audit.waiting} waiting`);
  const skipped = Object.entries(audit.skipped).sort(([, a], [, b]) => b - a);
  if (skipped.length > 0) say('not compared');
  for (const [reason, times] of skipped) say(`  ${String(times).padStart(6)}  ${reason}`);
  if (quarantined.length === 0 && audit.findings.length === 0) say('quarantine  nothing');
}

function withoutAgent(settings: Settings): AuditStatus {
  const tally = new Tally(auditFolder(settings));
  const findings = findingsOnDisk(settings);
  return { percent: tally.percent ?? settings.auditPercent, ...tally.totals, waiting: 0, urgent: 0, findings };
}

/** What `icets status` says before anything else; empty when no audit found anything. */
export function auditAlarms(findings: readonly AuditFinding[], quarantined: readonly QuarantinedWorker[]): string[] {
  const told = new Set(findings.flatMap(({ blame }) => (blame.kind === 'worker' ? [blame.worker] : [])));
  const others = quarantined.filter(({ worker }) => !told.has(worker));
  return [
    ...findingLines(findings),
    ...others.map(({ worker, why }) => alarm(`worker ${worker} is in quarantine: ${why}`)),
  ];
}

function findingLines(findings: readonly AuditFinding[]): string[] {
  return findings.flatMap(({ id, atMs, blame, summary, secondOpinion, folder }) => {
    const name = blame.kind === 'worker' ? blame.worker : blame.kind === 'option' ? `'${blame.option}'` : id;
    return [
      alarm(summary),
      `  found       ${new Date(atMs).toISOString()}; ${secondOpinion}`,
      `  both sides  ${folder ?? 'given up for room'}`,
      `  to forgive  icets audit --forgive ${name}`,
    ];
  });
}

function alarm(text: string): string {
  return pc.bold(pc.red(`AUDIT: ${text}`));
}
