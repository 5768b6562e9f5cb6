// What is edited while compiles run, and between the steps of one build: results are those of the new state, never of a mixture.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { askCluster } from '../../src/cli/cluster-client.ts';
import { readSettings } from '../../src/cli/settings.ts';
import { icets, withCluster, type IcetsCluster, type Ran } from '../support/icets-cluster.ts';
import { placeOf, restartAgent } from '../support/staleness.ts';
import { makeCompiler, upgradedFrontEnd } from '../support/staleness-systems.ts';

const options = { workers: 1, slots: 2, env: { ICETS_HEARTBEAT_MS: '60000' } };

interface Unit {
  readonly name: string;
  readonly argv: readonly string[];
}

/** Runs the compiles with the worker stopped, edits once all of them have been handed in, and lets the worker go on. */
async function editDuring(cluster: IcetsCluster, units: readonly Unit[], edit: string): Promise<Ran[]> {
  const { pid } = cluster.processes().find((entry) => entry.role === 'worker')!;
  const settings = readSettings({ ...cluster.env });
  if (!settings.ok) throw new Error(settings.error);
  process.kill(pid, 'SIGSTOP');
  try {
    const runs = units.map(({ argv }) => cluster.run([icets, ...argv]));
    let ended = 0;
    for (const run of runs) void run.then(() => ended++);
    for (;;) {
      const state = await askCluster(settings.value);
      if (state.ok && state.value.running + state.value.queued === units.length) break;
      if (ended > 0)
        throw new Error(`a compile ended before the edit: ${await placeOf(cluster, outputOf(cluster, units[0]!))}`);
    }
    await shell(cluster, edit);
    process.kill(pid, 'SIGCONT');
    return await Promise.all(runs);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

async function shell(cluster: IcetsCluster, line: string): Promise<void> {
  const ran = await cluster.run(['bash', '-ec', line]);
  expect({ line, exitCode: ran.exitCode, stderr: ran.stderr }).toEqual({ line, exitCode: 0, stderr: '' });
}

function outputOf(cluster: IcetsCluster, { name }: Unit): string {
  return join(cluster.folder, `${name}.o`);
}

/** Lets agent and worker get to know the compilers. */
async function warm(cluster: IcetsCluster, programs: readonly string[]): Promise<void> {
  writeFileSync(join(cluster.folder, 'warm.c'), '#include <stddef.h>\nint warm;\n');
  for (const program of programs) {
    expect((await cluster.run([icets, ...unitOf(program, 'warm').argv])).exitCode).toBe(0);
    expect(await placeOf(cluster, join(cluster.folder, 'warm.o'))).toBe('remote');
  }
}

/** Outputs of every unit, made by the plain compiler now. */
async function plain(cluster: IcetsCluster, units: readonly Unit[]): Promise<unknown[]> {
  const made: unknown[] = [];
  for (const unit of units) {
    rmSync(join(cluster.folder, `${unit.name}.o`), { force: true });
    rmSync(join(cluster.folder, `${unit.name}.d`), { force: true });
    const ran = await cluster.run(unit.argv);
    made.push(outputs(cluster, unit, ran));
  }
  return made;
}

/** Outputs of every unit, made through icets. */
async function through(cluster: IcetsCluster, units: readonly Unit[]): Promise<unknown[]> {
  const made: unknown[] = [];
  for (const unit of units) made.push(outputs(cluster, unit, await cluster.run([icets, ...unit.argv])));
  return made;
}

function outputs(cluster: IcetsCluster, { name }: Unit, ran: Ran): unknown {
  const read = (path: string) => (existsSync(path) ? readFileSync(path).toString('base64') : 'none');
  const object = read(join(cluster.folder, `${name}.o`));
  return { exitCode: ran.exitCode, stderr: ran.stderr, object, depfile: read(join(cluster.folder, `${name}.d`)) };
}

const unitOf = (program: string, name: string, ...flags: string[]): Unit => ({
  name,
  argv: [program, '-g', ...flags, '-MD', '-c', `${name}.c`, '-o', `${name}.o`],
});

const edits = [
  { title: 'the header changes', edit: `echo '#define V 2' > j/h.h` },
  {
    title: 'the header is replaced by one of the same size and time',
    edit: `cp j/h.h n; sed -i s/1/2/ n; touch -r j/h.h n; mv n j/h.h`,
  },
  { title: 'a header appears in an earlier directory', edit: `echo '#define V 2' > i/h.h` },
  { title: 'the header is deleted', edit: 'rm j/h.h' },
  { title: 'what was asked for is created', edit: 'touch i/asked.h' },
  { title: 'the source changes', edit: `sed -i s/V/7/ a.c b.c` },
  { title: 'a linked directory leads elsewhere', edit: `ln -sfn k j` },
];

test('an edit during the compile gives the result of the new content', async () => {
  await withCluster(options, async (cluster) => {
    const units = [unitOf('gcc', 'a', '-Ii', '-Ij'), unitOf('clang', 'b', '-Ii', '-Ij')];
    await warm(cluster, ['gcc', 'clang']);
    const text = '#include "h.h"\n#if __has_include("asked.h")\nint asked;\n#endif\nint a[V];\n';
    for (const { title, edit } of edits) {
      for (const folder of ['i', 'j', 'k', 'l']) rmSync(join(cluster.folder, folder), { recursive: true, force: true });
      for (const folder of ['i', 'k', 'l']) mkdirSync(join(cluster.folder, folder));
      for (const { name } of units) writeFileSync(join(cluster.folder, `${name}.c`), `${text}// ${title}\n`);
      await shell(cluster, `ln -s l j; echo '#define V 1' > l/h.h; echo '#define V 5' > k/h.h; rm -f *.o *.d`);
      const before = await plain(cluster, units);
      await shell(cluster, 'rm -f *.o *.d');
      const ran = await editDuring(cluster, units, edit);
      const seen = units.map((unit, at) => outputs(cluster, unit, ran[at]!));
      const again = await through(cluster, units);
      await restartAgent(cluster);
      const restarted = await through(cluster, units);
      const wanted = await plain(cluster, units);
      expect({ title, same: wanted.map((one, at) => JSON.stringify(one) === JSON.stringify(before[at])) }).toEqual({
        title,
        same: [false, false],
      });
      expect({ title, seen }).toEqual({ title, seen: wanted });
      expect({ title, again, restarted }).toEqual({ title, again: wanted, restarted: wanted });
    }
  });
}, 300_000);

test('a compiler upgraded while 8 jobs run gives results of the new one only, and later ones too', async () => {
  await withCluster(options, async (cluster) => {
    await shell(cluster, makeCompiler);
    const units = Array.from({ length: 8 }, (_, i) => unitOf(join(cluster.folder, 't/bin/gcc'), `u${i}`));
    for (const [i, { name }] of units.entries())
      writeFileSync(join(cluster.folder, `${name}.c`), `int ${name}[${i} + 1];\n`);
    await warm(cluster, [units[0]!.argv[0]!]);
    const before = await plain(cluster, units);
    const ran = await editDuring(cluster, units, upgradedFrontEnd);
    const seen = units.map((unit, at) => outputs(cluster, unit, ran[at]!));
    const again = await through(cluster, units);
    expect(await placeOf(cluster, outputOf(cluster, units[0]!))).toBe('remote');
    await restartAgent(cluster);
    const restarted = await through(cluster, units);
    const wanted = await plain(cluster, units);
    expect(wanted).not.toEqual(before);
    expect(seen).toEqual(wanted);
    expect(again).toEqual(wanted);
    expect(restarted).toEqual(wanted);
  });
}, 300_000);

test('a header generated between two compiles of one build is read by the second', async () => {
  await withCluster(options, async (cluster) => {
    const rules = (launcher: string) =>
      [
        `rule cc\n  command = ${launcher} $cc -g -MD -MF $out.d $flags -c $in -o $out\n  depfile = $out.d\n`,
        `rule generate\n  command = sed s/1/$$(cat n)/ h.in > gen/h.h\n`,
        ...['gcc', 'clang'].flatMap((cc) => [
          `build first-${cc}.o: cc a.c\n  cc = ${cc}\n  flags = -Igen -Isource\n`,
          `build second-${cc}.o: cc a.c | gen/h.h\n  cc = ${cc}\n  flags = -Igen -Isource\n`,
        ]),
        `build gen/h.h: generate h.in n | first-gcc.o first-clang.o\n`,
      ].join('');
    const objects = ['first-gcc.o', 'second-gcc.o', 'first-clang.o', 'second-clang.o'];
    const built = async (launcher: string) => {
      await shell(cluster, `rm -rf gen .ninja* *.o *.d; echo 2 > n`);
      writeFileSync(join(cluster.folder, 'build.ninja'), rules(launcher));
      const seen: unknown[] = [];
      for (const n of [2, 3]) {
        // the second time only what comes after the generator is built again
        if (n === 3) await shell(cluster, 'echo 3 > n');
        const ran = await cluster.run(['ninja', '-j2', ...(n === 3 ? ['second-gcc.o', 'second-clang.o'] : [])]);
        seen.push(ran.exitCode, ...objects.map((name) => readFileSync(join(cluster.folder, name)).toString('base64')));
      }
      return seen;
    };
    await shell(cluster, `mkdir source; echo '#define V 9' > source/h.h; echo '#define V 1' > h.in`);
    writeFileSync(join(cluster.folder, 'a.c'), '#include "h.h"\nint a[V];\n');
    const wanted = await built('');
    expect(new Set(wanted.slice(1, 3)).size).toBe(2);
    expect(await built(icets)).toEqual(wanted);
  });
}, 300_000);
