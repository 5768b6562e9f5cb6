// A generated C++ project with a hand-written build.ninja: enough units of half a second each to have something to break.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface NinjaProject {
  readonly folder: string;
  readonly objects: readonly string[];
}

/** Writes `units` units into `folder`; the compiler line starts with $launcher, empty unless given to ninja's file. */
export function writeNinjaProject(folder: string, units: number, launcher: string): NinjaProject {
  mkdirSync(join(folder, 'include'), { recursive: true });
  mkdirSync(join(folder, 'out'), { recursive: true });
  writeFileSync(
    join(folder, 'include/shape.h'),
    '#pragma once\n#include <string>\nstruct Shape { std::string name; int sides; };\n',
  );
  const names = Array.from({ length: units }, (_, i) => `unit${i}`);
  for (const [i, name] of names.entries()) {
    writeFileSync(
      join(folder, `${name}.cc`),
      `#include <map>\n#include <vector>\n#include "include/shape.h"\n` +
        `int ${name}(const std::vector<Shape>& all) {\n  std::map<std::string, int> sums;\n` +
        `  for (const auto& one : all) if (one.name.size() > ${i}) sums[one.name] += one.sides + ${i};\n` +
        `  return static_cast<int>(sums.size());\n}\n`,
    );
  }
  writeBuildFile(folder, names, launcher);
  return { folder, objects: names.map((name) => join(folder, 'out', `${name}.o`)) };
}

/** Rewrites build.ninja with another launcher and forgets what was built. */
export function relaunch(project: NinjaProject, launcher: string): void {
  const names = project.objects.map((path) => path.slice(path.lastIndexOf('/') + 1, -2));
  writeBuildFile(project.folder, names, launcher);
  for (const object of project.objects) rmSync(object, { force: true });
  rmSync(join(project.folder, '.ninja_log'), { force: true });
  rmSync(join(project.folder, '.ninja_deps'), { force: true });
}

export function objectBytes(project: NinjaProject): Buffer[] {
  return project.objects.map((path) => readFileSync(path));
}

function writeBuildFile(folder: string, names: readonly string[], launcher: string): void {
  const edges = names.map((name) => `build out/${name}.o: cxx ${name}.cc\n`).join('');
  writeFileSync(
    join(folder, 'build.ninja'),
    `rule cxx\n  command = ${launcher} g++ -O1 -g -MMD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc\n${edges}`,
  );
}
