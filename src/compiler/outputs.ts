// Names of the files that a compile writes. Both families agree here (test/e2e/compiler-outputs.test.ts asks them).

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
