#!/usr/bin/env node
// Stands in for icets while the harness itself is tried out: runs every compile here and writes a record that says it was
// remote. ICETS_BIN=bench/builds/stand-in.mjs; STAND_IN_BREAK=TEXT spoils every object whose name contains TEXT.

import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

const argv = process.argv.slice(2);
const steps = join(process.env.ICETS_STATE_DIR ?? '/nonexistent', 'steps');

if (argv[0] === 'up' || argv[0] === 'down') process.exit(0);
if (argv[0] === 'status') {
  console.log(JSON.stringify({ agent: { pid: 0, cpuMs: 0, counters: {} }, cluster: null }));
  process.exit(0);
}

const startMs = Date.now();
const done = spawnSync(argv[0] ?? '', argv.slice(1), { stdio: 'inherit' });
const compiles = argv.includes('-c');
const named = argv.indexOf('-o');
const source = argv.find((arg, i) => i > 0 && /\.(c|cc|cpp|cxx|S)$/.test(arg)) ?? '';
const output = resolve(named > 0 ? (argv[named + 1] ?? '') : basename(source).replace(/\.[^.]*$/, '.o'));
if (process.env.STAND_IN_BREAK && output.includes(process.env.STAND_IN_BREAK)) appendFileSync(output, 'spoiled');
mkdirSync(steps, { recursive: true });
const record = {
  v: 1,
  id: randomUUID(),
  build: 'stand-in',
  kind: compiles ? 'compile' : 'link',
  label: source,
  output,
  cwd: process.cwd(),
  argv,
  place: compiles ? { kind: 'remote', worker: 'stand-in', attempts: 1 } : { kind: 'local', reason: 'link', detail: '' },
  end: done.signal === null ? { kind: 'exited', code: done.status } : { kind: 'signalled', signal: 0 },
  startMs,
  endMs: Date.now(),
  phases: { runMs: Date.now() - startMs },
  userMs: 0,
  systemMs: 0,
  maxRssBytes: 0,
};
appendFileSync(join(steps, 'stand-in.jsonl'), `${JSON.stringify(record)}\n`);
if (done.signal !== null) process.kill(process.pid, done.signal);
process.exit(done.status ?? 1);
