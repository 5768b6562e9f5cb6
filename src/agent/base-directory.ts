// The base directory option: compiles below it get the same command and inputs wherever their checkout lies, so that checkouts share
// results. Decides for one compile which directory is given the canonical name, or why none is. Pure; unaware of caches and transports.

import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import { mentions, moveArguments, namedPaths, notMovableReasons } from '../compiler/moved-arguments.ts';
import type { ParsedCompile } from '../compiler/parsed-compile.ts';
import { canonicalPlace, commonDirectory, PathMove } from '../model/path-move.ts';
import type { TreeNode } from '../model/tree.ts';
import type { Closure } from '../scan/scanner.ts';

/** Why a compile keeps its own paths; counted as `base.in-place.REASON`, explained in docs/guide/cache.md. */
export const inPlaceReasons = [
  ...notMovableReasons,
  /** the setting is no absolute path, or is `/` */
  'unusable',
  /** the working directory does not lie below it, or is reached by a link */
  'outside',
  'environment',
  /** the directory to be moved has search directories or the compiler in it, or its name needs escapes in dependency lists */
  'directory',
  /** a file is reached through `..` from below the base directory to somewhere else */
  'leaves',
  /** a source asks for a file by a name that is absolute or not in its text */
  'probe',
  'response-file',
] as const;

export type KeepsItsPlace = (typeof inPlaceReasons)[number];

export interface WhyInPlace {
  readonly reason: KeepsItsPlace;
  readonly detail: string;
}

export interface PlacedCompile {
  readonly move: PathMove;
  /** without argv[0] */
  readonly argv: readonly string[];
}

export interface CompileInPlace {
  readonly compile: ParsedCompile;
  /** without argv[0] */
  readonly argv: readonly string[];
  readonly responseFiles: readonly string[];
  readonly invokedAs: string;
  /** absolute path of the driver */
  readonly compiler: string;
  /** physical absolute path */
  readonly cwd: string;
  /** the whole environment of the remote compiler; PWD only where it is not the working directory's own path */
  readonly env: Readonly<Record<string, string>>;
  readonly closure: Closure;
  /** absolute paths of files besides the closure */
  readonly extraFiles: readonly string[];
  readonly toolchainRoot: TreeNode;
}

/** Variables that name directories of headers: gcc takes relative ones for system directories. */
const searchVariables = ['CPATH', 'C_INCLUDE_PATH', 'CPLUS_INCLUDE_PATH'];

/**
 * The compile as it is sent when its place is not to matter. The directory that moves is the innermost one, at or below the base
 * directory, that holds all the command names there: with a base directory above several checkouts that is the checkout.
 * @param base the base directory's physical path, as realpath gives it
 */
export function placeCanonically(unit: CompileInPlace, base: string): Result<PlacedCompile, WhyInPlace> {
  const { compile, argv, cwd, closure } = unit;
  if (!base.startsWith('/') || base === '/') return not('unusable', base);
  if (!isInside(cwd, base)) return not('outside', cwd);
  const { env } = unit;
  if (env['PWD'] !== undefined) return not('outside', env['PWD']);
  if (unit.responseFiles.length > 0) return not('response-file', unit.responseFiles.join(' '));

  const root = rootOf(unit, base);
  if (!root.ok) return root;
  const move = new PathMove(root.value, canonicalPlace);
  // Other characters are escaped in dependency lists or separate the parts of an option.
  if (!/^[\w./+@%,~-]+$/.test(move.from)) return not('directory', move.from);
  const marked = [...argv, ...closure.dependencies].find((text) => text.includes(canonicalPlace));
  if (marked !== undefined) return not('argument', marked);
  for (const [name, value] of Object.entries(env)) {
    if (mentions(value, move) || (searchVariables.includes(name) && value !== '')) return not('environment', name);
  }
  const fixed = [unit.invokedAs, unit.compiler, ...unit.extraFiles].find((path) => move.moves(path));
  if (fixed !== undefined) return not('directory', fixed);
  const search = closure.coarse.find((path) => isInside(path, move.from) || isInside(move.from, path));
  if (search !== undefined) return not('directory', search);
  if (hasDirectory(unit.toolchainRoot, move.from)) return not('directory', `the compiler's files lie in ${move.from}`);
  const probe = untellableProbe(closure, move);
  if (probe !== undefined) return not('probe', probe);

  const moved = moveArguments(compile, argv, closure.dependencies, cwd, move);
  if (!moved.ok) return moved;
  return ok({ move, argv: moved.value });
}

function rootOf({ compile, cwd, closure }: CompileInPlace, base: string): Result<string, WhyInPlace> {
  let root = cwd;
  for (const path of namedPaths(compile.argv, compile.family.kind)) {
    const normal = normalised(path);
    if (isInside(normal, base)) root = commonDirectory(root, normal);
  }
  const opened = [...closure.files, ...closure.probes].map(({ path }) => path).concat(closure.directories);
  const winding = opened.filter((path) => path.includes('/..'));
  for (const path of winding) {
    const normal = normalised(path);
    if (isInside(normal, base)) root = commonDirectory(root, normal);
  }
  const leaving = winding.find((path) => isInside(path, root) !== isInside(normalised(path), root));
  return leaving === undefined ? ok(root) : not('leaves', leaving);
}

/** A file that asks for others by names that may not move with them: what is there now may be asked for in vain there. */
function untellableProbe({ files, probes }: Closure, move: PathMove): string | undefined {
  if (!probes.some(({ path, exists }) => exists && move.moves(path))) return undefined;
  return files.find(
    ({ record: { facts } }) => facts.computedProbe || facts.probes.some(({ operand }) => operand[1] === '/'),
  )?.path;
}

function hasDirectory(root: TreeNode, path: string): boolean {
  let node: TreeNode | undefined = root;
  for (const name of path.slice(1).split('/')) node = node?.directories.get(name);
  return node !== undefined;
}

function normalised(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function not(reason: KeepsItsPlace, detail: string): Result<never, WhyInPlace> {
  return err({ reason, detail });
}
