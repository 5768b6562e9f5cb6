// Compares two build trees file by file; knows the kinds of files that builds leave, nothing of icets.

import { createReadStream } from 'node:fs';
import { createHash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** @typedef {'object' | 'dwo' | 'depfile' | 'archive' | 'linked' | 'other'} FileKind */

/**
 * Files of a build tree that name the launcher, times or folders of the moment, and the programs by which CMake looks at
 * a compiler (in folders named by chance): their content is not compared. Whether they exist still is.
 */
const volatile =
  /(^|\/)(\.ninja_log|\.ninja_deps|build\.ninja|rules\.ninja|CMakeCache\.txt|CMakeOutput\.log|CMakeError\.log|compile_commands\.json|build\.make|Makefile2|flags\.make|link\.txt|\.make-settings|Makefile\.cmake|CMakeRuleHashes\.txt|progress\.marks|cmake\.check_cache|CMakeConfigureLog\.yaml|CMakeFiles\/CMakeScratch.*|CMakeFiles\/CMakeTmp.*|CMakeFiles\/[\d.]+\/.*)$/;

/**
 * @param {string} root
 * @returns {Promise<string[]>} paths relative to `root` of all regular files, sorted
 */
export async function regularFiles(root) {
  /** @type {string[]} */
  const files = [];
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile()) files.push(relative(root, path));
    }
  }
  return files.sort();
}

/**
 * @param {string} root
 * @param {string} file
 * @returns {Promise<FileKind>}
 */
async function kindOf(root, file) {
  if (file.endsWith('.o')) return 'object';
  if (file.endsWith('.dwo')) return 'dwo';
  if (file.endsWith('.d')) return 'depfile';
  if (file.endsWith('.a')) return 'archive';
  const handle = await open(join(root, file));
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.equals(Buffer.from('\x7fELF', 'latin1')) ? 'linked' : 'other';
  } finally {
    await handle.close();
  }
}

/** @param {string} path */
export async function fileDigest(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/**
 * @typedef {object} Comparison
 * @property {Record<FileKind, { same: number, different: string[] }>} kinds of files in both trees
 * @property {string[]} missing in the second tree
 * @property {string[]} extra in the second tree alone: something was left behind
 * @property {string[]} modes files whose permission bits differ
 */

/**
 * Compares every regular file below two folders.
 * @param {string} plain
 * @param {string} candidate
 * @returns {Promise<Comparison>}
 */
export async function compareTrees(plain, candidate) {
  const [left, right] = await Promise.all([regularFiles(plain), regularFiles(candidate)]);
  const there = new Set(right);
  const here = new Set(left);
  /** @type {Comparison} */
  const comparison = {
    kinds: {
      object: { same: 0, different: [] },
      dwo: { same: 0, different: [] },
      depfile: { same: 0, different: [] },
      archive: { same: 0, different: [] },
      linked: { same: 0, different: [] },
      other: { same: 0, different: [] },
    },
    missing: left.filter((file) => !there.has(file)),
    extra: right.filter((file) => !here.has(file)),
    modes: [],
  };
  for (const file of left) {
    if (!there.has(file)) continue;
    const kind = await kindOf(plain, file);
    const [a, b] = [join(plain, file), join(candidate, file)];
    if (kind !== 'other' && ((await stat(a)).mode & 0o7777) !== ((await stat(b)).mode & 0o7777)) {
      comparison.modes.push(file);
    }
    const same = volatile.test(file) || (await fileDigest(a)) === (await fileDigest(b));
    if (same) comparison.kinds[kind].same += 1;
    else comparison.kinds[kind].different.push(file);
  }
  return comparison;
}
