// Builds an input root: known directories first, then literal paths, walked physically as the kernel would walk them.
// Unaware of compilers and of what the tree is for.

import { err, ok, type Result } from '../base/result.ts';
import type {
  DirectorySnapshot,
  FileRecord,
  FileStat,
  InputBlob,
  InputFailure,
  InputRoot,
  InputTreeBuilder,
  InputTreeOptions,
  InputTrees,
  TreeBase,
} from '../model/inputs.ts';
import { treeNode, type TreeFile, type TreeNode } from '../model/tree.ts';
import type { StatFileDigests } from './file-digests.ts';
import { mountsOf } from './mounts.ts';
import { isDirectory, isSymlink, sameStat } from './path-stats.ts';

interface AddedFile {
  readonly record: FileRecord;
  readonly path: string;
}

/** A directory while the tree is built: what the base has, and what was added. */
class OpenDirectory {
  readonly files = new Map<string, AddedFile>();
  readonly directories = new Map<string, OpenDirectory>();
  readonly symlinks = new Map<string, string>();

  constructor(
    readonly parent: OpenDirectory | undefined,
    /** physical path, '' for the root */
    readonly path: string,
    readonly base: TreeNode | undefined,
    /** set where the base is complete: what it does not have does not exist */
    readonly complete: DirectorySnapshot | undefined,
  ) {}
}

type Step = Result<OpenDirectory, InputFailure>;

const linkLimit = 40;

export class DiskInputTrees implements InputTrees {
  constructor(readonly digests: StatFileDigests) {}

  builder(base: TreeBase, options: InputTreeOptions): InputTreeBuilder {
    return new DiskTreeBuilder(this.digests, base, options);
  }
}

/**
 * Whether links on the way and files without a record are what they were. Made apart from the builder: roots are kept, and
 * a closure of the builder's would keep all that it has been built with.
 */
function stillThere(
  digests: StatFileDigests,
  followed: ReadonlyMap<string, FileStat>,
  unrecorded: ReadonlyMap<string, FileRecord>,
): InputRoot['holds'] {
  return (notBeforeMs) => {
    for (const [path, before] of followed) {
      const now = digests.stats.lstat(path, notBeforeMs);
      if (now === undefined || !sameStat(now, before)) return false;
    }
    for (const [path, before] of unrecorded) {
      const now = digests.file(path, notBeforeMs);
      if (!now.ok || now.value.digest.hash !== before.digest.hash || now.value.mtimeNs !== before.mtimeNs) return false;
    }
    return true;
  };
}

class DiskTreeBuilder implements InputTreeBuilder {
  readonly #root: OpenDirectory;
  readonly #complete = new Map<string, DirectorySnapshot>();
  /** directories by the literal path they were reached by */
  readonly #reached = new Map<string, Step>();
  readonly #files = new Map<string, AddedFile>();
  /** physical paths of added files by device and inode */
  readonly #inodes = new Map<string, string>();
  /** symbolic links on the disk that the tree has, by path */
  readonly #followed = new Map<string, FileStat>();
  /** files that nobody had a record of */
  readonly #unrecorded = new Map<string, FileRecord>();
  readonly #notBeforeMs: number;
  #links = 0;

  constructor(
    readonly digests: StatFileDigests,
    readonly base: TreeBase,
    readonly options: InputTreeOptions,
  ) {
    for (const snapshot of base.coarse) this.#complete.set(snapshot.path, snapshot);
    this.#root = new OpenDirectory(undefined, '', base.root, undefined);
    this.#notBeforeMs = options.notBeforeMs ?? performance.now();
  }

  addFile(path: string, record?: FileRecord): Result<void, InputFailure> {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return unshippable(path, 'is not absolute');
    const directory = this.#directory(path.slice(0, slash));
    if (!directory.ok) return directory;
    return this.#file(directory.value, path.slice(slash + 1), path, record);
  }

  addDirectory(path: string): Result<void, InputFailure> {
    if (!path.startsWith('/')) return unshippable(path, 'is not absolute');
    const step = this.#directory(path);
    return step.ok ? ok(undefined) : step;
  }

  addSnapshot(snapshot: DirectorySnapshot): Result<void, InputFailure> {
    const slash = snapshot.path.lastIndexOf('/');
    const name = snapshot.path.slice(slash + 1);
    const parent = this.#directory(snapshot.path.slice(0, slash));
    if (!parent.ok) return parent;
    if (name === '' || parent.value.path !== snapshot.path.slice(0, slash)) {
      return unshippable(snapshot.path, 'is no physical path of a directory below the root');
    }
    if (parent.value.complete !== undefined) return ok(undefined); // a part of a complete tree that is there already
    this.#complete.set(snapshot.path, snapshot);
    this.#reached.clear();
    parent.value.directories.set(name, new OpenDirectory(parent.value, snapshot.path, snapshot.node, snapshot));
    return ok(undefined);
  }

  finish(): InputRoot {
    const blobs = new Map<string, InputBlob>();
    const repeated = this.#repeatedHashes();
    let fileBytes = 0;
    const close = (directory: OpenDirectory): TreeNode => {
      const { base } = directory;
      const changed = new Map<string, TreeNode>();
      for (const [name, child] of directory.directories) {
        const node = close(child);
        if (node !== base?.directories.get(name)) changed.set(name, node);
      }
      if (base !== undefined && changed.size === 0 && directory.files.size === 0 && directory.symlinks.size === 0) {
        return base;
      }
      const files = new Map<string, TreeFile>(base?.files);
      for (const [name, added] of directory.files) {
        files.set(name, this.#treeFile(added, repeated));
        const { digest } = added.record;
        fileBytes += digest.sizeBytes;
        blobs.set(digest.hash, { kind: 'file', digest, path: added.path });
      }
      const directories = base === undefined ? changed : merged(base.directories, changed);
      const symlinks = base === undefined ? directory.symlinks : merged(base.symlinks, directory.symlinks);
      const node = treeNode(files, directories, symlinks);
      blobs.set(node.blob.digest.hash, { kind: 'bytes', digest: node.blob.digest, bytes: node.blob.bytes });
      return node;
    };
    const node = close(this.#root);
    return {
      digest: node.blob.digest,
      node,
      blobs: [...blobs.values()],
      mounts: mountsOf(node, this.base.root),
      fileCount: this.#files.size,
      fileBytes,
      holds: stillThere(this.digests, this.#followed, this.#unrecorded),
    };
  }

  #treeFile(added: AddedFile, repeated: ReadonlySet<string>): TreeFile {
    const { digest, mtimeNs, facts, stat } = added.record;
    const project = this.options.style === 'project';
    return {
      digest,
      executable: !project && (stat.mode & 0o111) !== 0,
      mtimeNs:
        project && (this.options.allTimes === true || facts.timestamp || repeated.has(digest.hash))
          ? mtimeNs
          : undefined,
      path: added.path,
    };
  }

  /** Contents that occur twice here, or here and in a complete tree. */
  #repeatedHashes(): Set<string> {
    const seen = new Set<string>();
    const repeated = new Set<string>();
    for (const { record } of this.#files.values()) {
      const { hash } = record.digest;
      if (seen.has(hash)) repeated.add(hash);
      else {
        seen.add(hash);
        for (const snapshot of this.#complete.values()) if (snapshot.hashes.has(hash)) repeated.add(hash);
      }
    }
    return repeated;
  }

  #directory(literal: string): Step {
    if (literal === '' || literal === '/') return ok(this.#root);
    const known = this.#reached.get(literal);
    if (known !== undefined) return known;
    const slash = literal.lastIndexOf('/');
    const parent = this.#directory(literal.slice(0, slash));
    const step = parent.ok ? this.#enter(parent.value, literal.slice(slash + 1)) : parent;
    this.#reached.set(literal, step);
    return step;
  }

  #enter(directory: OpenDirectory, name: string): Step {
    if (name === '' || name === '.') return ok(directory);
    if (name === '..') return ok(directory.parent ?? directory);
    const opened = directory.directories.get(name);
    if (opened !== undefined) return ok(opened);
    const target = directory.symlinks.get(name) ?? directory.base?.symlinks.get(name);
    if (target !== undefined) return this.#follow(directory, target);
    const path = `${directory.path}/${name}`;
    const base = directory.base?.directories.get(name);
    if (base !== undefined) return ok(this.#open(directory, name, path, base));
    if (directory.complete !== undefined)
      return unshippable(path, `is not in the snapshot of ${directory.complete.path}`);
    const stat = this.digests.stats.lstat(path, this.#notBeforeMs);
    if (stat === undefined) return unshippable(path, 'does not exist');
    if (isDirectory(stat)) return ok(this.#open(directory, name, path, undefined));
    if (!isSymlink(stat)) return unshippable(path, 'is no directory');
    const link = this.digests.stats.target(path, stat);
    if (link === undefined) return unshippable(path, 'is a symbolic link that cannot be read');
    directory.symlinks.set(name, link);
    this.#followed.set(path, stat);
    return this.#follow(directory, link);
  }

  #open(directory: OpenDirectory, name: string, path: string, base: TreeNode | undefined): OpenDirectory {
    const complete = directory.complete ?? this.#complete.get(path);
    const opened = new OpenDirectory(directory, path, base, complete);
    directory.directories.set(name, opened);
    return opened;
  }

  #follow(directory: OpenDirectory, target: string): Step {
    this.#links += 1;
    try {
      if (this.#links > linkLimit) return unshippable(`${directory.path}/${target}`, 'is reached by too many links');
      let at = target.startsWith('/') ? this.#root : directory;
      for (const name of target.split('/')) {
        const step = this.#enter(at, name);
        if (!step.ok) return step;
        at = step.value;
      }
      return ok(at);
    } finally {
      this.#links -= 1;
    }
  }

  #file(
    directory: OpenDirectory,
    name: string,
    literal: string,
    record: FileRecord | undefined,
  ): Result<void, InputFailure> {
    if (name === '' || name === '.' || name === '..') return unshippable(literal, 'is no file');
    if (directory.files.has(name)) return ok(undefined);
    const path = `${directory.path}/${name}`;
    const target = directory.symlinks.get(name) ?? directory.base?.symlinks.get(name);
    if (target !== undefined) return this.#followFile(directory, target, literal, record);
    const base = directory.base?.files.get(name);
    if (base !== undefined) {
      if (record === undefined || base.digest.hash === record.digest.hash) {
        if (base.mtimeNs === undefined || record === undefined || base.mtimeNs === record.mtimeNs) return ok(undefined);
      }
      return err({ reason: 'input-changed', path, message: 'is not what the tree around it was made of' });
    }
    if (directory.complete !== undefined)
      return unshippable(path, `is not in the snapshot of ${directory.complete.path}`);
    const stat = this.digests.stats.lstat(path, this.#notBeforeMs);
    if (stat === undefined) return unshippable(path, 'does not exist');
    if (isSymlink(stat)) {
      const link = this.digests.stats.target(path, stat);
      if (link === undefined) return unshippable(path, 'is a symbolic link that cannot be read');
      directory.symlinks.set(name, link);
      this.#followed.set(path, stat);
      return this.#followFile(directory, link, literal, record);
    }
    const found = this.digests.record(path, stat);
    if (!found.ok) return found;
    if (record !== undefined && record.digest.hash !== found.value.digest.hash) {
      return err({ reason: 'input-changed', path, message: 'changed since it was scanned' });
    }
    const inode = `${stat.dev}:${stat.ino}`;
    const twin = this.#inodes.get(inode);
    // clang takes two names of one inode for one file; in a sandbox every path has an inode of its own
    if (twin !== undefined && this.options.style === 'project') {
      return unshippable(path, `is the same file as ${twin} by a hard link`);
    }
    this.#inodes.set(inode, path);
    const added = { record: found.value, path };
    directory.files.set(name, added);
    this.#files.set(path, added);
    if (record === undefined) this.#unrecorded.set(path, found.value);
    return ok(undefined);
  }

  #followFile(
    directory: OpenDirectory,
    target: string,
    literal: string,
    record: FileRecord | undefined,
  ): Result<void, InputFailure> {
    this.#links += 1;
    try {
      if (this.#links > linkLimit) return unshippable(literal, 'is reached by too many links');
      const slash = target.lastIndexOf('/');
      const parent = slash < 0 ? ok(directory) : this.#follow(directory, target.slice(0, slash + 1));
      if (!parent.ok) return parent;
      return this.#file(parent.value, target.slice(slash + 1), literal, record);
    } finally {
      this.#links -= 1;
    }
  }
}

function merged<T>(base: ReadonlyMap<string, T>, over: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  if (over.size === 0) return base;
  const all = new Map(base);
  for (const [name, value] of over) all.set(name, value);
  return all;
}

function unshippable(path: string, message: string): Result<never, InputFailure> {
  return err({ reason: 'unshippable-path', path, message });
}
