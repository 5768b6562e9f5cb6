// What a program's name suggests. The name alone never decides that something is a compiler: it is asked once, and its
// answer is a CompilerFamily. Unaware of PATH and files.

import type { DriverLanguage } from './compiler-family.ts';
import { baseName } from './outputs.ts';

export type CommandName =
  /** worth asking; `family` is a guess, absent for `cc` and `c++` */
  | {
      readonly kind: 'compiler';
      readonly family: 'gcc' | 'clang' | undefined;
      readonly driverLanguage: DriverLanguage;
      /** e.g. `aarch64-linux-gnu`, undefined for a plain name */
      readonly targetPrefix: string | undefined;
      /** e.g. `12` of `gcc-12`, undefined for a plain name */
      readonly versionSuffix: string | undefined;
    }
  | { readonly kind: 'archiver' | 'linker' | 'assembler' | 'other' };

const compilerName = /^(?:([\w.]+(?:-[\w.]+)*)-)?(gcc|g\+\+|cc|c\+\+|clang|clang\+\+)(?:-(\d+(?:\.\d+)*))?$/;
const tool =
  /^(?:[\w.]+-)*(ar|gcc-ar|llvm-ar|ranlib|gcc-ranlib|llvm-ranlib|ld|ld\.\w+|gold|mold|lld|collect2|as)(?:-\d+)?$/;

/** Reads the name of a program, with or without folders. */
export function parseCommandName(program: string): CommandName {
  const name = baseName(program);
  const match = compilerName.exec(name);
  const [, targetPrefix, driver, versionSuffix] = match ?? [];
  // c89-gcc and c99-gcc are scripts that add options.
  if (driver !== undefined && targetPrefix !== 'c89' && targetPrefix !== 'c99') {
    const family = driver.startsWith('clang') ? 'clang' : driver.startsWith('g') ? 'gcc' : undefined;
    return {
      kind: 'compiler',
      family,
      driverLanguage: driver.endsWith('++') ? 'c++' : 'c',
      targetPrefix,
      versionSuffix,
    };
  }
  const word = tool.exec(name)?.[1];
  if (word === undefined) return { kind: 'other' };
  if (word.endsWith('ar') || word.endsWith('ranlib')) return { kind: 'archiver' };
  return { kind: word === 'as' ? 'assembler' : 'linker' };
}
