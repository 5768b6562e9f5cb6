// `icets cache`: how often a kept result was used, how much is kept, and making it less.

import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { commandReasons, inputReasons } from '../../model/failure.ts';
import type { ClusterStatus } from '../../model/status.ts';
import { age, byteSize } from '../arguments.ts';
import { askCluster, trimCluster } from '../cluster-client.ts';
import { isRunning, readClusterFile } from '../cluster-file.ts';
import { askAgent } from '../control-client.ts';
import { bytesText, complain, say, table } from '../output.ts';
import type { Settings } from '../settings.ts';

export function addCache(program: Command, settings: Settings): void {
  const cache = program.command('cache').description('show or clear what icets keeps to be faster the next time');
  cache
    .command('stats', { isDefault: true })
    .description('show how often a kept result was used, and what is kept, in the cluster and here')
    .option('--json', 'everything, as one JSON object')
    .action(async (options: { json?: boolean }) => stats(settings, options.json === true));
  cache
    .command('gc')
    .description('make the cluster keep less: the least recently used results and blobs go')
    .option('--max-size <size>', 'bytes to keep, such as 500M or 5G', byteSize)
    .option('--older-than <age>', 'what was not used for so long goes, such as 30d or 12h', age)
    .action(async (options: { maxSize?: number; olderThan?: number }) => gc(settings, options));
  cache
    .command('clear')
    .description('remove everything below the cache folder of this machine; nothing of icets may run')
    .action(async () => clear(settings));
}

async function stats(settings: Settings, json: boolean): Promise<void> {
  const folders = foldersOf(settings.cacheDir).map((name) => ({ name, ...sizeOf(join(settings.cacheDir, name)) }));
  const [agent, cluster] = await Promise.all([askAgent(settings.socketDir), askCluster(settings)]);
  const counters = agent.ok ? agent.value.counters : {};
  if (json) {
    const kept = cluster.ok ? { results: cluster.value.results, blobs: cluster.value.store } : null;
    say(JSON.stringify({ v: 1, agent: agent.ok ? cacheCounters(counters) : null, cluster: kept, folders }));
    return;
  }
  if (agent.ok) describeLookups(cacheCounters(counters));
  else say('agent: none runs');
  say('');
  if (cluster.ok) describeKept(cluster.value);
  else say(`cluster: ${cluster.error}`);
  say('');
  say(settings.cacheDir);
  const rows = folders.map(({ name, files, bytes }) => [name, String(files), bytesText(bytes)]);
  say(rows.length === 0 ? 'nothing is kept' : table(['part', 'files', 'size'], rows));
}

interface Lookups {
  readonly hits: number;
  readonly misses: number;
  /** results that were there but failed the proof, or whose bytes were gone; each is a miss that was found out late */
  readonly unproven: number;
  readonly evicted: number;
  /** steps that asked for no kept result, by the reason why */
  readonly notCacheable: Readonly<Record<string, number>>;
  /** compiles below a base directory: those that were made for any place, and the others by the reason why not */
  readonly base: { readonly moved: number; readonly notMoved: Readonly<Record<string, number>> };
}

/** The agent's own counters since its start, as far as they are about kept results. */
function cacheCounters(counters: Readonly<Record<string, number>>): Lookups {
  const count = (name: string) => counters[name] ?? 0;
  const notCacheable: Record<string, number> = {};
  for (const reason of ['no-cache', 'time-macro']) {
    if (count(`cache.${reason}`) > 0) notCacheable[reason] = count(`cache.${reason}`);
  }
  for (const reason of [...commandReasons, ...inputReasons]) {
    if (count(`local.${reason}`) > 0) notCacheable[reason] = count(`local.${reason}`);
  }
  const notMoved: Record<string, number> = {};
  for (const [name, times] of Object.entries(counters)) {
    const reason = /^base\.(?:in-place|stuck)\.(.*)$/.exec(name)?.[1];
    if (reason !== undefined) notMoved[reason] = times;
  }
  return {
    hits: count('cache.hit'),
    misses: count('cache.miss'),
    unproven: count('cache.unproven'),
    evicted: count('cache.evicted'),
    notCacheable,
    base: { moved: count('base.moved'), notMoved },
  };
}

function describeLookups({ hits, misses, unproven, evicted, notCacheable, base }: Lookups): void {
  const all = hits + misses + unproven + evicted;
  const share = all === 0 ? '' : ` (${((100 * hits) / all).toFixed(1)} % of ${all} lookups)`;
  say('agent, since its start');
  say(`  hits            ${hits}${share}`);
  say(`  misses          ${misses}`);
  if (evicted > 0) say(`  evicted         ${evicted}`);
  if (unproven > 0) say(`  unproven        ${unproven}`);
  sayReasons('not cacheable', notCacheable);
  if (base.moved === 0 && Object.keys(base.notMoved).length === 0) return;
  say(`  for any place   ${base.moved}`);
  sayReasons('for this place', base.notMoved);
}

function sayReasons(what: string, counts: Readonly<Record<string, number>>): void {
  const reasons = Object.entries(counts).sort(([, a], [, b]) => b - a);
  say(`  ${what.padEnd(15)} ${reasons.reduce((sum, [, times]) => sum + times, 0)}`);
  for (const [reason, times] of reasons) say(`    ${String(times).padStart(6)}  ${reason}`);
}

function describeKept({ results, store }: ClusterStatus): void {
  say('cluster, counted since its scheduler started');
  say(`  results   ${results.entries}, ${bytesText(results.bytes)} of ${bytesText(results.limitBytes)}`);
  say(`  blobs     ${store.blobs}, ${bytesText(store.bytes)} of ${bytesText(store.limitBytes)}`);
  say(`  lookups   ${results.hits} hits, ${results.misses} misses`);
  say(`  dropped   ${results.evicted} evicted, ${results.rejected} failed a proof`);
}

async function gc(settings: Settings, options: { maxSize?: number; olderThan?: number }): Promise<void> {
  const { maxSize, olderThan } = options;
  if (maxSize === undefined && olderThan === undefined) {
    complain('icets cache gc needs --max-size SIZE or --older-than AGE', 2);
    return;
  }
  const removed = await trimCluster(settings, { maxBytes: maxSize, unusedForMs: olderThan });
  if (!removed.ok) {
    complain(removed.error);
    return;
  }
  const { results, blobs } = removed.value;
  say(`removed ${results.entries} results and ${blobs.entries} blobs, ${bytesText(results.bytes + blobs.bytes)}`);
}

async function clear(settings: Settings): Promise<void> {
  const agent = await askAgent(settings.socketDir);
  if (agent.ok || readClusterFile(settings.stateDir)?.processes.some(isRunning) === true) {
    complain('the agent or a cluster of this machine runs; run icets down first');
    return;
  }
  const size = sizeOf(settings.cacheDir);
  for (const name of foldersOf(settings.cacheDir))
    rmSync(join(settings.cacheDir, name), { recursive: true, force: true });
  say(`removed ${size.files} files, ${bytesText(size.bytes)}`);
}

function foldersOf(path: string): string[] {
  try {
    // Launchers are kept: builds that run now may be using them.
    return readdirSync(path).filter((name) => !name.startsWith('launcher-'));
  } catch {
    return [];
  }
}

function sizeOf(path: string): { files: number; bytes: number } {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return { files: 0, bytes: 0 };
  if (!stats.isDirectory()) return { files: 1, bytes: stats.blocks * 512 };
  let files = 0;
  let bytes = 0;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const below = sizeOf(join(path, entry.name));
    files += below.files;
    bytes += below.bytes;
  }
  return { files, bytes };
}
