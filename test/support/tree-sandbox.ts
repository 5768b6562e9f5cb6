// Puts a merkle tree on disk and runs a command in it as the root, for tests that compare with a plain run.
// Directories that the tree may mount are made once per digest and bound read-only, as a worker would.

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { InputRoot } from '../../src/model/inputs.ts';
import type { TreeNode } from '../../src/model/tree.ts';

export interface SandboxRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class TreeSandbox {
  readonly #binds: string[] = [];

  /**
   * @param folder the root, made here, writable for what runs in it
   * @param shared folder for mounted directories, shared by many sandboxes
   */
  constructor(
    input: InputRoot,
    readonly folder: string,
    shared: string,
  ) {
    const mounts = new Set(input.mounts);
    const make = (node: TreeNode, path: string) => {
      mkdirSync(join(folder, path), { recursive: true });
      if (mounts.has(path)) {
        const kept = join(shared, node.blob.digest.hash);
        if (!existsSync(kept)) {
          materialise(node, `${kept}.new`);
          renameSync(`${kept}.new`, kept);
        }
        this.#binds.push('--ro-bind', kept, path);
        return;
      }
      entries(node, join(folder, path));
      for (const [name, child] of node.directories) make(child, `${path}/${name}`);
    };
    make(input.node, '');
    mkdirSync(join(folder, 'tmp'), { recursive: true });
  }

  run(
    argv: readonly string[],
    cwd: string,
    env: Readonly<Record<string, string>>,
    prefix: readonly string[] = [],
  ): SandboxRun {
    const project = cwd.startsWith('/tmp/') ? [] : ['--tmpfs', '/tmp'];
    const variables = Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]);
    const options = ['--unshare-all', '--die-with-parent', '--bind', this.folder, '/', ...this.#binds];
    const places = ['--proc', '/proc', '--dev', '/dev', ...project, '--chdir', cwd];
    const [program = 'bwrap', ...before] = [...prefix, 'bwrap'];
    const ran = spawnSync(program, [...before, ...options, ...places, '--clearenv', ...variables, '--', ...argv], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
  }
}

function materialise(node: TreeNode, folder: string): void {
  mkdirSync(folder, { recursive: true });
  entries(node, folder);
  for (const [name, child] of node.directories) materialise(child, join(folder, name));
}

function entries(node: TreeNode, folder: string): void {
  for (const [name, file] of node.files) {
    const path = join(folder, name);
    copyFileSync(file.path, path);
    chmodSync(path, file.executable ? 0o755 : 0o644);
    // a file without a time of its own gets any time that is nobody else's
    const seconds = file.mtimeNs === undefined ? 1 : Number(file.mtimeNs) / 1e9;
    utimesSync(path, seconds, seconds);
  }
  for (const [name, target] of node.symlinks) symlinkSync(target, join(folder, name));
}
