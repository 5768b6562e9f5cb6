// `icets status`: the agent of this machine and the cluster it uses.

import type { Command } from 'commander';
import type { AgentStatus, ClusterStatus } from '../../model/status.ts';
import { askCluster } from '../cluster-client.ts';
import { askAgent } from '../control-client.ts';
import { auditAlarms, findingsOnDisk } from './audit.ts';
import { bytesText, complain, say, table } from '../output.ts';
import type { Settings } from '../settings.ts';

export function addStatus(program: Command, settings: Settings): void {
  program
    .command('status')
    .description('show the agent of this machine and the cluster it uses')
    .option('--json', 'everything, as one JSON object')
    .action(async (options: { json?: boolean }) => status(settings, options.json === true));
}

async function status(settings: Settings, json: boolean): Promise<void> {
  const [agent, cluster] = await Promise.all([askAgent(settings.socketDir), askCluster(settings)]);
  if (json) {
    say(
      JSON.stringify({
        v: 1,
        agent: agent.ok ? agent.value : null,
        cluster: cluster.ok ? cluster.value : null,
        ...(cluster.ok ? {} : { clusterError: cluster.error }),
      }),
    );
    return;
  }
  const alarms = auditAlarms(
    agent.ok ? agent.value.audit.findings : findingsOnDisk(settings),
    cluster.ok ? cluster.value.quarantined : [],
  );
  for (const line of alarms) say(line);
  if (agent.ok) describeAgent(agent.value);
  else say(agent.error === 'none' ? 'agent: none runs; the first compile starts it' : 'agent: does not answer');
  say('');
  if (cluster.ok) describeCluster(cluster.value);
  else complain(cluster.error);
}

function describeAgent(agent: AgentStatus): void {
  const { counters } = agent;
  const count = (name: string) => counters[name] ?? 0;
  say(
    `agent: pid ${agent.pid}, ${bytesText(agent.rssBytes)}, ${(agent.cpuMs / 1000).toFixed(1)} s of CPU, ${(agent.childCpuMs / 1000).toFixed(1)} s in what it ran`,
  );
  say(
    `  scheduler   ${agent.scheduler.url === '' ? 'none' : agent.scheduler.url}: ${agent.scheduler.state}${agent.scheduler.message === '' ? '' : ` (${agent.scheduler.message})`}`,
  );
  say(`  now         ${agent.running} steps, ${agent.localBusy} of ${agent.localSlots} local slots`);
  say(
    `  steps       ${count('place.remote')} remote, ${count('place.cache')} from the cache, ${count('place.local')} local`,
  );
  const { percent, taken, equal, different } = agent.audit;
  say(`  audits      ${percent} % of results: ${taken} taken, ${equal} equal, ${different} different`);
  const reasons = Object.entries(counters)
    .filter(([name]) => name.startsWith('local.'))
    .sort(([, a], [, b]) => b - a);
  for (const [name, times] of reasons) say(`    ${String(times).padStart(6)}  ${name.slice('local.'.length)}`);
}

function describeCluster(cluster: ClusterStatus): void {
  say(
    `cluster: ${cluster.running} running, ${cluster.queued} queued, ${cluster.completed} done, ${cluster.cacheHits} from the cache`,
  );
  say(
    `  store       ${cluster.store.blobs} blobs, ${bytesText(cluster.store.bytes)} of ${bytesText(cluster.store.limitBytes)}`,
  );
  if (cluster.workers.length === 0) {
    say('  no workers; icets worker URL on another machine joins one');
    return;
  }
  const rows = cluster.workers.map((worker) => [
    worker.name,
    worker.arch,
    `${worker.running.length}/${worker.slots}`,
    worker.speed.toFixed(2),
    worker.load.toFixed(2),
    String(worker.completed),
    String(worker.failed),
    worker.quarantined ?? '',
  ]);
  say(table(['worker', 'arch', 'busy', 'speed', 'load', 'done', 'failed', 'quarantined'], rows));
}
