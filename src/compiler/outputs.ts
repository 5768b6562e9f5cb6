// Names and modes of the files that a compile writes. Both families agree here (test/e2e/compiler-outputs.test.ts asks them).

import type { CompilerFamily } from './compiler-family.ts';
import type { OutputRole } from './parsed-compile.ts';

/** The last component of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path without the suffix of its last component; a path without one is returned as it is. */
export function withoutSuffix(path: string): string {
  const dot = path.lastIndexOf('.');
  return dot > path.lastIndexOf('/') ? path.slice(0, dot) : path;
}

/** Whether the last component has a name besides its suffix: `a.o` and `a` do, `.o` does not. */
export function hasStem(path: string): boolean {
  return baseName(withoutSuffix(path)) !== '';
}

/** What `-c` or `-S` without `-o` writes: the source's name in the working directory with another suffix. */
export function defaultOutput(source: string, suffix: string): string {
  return withoutSuffix(baseName(source)) + suffix;
}

/** A companion of the main output, such as `x/a.dwo` beside `x/a.o`. */
export function companion(output: string, suffix: string): string {
  return withoutSuffix(output) + suffix;
}

/** Devices and the like, whose writing has no result to send back. */
export function isDevicePath(path: string): boolean {
  return /^\/+(dev|proc|sys)\//.test(path);
}

/**
 * Whether a compile leaves the mode of an output that exists as it is, or makes a new file in its place. Measured with
 * binutils 2.40 and clang 14 (bench/builds/cases.mjs): as and objcopy remove what is not empty, cc1 writes into it, clang
 * renames a new file over objects and assembly.
 */
export function keepsMode(kind: CompilerFamily['kind'], role: OutputRole, existingBytes: number): boolean {
  switch (role) {
    case 'object':
      return kind === 'gcc' && existingBytes === 0;
    case 'dwo':
      return kind === 'clang' || existingBytes === 0;
    case 'assembly':
      return kind === 'gcc';
    case 'depfile':
    case 'stack-usage':
      return true;
  }
}
