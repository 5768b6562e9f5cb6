// A path as a program in a directory opens it.

/** Neither normalised nor resolved: `..` and links stay. */
export function absolutePath(cwd: string, path: string): string {
  return path.startsWith('/') ? path : `${cwd === '/' ? '' : cwd}/${path}`;
}
