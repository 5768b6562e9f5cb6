// What icets adds to one compile: CPU of the launcher, CPU of the agent, time on the worker; each beside the plain compile
// of a 1,000-line C++ file in the same run. Medians; everything is one after the other.
//   --jobs N   compiles for each figure (default 40)

import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { childrenCpuMs, mustRun } from '../builds/command.mjs';
import { icetsProgram, startPrivateCluster } from '../builds/private-cluster.mjs';
import { formatTable } from '../builds/table.mjs';

const at = process.argv.indexOf('--jobs');
const jobs = at > 0 ? Number(process.argv[at + 1]) : 40;
const launcherCalls = 300;

/** @param {number} variant */
function unit(variant) {
  const functions = Array.from(
    { length: 110 },
    (_, i) => `int sum_${variant}_${i}(const std::vector<int>& values, const std::map<std::string, int>& names) {
  int sum = ${i};
  for (int value : values) {
    if (value % ${i + 2} == 0) sum += value;
  }
  for (const auto& [name, value] : names) sum += static_cast<int>(name.size()) * value;
  return sum;
}
`,
  );
  return `#include <map>\n#include <string>\n#include <vector>\n${functions.join('\n')}`;
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const cluster = await startPrivateCluster({ workers: 1, name: 'micro' });
try {
  const cwd = join(cluster.folder, 'work');
  await mustRun(['mkdir', '-p', cwd]);
  const { env } = cluster;
  const compiler = ['g++', '-O2', '-c'];
  /** @param {number} i */
  const write = (i) => writeFileSync(join(cwd, 'unit.cc'), unit(i));
  const through = () => mustRun([icetsProgram, ...compiler, 'unit.cc', '-o', 'unit.o'], { cwd, env });
  const plainly = () => mustRun([...compiler, 'unit.cc', '-o', 'plain.o'], { cwd, env });

  // Warm: toolchain, headers, caches; and Node has compiled the agent's own code, as after the first minute of a build.
  let dense = await cluster.agentStatus();
  for (let i = 0; i < 300; i++) {
    if (i === 200) dense = await cluster.agentStatus();
    writeFileSync(join(cwd, 'tiny.cc'), `int tiny_${i}() { return ${i}; }\n`);
    await mustRun([icetsProgram, ...compiler, 'tiny.cc', '-o', 'tiny.o'], { cwd, env });
  }
  const denseEnd = await cluster.agentStatus();
  for (let i = 0; i < 3; i++) {
    write(i);
    await through();
  }
  const lines = readFileSync(join(cwd, 'unit.cc'), 'utf8').split('\n').length;

  // Pairs: the same unit plainly and on the worker.
  /** @type {number[]} */
  const plainWall = [];
  const before = await cluster.agentStatus();
  const plainCpuFrom = childrenCpuMs();
  let icetsCpu = 0;
  for (let i = 0; i < jobs; i++) {
    write(1000 + i);
    plainWall.push((await plainly()).wallMs);
    const mark = childrenCpuMs();
    await through();
    icetsCpu += childrenCpuMs() - mark;
  }
  const plainCpu = (childrenCpuMs() - plainCpuFrom - icetsCpu) / jobs;
  const after = await cluster.agentStatus();
  const records = (await cluster.records()).filter((record) => record.place.kind === 'remote').slice(-jobs);
  if (before === undefined || after === undefined || records.length < jobs) throw new Error('not all jobs were remote');
  const wall = median(plainWall);
  const onWorker = records.map(
    (record) => (record.phases.fetchMs ?? 0) + (record.phases.setupMs ?? 0) + (record.phases.runMs ?? 0),
  );
  const overhead = median(onWorker.map((ms, i) => ms - (plainWall[i] ?? 0)));
  const counter = (/** @type {string} */ name) => ((after.counters[name] ?? 0) - (before.counters[name] ?? 0)) / jobs;
  const agent = (after.cpuMs - before.cpuMs) / jobs;
  const inputs = counter('cpu.scanMs') + counter('cpu.digestMs') + counter('cpu.proveMs');
  if (dense === undefined || denseEnd === undefined) throw new Error('the agent has gone');
  const [denseFrom, denseTo] = [dense, denseEnd];
  const denseAgent = (denseTo.cpuMs - denseFrom.cpuMs) / 100;
  const denseInputs = ['cpu.scanMs', 'cpu.digestMs', 'cpu.proveMs'].reduce(
    (sum, name) => sum + ((denseTo.counters[name] ?? 0) - (denseFrom.counters[name] ?? 0)) / 100,
    0,
  );
  const preprocessor = (after.childCpuMs - before.childCpuMs) / jobs;

  // The launcher alone: answers come from the cache, the agent is another process.
  const cache = join(cluster.folder, 'xdg/cache/icets');
  const binary = readdirSync(cache).find((name) => /^launcher-[0-9a-f]{12}$/.test(name));
  const loop = (/** @type {string} */ command) =>
    mustRun(['sh', '-c', `i=0; while [ $i -lt ${launcherCalls} ]; do ${command}; i=$((i+1)); done`], { cwd, env });
  /** @param {string} command */
  const perCall = async (command) => {
    const from = childrenCpuMs();
    await loop(command);
    return (childrenCpuMs() - from) / launcherCalls;
  };
  const target = `${compiler.join(' ')} unit.cc -o unit.o`;
  const nothing = await perCall('/bin/true');
  const launcher = binary === undefined ? NaN : await perCall(`${join(cache, binary)} ${target}`);
  const shim = await perCall(`${icetsProgram} ${target}`);
  if (!existsSync(join(cwd, 'unit.o'))) throw new Error('no object');

  const ratio = (/** @type {number} */ ms) => `${((100 * ms) / plainCpu).toFixed(2)} %`;
  console.log(`Linux ${release()}, ${cpus().length} cores (${cpus()[0]?.model}), Node ${process.versions.node}`);
  console.log(
    `load ${loadavg()
      .map((value) => value.toFixed(1))
      .join(' ')}; ${jobs} pairs, ${launcherCalls} launcher calls; one local worker, 300 tiny jobs before`,
  );
  console.log(
    `unit: ${lines} lines of C++, ${compiler.join(' ')}; plain compile ${plainCpu.toFixed(0)} ms of CPU, ${wall.toFixed(0)} ms wall\n`,
  );
  const row = (/** @type {string} */ what, /** @type {number} */ ms, /** @type {string} */ goal) => [
    what,
    `${ms.toFixed(2)} ms`,
    ratio(ms),
    goal,
  ];
  console.log(
    formatTable(
      ['per compile', 'median or mean', 'of the compile', 'target'],
      [
        row('launcher, CPU (fork and exec by sh included)', launcher, ''),
        row('  the same for /bin/true', nothing, ''),
        row('  launcher alone', launcher - nothing, '1.5 ms'),
        row('through bin/icets, CPU', shim - nothing, ''),
        row('agent, CPU, remote job in a row of tiny ones', denseAgent, ''),
        row('  of it finding and checking inputs', denseInputs, ''),
        row('  without them', denseAgent - denseInputs, '3 ms'),
        row('agent, CPU, remote job, upkeep between them included', agent, ''),
        row('  of it finding and checking inputs', inputs, ''),
        row('  without them', agent - inputs, ''),
        row("the compiler's -M, CPU (until issue B)", preprocessor, ''),
        row('worker, wall over the bare compiler', overhead, '25 ms'),
      ],
    ),
  );
} finally {
  await cluster.stop();
}
