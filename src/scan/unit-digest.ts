// Names a compile, and what a compiler says of itself, by their content: what is equal has the same name in another process.
// Unaware of what is kept under the names.

import { createHash } from 'node:crypto';
import { searchVariables, type CompilerFacts } from './compiler-facts.ts';
import { computedNames } from './dialect-probe.ts';
import type { ScanUnit } from './scanner.ts';

const units = new WeakMap<ScanUnit, string>();

/** Of everything in a unit that an evaluation can see; what the disk and the compiler say aside. */
export function unitDigest(unit: ScanUnit): string {
  let name = units.get(unit);
  if (name === undefined) {
    name = digestOf(unit);
    units.set(unit, name);
  }
  return name;
}

function digestOf(unit: ScanUnit): string {
  const { compile, compiler, compilerIdentity, invokedAs, cwd, env } = unit;
  const { family, driverLanguage, language, argv, source, macros, search } = compile;
  return digest([
    ...[compilerIdentity, compiler, invokedAs, cwd, searchVariables.map((name) => env[name] ?? null)],
    ...[family, driverLanguage, language, argv, source, macros, search],
  ]);
}

const known = new WeakMap<CompilerFacts, string>();

/** Of all that a compiler says under some flags, but for the answers to questions that not every compile has. */
export function factsDigest(facts: CompilerFacts): string {
  let name = known.get(facts);
  if (name === undefined) {
    const { search, dialect, preincluded, operatorNames, trueIsOne, defined } = facts;
    const macros: string[] = [];
    // numbers of names differ between processes
    for (const macro of facts.macros) if (macro !== undefined) macros.push(`${macro.name}${macro.text}`);
    const computed = [...computedNames].map((each) => defined.get(each) ?? null);
    name = digest([search, dialect, preincluded, operatorNames, trueIsOne, computed, macros.sort()]);
    known.set(facts, name);
  }
  return name;
}

function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
