// Units of the real projects, ready to be scanned: sources, recorded commands and the compilers' own lists are kept in the
// work folder, so that a second run starts at once.

import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Processes } from '../../src/model/processes.ts';
import type { ScanUnit } from '../../src/scan/scanner.ts';
import type { Toolchains } from '../../src/toolchain/toolchains.ts';
import { compilerList, scanUnit, type Listed } from '../../test/support/closure-comparison.ts';
import { buildEnvironment, mustRun } from '../builds/command.mjs';
import { textOption } from './options.ts';
import type { RecordedCommand } from './recording.ts';
import type { ScanProject } from './scan-projects.ts';

export const workFolder = textOption('work') ?? join(tmpdir(), 'icets-scan-bench');

const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8' };

/** The project's compile commands; prepares sources and build the first time. */
export async function projectCommands(project: ScanProject): Promise<readonly RecordedCommand[]> {
  const own = join(workFolder, project.name.replaceAll(/\W+/g, '-'));
  const kept = join(own, 'commands.json');
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8')) as RecordedCommand[];
  console.log(`${project.name}: preparing`);
  for (const name of project.needs) {
    const asked = await mustRun(['dpkg-query', '-W', '-f', '${Status}', name]).catch(() => undefined);
    if (asked === undefined) throw new Error(`${project.name} needs the Debian package ${name}`);
  }
  mkdirSync(own, { recursive: true });
  const source = join(own, 'source');
  const build = join(own, 'build');
  if (!existsSync(source)) {
    const part = join(own, 'source.part');
    rmSync(part, { recursive: true, force: true });
    if ('source' in project.from) {
      await mustRun([
        'node',
        join(import.meta.dirname, '..', '..', 'scripts', 'debian-source.mjs'),
        project.from.source,
        part,
      ]);
    } else {
      await unpackArchive(project.from.archive, own, part);
    }
    renameSync(part, source);
  }
  const commands = await project.commands({ source, build, own });
  if (commands.length === 0) throw new Error(`${project.name}: no compile command was recorded`);
  writeFileSync(kept, JSON.stringify(commands));
  return commands;
}

/** A binary package of Debian that brings a source archive below /usr/src. */
async function unpackArchive(name: string, own: string, target: string): Promise<void> {
  const download = join(own, 'download');
  mkdirSync(download, { recursive: true });
  const env = buildEnvironment();
  const debs = () => readdirSync(download).filter((each) => each.endsWith('.deb'));
  if (debs().length === 0) await mustRun(['apt-get', 'download', name], { cwd: download, env });
  await mustRun(['dpkg-deb', '-x', debs()[0] ?? '', 'out'], { cwd: download });
  const archive = readdirSync(join(download, 'out/usr/src')).find((each) => each.endsWith('.tar.xz'));
  mkdirSync(target, { recursive: true });
  await mustRun(['tar', '-xf', join(download, 'out/usr/src', archive ?? ''), '--strip-components=1', '-C', target]);
  rmSync(download, { recursive: true });
}

const clangOf: Readonly<Record<string, string>> = { gcc: 'clang', cc: 'clang', 'g++': 'clang++', 'c++': 'clang++' };

export interface ProjectUnits {
  readonly units: readonly ScanUnit[];
  /** why commands are no units, with how often */
  readonly left: ReadonlyMap<string, number>;
}

export async function projectUnits(
  commands: readonly RecordedCommand[],
  compiler: 'gcc' | 'clang',
  toolchains: Toolchains,
): Promise<ProjectUnits> {
  const units: ScanUnit[] = [];
  const left = new Map<string, number>();
  for (const { cwd, argv } of commands) {
    const [written = '', ...rest] = argv;
    const driver = compiler === 'gcc' ? written : (clangOf[written] ?? written);
    const identity = await toolchains.identify({ compiler: driver, cwd, env });
    if (!identity.ok) throw new Error(identity.error.message);
    const unit = scanUnit(identity.value, driver, rest, cwd, env);
    if (typeof unit === 'string') left.set(unit, (left.get(unit) ?? 0) + 1);
    else units.push(unit);
  }
  return { units, left };
}

/** The compiler's own lists for all units, two at a time. */
export async function compilerLists(
  name: string,
  compiler: string,
  units: readonly ScanUnit[],
  processes: Processes,
): Promise<Listed[]> {
  const file = join(workFolder, name.replaceAll(/\W+/g, '-'), `listed-${compiler}.json`);
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Listed>) : {};
  const keyOf = (unit: ScanUnit) => [unit.cwd, unit.invokedAs, ...unit.compile.argv].join('\0');
  const todo = units.filter((unit) => known[keyOf(unit)] === undefined);
  if (todo.length > 0) console.log(`${name}: asking ${compiler} for the lists of ${todo.length} units`);
  const lane = async () => {
    for (let unit = todo.pop(); unit !== undefined; unit = todo.pop()) {
      const listed = await compilerList(unit, processes);
      known[keyOf(unit)] = listed.ok ? listed : { ok: false, said: listed.said.slice(0, 1000) };
    }
  };
  const asked = todo.length > 0;
  await Promise.all([lane(), lane()]);
  if (asked) writeFileSync(file, JSON.stringify(known));
  return units.map((unit) => known[keyOf(unit)] ?? { ok: false, said: 'not asked' });
}
