// `icets doctor`: what is missing on this machine, and the command that mends it.

import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { execa } from 'execa';
import pc from 'picocolors';
import { readClusterFile } from '../cluster-file.ts';
import { askAgent } from '../control-client.ts';
import { say } from '../output.ts';
import type { Settings } from '../settings.ts';
import { readToken } from '../token.ts';

type Finding =
  | { readonly kind: 'good'; readonly what: string }
  | { readonly kind: 'wanting'; readonly what: string; readonly mend: string }
  | { readonly kind: 'broken'; readonly what: string; readonly mend: string };

const lowDiskBytes = 2 * 1024 ** 3;

export function addDoctor(program: Command, settings: Settings): void {
  program
    .command('doctor')
    .description('tell what is missing on this machine, and the command that mends it')
    .action(async () => {
      const findings = await examine(settings);
      for (const finding of findings) say(lineOf(finding));
      if (findings.some((finding) => finding.kind === 'broken')) process.exitCode = 1;
    });
}

function lineOf(finding: Finding): string {
  switch (finding.kind) {
    case 'good':
      return `${pc.green('ok  ')} ${finding.what}`;
    case 'wanting':
      return `${pc.yellow('note')} ${finding.what}\n       ${finding.mend}`;
    case 'broken':
      return `${pc.red('bad ')} ${finding.what}\n       ${finding.mend}`;
  }
}

async function examine(settings: Settings): Promise<Finding[]> {
  return [
    platform(),
    tool('cc', 'the launcher then runs on Node, 40 ms for each compile', 'apt-get install gcc libc6-dev', 'wanting'),
    ...(await sandbox()),
    tool('g++', 'nothing to compile C++ with', 'apt-get install g++', 'wanting'),
    tool('cmake', 'CMake projects cannot be configured', 'apt-get install cmake', 'wanting'),
    tool('ninja', 'Ninja builds cannot be run', 'apt-get install ninja-build', 'wanting'),
    disk(settings.cacheDir),
    token(settings),
    scheduler(settings),
    await agent(settings),
  ];
}

function platform(): Finding {
  if (process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')) {
    return { kind: 'good', what: `Linux on ${process.arch}, Node ${process.versions.node}` };
  }
  return {
    kind: 'broken',
    what: `${process.platform} on ${process.arch} is not supported`,
    mend: 'use Linux on x86_64 or arm64',
  };
}

function findOnPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder === '' ? '.' : folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      continue;
    }
  }
  return undefined;
}

function tool(name: string, without: string, mend: string, kind: 'wanting' | 'broken'): Finding {
  const path = findOnPath(name);
  if (path !== undefined) return { kind: 'good', what: `${name} is ${path}` };
  return { kind, what: `no ${name} on PATH: ${without}`, mend };
}

async function sandbox(): Promise<Finding[]> {
  const present = tool('bwrap', 'this machine cannot be a worker', 'apt-get install bubblewrap', 'broken');
  if (present.kind !== 'good') return [present];
  const trial = await execa(
    'bwrap',
    [
      '--unshare-all',
      '--unshare-user',
      '--uid',
      '1000',
      '--gid',
      '1000',
      '--cap-drop',
      'ALL',
      '--ro-bind',
      '/',
      '/',
    ].concat(['--proc', '/proc', 'true']),
    { reject: false, timeout: 10_000, stdin: 'ignore' },
  );
  if (trial.exitCode === 0) return [present, { kind: 'good', what: 'bwrap makes a sandbox without root rights' }];
  return [
    present,
    {
      kind: 'broken',
      what: `bwrap cannot make a sandbox: ${String(trial.stderr).split('\n')[0] ?? ''}`,
      mend: 'allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000',
    },
  ];
}

function disk(path: string): Finding {
  for (let folder = path; ; folder = join(folder, '..')) {
    try {
      const stats = statfsSync(folder);
      const free = stats.bavail * stats.bsize;
      if (free >= lowDiskBytes) return { kind: 'good', what: `${(free / 1024 ** 3).toFixed(0)} GiB free for ${path}` };
      return {
        kind: 'wanting',
        what: `less than 2 GiB free for ${path}`,
        mend: 'icets cache clear, or set ICETS_CACHE_DIR',
      };
    } catch {
      if (folder === '/') return { kind: 'wanting', what: `cannot look at ${path}`, mend: 'set ICETS_CACHE_DIR' };
    }
  }
}

function token(settings: Settings): Finding {
  const read = readToken(settings.tokenFile);
  return read.ok
    ? { kind: 'good', what: `cluster token in ${settings.tokenFile}` }
    : { kind: 'wanting', what: 'no cluster token that can be used', mend: read.error };
}

function scheduler(settings: Settings): Finding {
  const url = settings.schedulerUrl ?? readClusterFile(settings.stateDir)?.url;
  return url === undefined
    ? {
        kind: 'wanting',
        what: 'no scheduler is known: everything compiles here',
        mend: 'icets up, or set ICETS_SCHEDULER=icets://HOST:8765',
      }
    : { kind: 'good', what: `scheduler ${url}` };
}

async function agent(settings: Settings): Promise<Finding> {
  const answer = await askAgent(settings.socketDir);
  if (!answer.ok) {
    return answer.error === 'none'
      ? { kind: 'good', what: 'no agent runs; the first compile starts it' }
      : { kind: 'broken', what: 'the agent does not answer', mend: 'icets agent --stop' };
  }
  const { state, message, url } = answer.value.scheduler;
  if (state === 'connected') return { kind: 'good', what: `the agent is connected to ${url}` };
  return {
    kind: 'wanting',
    what: `the agent is not connected to a scheduler: ${message}`,
    mend: 'icets up, or look at the scheduler',
  };
}
