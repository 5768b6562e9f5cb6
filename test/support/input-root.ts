// Builds input roots and actions from this machine's own programs, for tests that run something in a sandbox.

import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Action, blobOf, Command, encodeAction, encodeCommand, type Blob } from '../../src/model/action.ts';
import type { BlobStore } from '../../src/model/blob-store.ts';
import { digestKey, type Digest } from '../../src/model/digest.ts';
import { treeNode, type TreeFile, type TreeNode } from '../../src/model/tree.ts';

interface Folder {
  readonly files: Map<string, TreeFile>;
  readonly folders: Map<string, Folder>;
  readonly symlinks: Map<string, string>;
}

export interface SampleCommand {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** relative to the root */
  readonly cwd?: string;
  readonly outputs?: readonly string[];
  readonly platform?: Readonly<Record<string, string>>;
}

export class InputRootBuilder {
  readonly #root: Folder = newFolder();
  readonly blobs = new Map<string, Blob>();

  file(path: string, content: string | Uint8Array, options: { executable?: boolean; mtimeNs?: bigint } = {}): this {
    const bytes = Buffer.from(content);
    const blob = this.put(bytes);
    const folder = this.#folder(dirname(path));
    folder.files.set(path.slice(path.lastIndexOf('/') + 1), {
      digest: blob.digest,
      executable: options.executable ?? false,
      mtimeNs: options.mtimeNs,
      path,
    });
    return this;
  }

  symlink(path: string, target: string): this {
    this.#folder(dirname(path)).symlinks.set(path.slice(path.lastIndexOf('/') + 1), target);
    return this;
  }

  directory(path: string): this {
    this.#folder(path);
    return this;
  }

  /** This machine's file, link or whole directory at the same path, the links on the way to it included. */
  host(path: string): this {
    let at = '';
    const names = path.split('/').filter((name) => name !== '');
    for (const [index, name] of names.entries()) {
      const here = `${at}/${name}`;
      const stat = lstatSync(here);
      if (stat.isSymbolicLink()) {
        const target = readlinkSync(here);
        this.symlink(here, target);
        const rest = names.slice(index + 1).join('/');
        const next = join(target.startsWith('/') ? target : join(at === '' ? '/' : at, target), rest);
        return this.host(next);
      }
      if (index === names.length - 1) this.#copy(here);
      at = here;
    }
    return this;
  }

  /** A program with its libraries and loader. */
  program(path: string): this {
    this.host(path);
    for (const library of librariesOf(path)) this.host(library);
    return this;
  }

  tree(): TreeNode {
    const build = (folder: Folder): TreeNode => {
      const directories = new Map(Array.from(folder.folders, ([name, below]) => [name, build(below)]));
      const node = treeNode(folder.files, directories, folder.symlinks);
      this.blobs.set(digestKey(node.blob.digest), node.blob);
      return node;
    };
    return build(this.#root);
  }

  action(command: SampleCommand): Digest {
    return this.actionOn(this.tree().blob.digest, command);
  }

  /** An action on any root, also one that no builder would make. */
  actionOn(inputRoot: Digest, command: SampleCommand): Digest {
    const message = Command.fromPartial({
      arguments: [...command.argv],
      environmentVariables: Object.entries(command.env ?? { PATH: '/usr/bin:/bin' }).map(([name, value]) => ({
        name,
        value,
      })),
      workingDirectory: command.cwd ?? '',
      outputPaths: [...(command.outputs ?? [])],
      platform: {
        properties: Object.entries(command.platform ?? {}).map(([name, value]) => ({ name, value })),
      },
    });
    const commandBlob = encodeCommand(message);
    const action = encodeAction(
      Action.fromPartial({ commandDigest: commandBlob.digest, inputRootDigest: inputRoot, timeout: undefined }),
    );
    for (const blob of [commandBlob, action]) this.blobs.set(digestKey(blob.digest), blob);
    return action.digest;
  }

  put(bytes: Uint8Array): Blob {
    const blob = blobOf(bytes);
    this.blobs.set(digestKey(blob.digest), blob);
    return blob;
  }

  async storeIn(store: BlobStore): Promise<void> {
    const all = [...this.blobs.values()];
    const missing = await store.findMissing(all.map(({ digest }) => digest));
    if (!missing.ok) throw new Error(missing.error.message);
    const written = await store.writeMany(missing.value.map((digest) => this.blobs.get(digestKey(digest))!));
    if (!written.ok) throw new Error(written.error.message);
  }

  #copy(path: string): void {
    const stat = lstatSync(path);
    if (stat.isDirectory()) {
      this.directory(path);
      for (const name of readdirSync(path)) this.#copy(`${path}/${name}`);
    } else if (stat.isSymbolicLink()) {
      this.symlink(path, readlinkSync(path));
    } else if (stat.isFile()) {
      this.file(path, readFileSync(path), { executable: (stat.mode & 0o100) !== 0 });
    }
  }

  #folder(path: string): Folder {
    let at = this.#root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      let next = at.folders.get(name);
      if (next === undefined) {
        next = newFolder();
        at.folders.set(name, next);
      }
      at = next;
    }
    return at;
  }
}

/** gcc and g++ of this machine with everything that a compile of C or C++ reads. */
export function addGcc(root: InputRootBuilder): { readonly mounts: readonly string[] } {
  const ask = (what: string) => execFileSync('g++', [what], { encoding: 'utf8' }).trim();
  const libraries = dirname(ask('-print-libgcc-file-name'));
  for (const program of ['cc1', 'cc1plus']) root.program(ask(`-print-prog-name=${program}`));
  for (const program of ['/usr/bin/gcc', '/usr/bin/g++', '/usr/bin/as']) root.program(program);
  root.host(libraries).host('/usr/include').directory('/usr/local/include').directory('/tmp');
  return { mounts: ['/usr/include', libraries] };
}

/** A shell and a few programs to do mischief with. */
export function addShell(root: InputRootBuilder): void {
  root.program('/bin/sh');
  for (const name of [
    'cat',
    'chmod',
    'cp',
    'ln',
    'ls',
    'mkdir',
    'mkfifo',
    'mv',
    'rm',
    'sleep',
    'stat',
    'touch',
    'env',
    'id',
  ]) {
    root.program(`/usr/bin/${name}`);
  }
}

function newFolder(): Folder {
  return { files: new Map(), folders: new Map(), symlinks: new Map() };
}

const knownLibraries = new Map<string, readonly string[]>();

/** Libraries and loader that ldd names; none for what is not dynamically linked. */
function librariesOf(program: string): readonly string[] {
  const known = knownLibraries.get(program);
  if (known !== undefined) return known;
  let listed = '';
  try {
    listed = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    // "not a dynamic executable"
  }
  const libraries = Array.from(listed.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm), ([, library]) => library!);
  knownLibraries.set(program, libraries);
  return libraries;
}
