// Decides, on paper, where everything of an action lies in its sandbox: what is mounted where, what is writable, where the
// declared outputs will appear. Pure: unaware of the disk and of bubblewrap.

import { err, ok, type Result } from '../base/result.ts';
import type { Digest } from '../model/digest.ts';
import { digestKey } from '../model/digest.ts';
import { resolvePath } from './root-path.ts';
import { withDirectory, withEntry, entryAt, isEntryName, type RootDirectory, type RootFile } from './root-tree.ts';

/** What an action does, checked. Paths are relative to `workingDirectory`, which is relative to the root. */
export interface ActionCommand {
  readonly argv: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly workingDirectory: string;
  readonly outputPaths: readonly string[];
  readonly stderrTerminal: { readonly columns: number; readonly rows: number } | undefined;
}

/** A writable directory of the sandbox; its own files are copies, its sub directories come from elsewhere. */
export interface ScratchDirectory {
  readonly path: string;
  readonly files: readonly (readonly [string, RootFile])[];
  readonly symlinks: readonly (readonly [string, string])[];
  readonly directories: readonly string[];
}

export type BindSource =
  /** a path below the action's own root directory, read-only */
  | { readonly kind: 'root'; readonly path: string }
  /** a tree kept by digest, read-only; `copy` tells apart several uses of one tree in an action */
  | { readonly kind: 'tree'; readonly digest: Digest; readonly copy: number }
  /** a scratch directory, writable */
  | { readonly kind: 'scratch'; readonly index: number };

export interface LayoutBind {
  readonly target: string;
  readonly source: BindSource;
}

export interface LayoutOutput {
  /** the path as the command declares it */
  readonly declared: string;
  /** index of the scratch directory that holds it */
  readonly scratch: number;
  readonly name: string;
}

export interface ActionLayout {
  readonly tree: RootDirectory;
  readonly scratch: readonly ScratchDirectory[];
  /** parents before children */
  readonly binds: readonly LayoutBind[];
  /** absolute, as the program shall see it in PWD */
  readonly chdir: string;
  readonly outputs: readonly LayoutOutput[];
}

export type LayoutFailure =
  | { readonly reason: 'invalid'; readonly message: string }
  /** something writable lies at or below this mount: lay the action out without it */
  | { readonly reason: 'mount-in-the-way'; readonly mount: readonly string[] };

/** Devices of the sandbox, each a placeholder file in /dev that the real one is mounted on. */
export const sandboxDevices = ['null', 'zero', 'urandom'] as const;

const reservedDirectories = new Set(['proc', 'dev']);
const outputLimit = 1000;

export function layOutAction(tree: RootDirectory, command: ActionCommand): Result<ActionLayout, LayoutFailure> {
  for (const name of ['proc', 'dev', 'tmp']) {
    if (tree.entries.get(name)?.kind === 'mount') return err({ reason: 'mount-in-the-way', mount: [name] });
  }
  const cwd = resolvePath(tree, [], command.workingDirectory.replace(/^\/+/, ''));
  if (!cwd.ok) return invalid(`working directory: ${cwd.error}`);
  if (cwd.value.mountDepth !== undefined && cwd.value.entry?.kind !== 'mount') {
    return err({ reason: 'mount-in-the-way', mount: cwd.value.path.slice(0, cwd.value.mountDepth) });
  }
  const scratchPaths = new Map<string, readonly string[]>([['/tmp', ['tmp']]]);
  const outputs: { readonly declared: string; readonly directory: string; readonly name: string }[] = [];
  const declaredPaths = new Set(command.outputPaths);
  if (declaredPaths.size > outputLimit) return invalid(`more than ${outputLimit} outputs`);
  for (const declared of declaredPaths) {
    if (declared.startsWith('/')) return invalid(`output ${JSON.stringify(declared)} is absolute`);
    const cut = declared.lastIndexOf('/') + 1;
    const name = declared.slice(cut);
    if (!isEntryName(name)) return invalid(`output ${JSON.stringify(declared)} names no file`);
    const parent = resolvePath(tree, cwd.value.path, declared.slice(0, cut));
    if (!parent.ok) return invalid(`output: ${parent.error}`);
    const { path, mountDepth } = parent.value;
    if (mountDepth !== undefined) return err({ reason: 'mount-in-the-way', mount: path.slice(0, mountDepth) });
    if (path.length === 0 || reservedDirectories.has(path[0]!)) {
      return invalid(`output ${JSON.stringify(declared)} lies where nothing can be written`);
    }
    const directory = absolute(path);
    scratchPaths.set(directory, path);
    outputs.push({ declared, directory, name });
  }

  const completed = withMountPoints(tree, [cwd.value.path, ...scratchPaths.values()]);
  if (!completed.ok) return invalid(completed.error);
  const order = [...scratchPaths.keys()];
  const binds: LayoutBind[] = [];
  const scratch = order.map((target, index) => {
    binds.push({ target, source: { kind: 'scratch', index } });
    return scratchDirectory(completed.value, target, scratchPaths, binds);
  });
  const copies = new Map<string, number>();
  for (const { path, digest } of mountsOf(completed.value, [])) {
    const key = digestKey(digest);
    const copy = copies.get(key) ?? 0;
    copies.set(key, copy + 1);
    binds.push({ target: absolute(path), source: { kind: 'tree', digest, copy } });
  }
  binds.sort((a, b) => depthOf(a.target) - depthOf(b.target) || (a.target < b.target ? -1 : 1));
  return ok({
    tree: completed.value,
    scratch,
    binds,
    chdir: workingPath(tree, cwd.value.path, command.env.get('PWD')),
    outputs: outputs.map(({ declared, directory, name }) => ({ declared, scratch: order.indexOf(directory), name })),
  });
}

function scratchDirectory(
  tree: RootDirectory,
  target: string,
  scratchPaths: ReadonlyMap<string, readonly string[]>,
  binds: LayoutBind[],
): ScratchDirectory {
  const own = entryAt(tree, scratchPaths.get(target)!);
  if (own?.kind !== 'directory') throw new Error(`no directory ${target}`);
  const files: [string, RootFile][] = [];
  const symlinks: [string, string][] = [];
  const directories: string[] = [];
  for (const [name, entry] of own.entries) {
    if (entry.kind === 'file') files.push([name, entry]);
    else if (entry.kind === 'symlink') symlinks.push([name, entry.target]);
    else if (entry.kind === 'directory' || entry.kind === 'mount') {
      directories.push(name);
      const path = `${target}/${name}`;
      if (entry.kind === 'directory' && entry.entries.size > 0 && !scratchPaths.has(path)) {
        binds.push({ target: path, source: { kind: 'root', path } });
      }
    }
  }
  return { path: target, files, symlinks, directories };
}

function withMountPoints(
  tree: RootDirectory,
  directories: readonly (readonly string[])[],
): Result<RootDirectory, string> {
  let at = tree;
  for (const path of [['proc'], ['dev'], ...directories]) {
    const next = withDirectory(at, path);
    if (!next.ok) return next;
    at = next.value;
  }
  for (const name of sandboxDevices) at = withEntry(at, ['dev'], name, { kind: 'placeholder' });
  return ok(at);
}

/** PWD as the environment has it when that is true, else the real path. bubblewrap sets PWD to what it changes to. */
function workingPath(tree: RootDirectory, cwd: readonly string[], claimed: string | undefined): string {
  if (claimed?.startsWith('/')) {
    const resolved = resolvePath(tree, [], claimed);
    if (resolved.ok && absolute(resolved.value.path) === absolute(cwd)) return claimed;
  }
  return absolute(cwd);
}

function* mountsOf(
  directory: RootDirectory,
  path: readonly string[],
): Generator<{ readonly path: readonly string[]; readonly digest: Digest }> {
  if (directory.whole !== undefined) return;
  for (const [name, entry] of directory.entries) {
    if (entry.kind === 'mount') yield { path: [...path, name], digest: entry.digest };
    else if (entry.kind === 'directory') yield* mountsOf(entry, [...path, name]);
  }
}

function absolute(path: readonly string[]): string {
  return `/${path.join('/')}`;
}

function depthOf(path: string): number {
  return path === '/' ? 0 : path.split('/').length - 1;
}

function invalid(message: string): { readonly ok: false; readonly error: LayoutFailure } {
  return err({ reason: 'invalid', message });
}
