// Finding a program as a shell or a compiler driver would, and the links on the way to the real file.

import { accessSync, constants, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { posix } from 'node:path';

/**
 * The absolute path by which `name` is reached: as written when it has a slash, else through `searchPath`.
 * Links are not followed. Undefined when nothing executable is found.
 */
export function findProgram(name: string, cwd: string, searchPath: string | undefined): string | undefined {
  if (name.includes('/')) {
    const path = name.startsWith('/') ? name : `${cwd}/${name}`;
    return isExecutable(path) ? path : undefined;
  }
  for (const folder of (searchPath ?? '/usr/bin:/bin').split(':')) {
    // an empty element means the working directory
    const base = folder === '' ? cwd : folder.startsWith('/') ? folder : `${cwd}/${folder}`;
    const path = `${base}/${name}`;
    if (isExecutable(path)) return path;
  }
  return undefined;
}

/** A regular file, links followed; false for whatever cannot be reached. */
export function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false; // ENOTDIR and the like
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** `path` and what its last component points to, link by link, the real file last; links in its folders are not listed. */
export function linkChain(path: string): readonly string[] {
  const chain = [path];
  let at = path;
  for (let hops = 0; hops < 40; hops += 1) {
    try {
      if (!lstatSync(at).isSymbolicLink()) return chain;
      const target = readlinkSync(at);
      at = target.startsWith('/') ? target : posix.join(realpathSync(posix.dirname(at)), target);
    } catch {
      return chain;
    }
    chain.push(at);
  }
  return chain;
}
