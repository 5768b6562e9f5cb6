// `icets cache`: how much is kept, and making it less.

import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { askCluster } from '../cluster-client.ts';
import { isRunning, readClusterFile } from '../cluster-file.ts';
import { askAgent } from '../control-client.ts';
import { bytesText, complain, say, table } from '../output.ts';
import type { Settings } from '../settings.ts';

export function addCache(program: Command, settings: Settings): void {
  const cache = program.command('cache').description('show or clear what icets keeps to be faster the next time');
  cache
    .command('stats', { isDefault: true })
    .description('show what is kept, here and in the cluster')
    .action(async () => stats(settings));
  cache
    .command('clear')
    .description('remove everything below the cache folder of this machine; nothing of icets may run')
    .action(async () => clear(settings));
}

async function stats(settings: Settings): Promise<void> {
  const rows = foldersOf(settings.cacheDir).map((name) => {
    const size = sizeOf(join(settings.cacheDir, name));
    return [name, String(size.files), bytesText(size.bytes)];
  });
  say(settings.cacheDir);
  say(rows.length === 0 ? 'nothing is kept' : table(['part', 'files', 'size'], rows));
  const cluster = await askCluster(settings);
  if (!cluster.ok) return;
  const { store, cacheHits, completed } = cluster.value;
  say('');
  say(`cluster: ${store.blobs} blobs, ${bytesText(store.bytes)} of ${bytesText(store.limitBytes)}`);
  say(`cluster: ${cacheHits} hits, ${completed} actions run since its start`);
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
