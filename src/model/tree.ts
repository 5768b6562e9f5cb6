// Immutable merkle trees of REAPI Directory messages. Pure: unaware of the disk.

import { compareNames, encodeDirectory, type Blob, type Directory } from './action.ts';
import { digestKey, type Digest } from './digest.ts';
import type { InputBlob } from './inputs.ts';

export interface TreeFile {
  readonly digest: Digest;
  readonly executable: boolean;
  /** the real modification time where a program could notice it */
  readonly mtimeNs: bigint | undefined;
  /** where the bytes can be read on this machine */
  readonly path: string;
}

/** A directory with all below it. */
export interface TreeNode {
  readonly blob: Blob;
  readonly files: ReadonlyMap<string, TreeFile>;
  readonly directories: ReadonlyMap<string, TreeNode>;
  /** name to target */
  readonly symlinks: ReadonlyMap<string, string>;
}

const nanosecondsPerSecond = 1_000_000_000n;

/** Encodes a directory from its parts, in the standard's order. */
export function treeNode(
  files: ReadonlyMap<string, TreeFile>,
  directories: ReadonlyMap<string, TreeNode>,
  symlinks: ReadonlyMap<string, string>,
): TreeNode {
  const message: Directory = {
    files: Array.from(files, ([name, file]) => ({
      name,
      digest: file.digest,
      isExecutable: file.executable,
      nodeProperties: file.mtimeNs === undefined ? undefined : timeProperties(file.mtimeNs),
    })),
    directories: Array.from(directories, ([name, node]) => ({ name, digest: node.blob.digest })),
    symlinks: Array.from(symlinks, ([name, target]) => ({ name, target, nodeProperties: undefined })),
    nodeProperties: undefined,
  };
  sortByName(message.files);
  sortByName(message.directories);
  sortByName(message.symlinks);
  return { blob: encodeDirectory(message), files, directories, symlinks };
}

export const emptyTree: TreeNode = treeNode(new Map(), new Map(), new Map());

/** Every Directory message and file of a tree, each once. */
export function treeBlobs(root: TreeNode): InputBlob[] {
  const blobs = new Map<string, InputBlob>();
  const visit = (node: TreeNode) => {
    const key = digestKey(node.blob.digest);
    if (blobs.has(key)) return;
    blobs.set(key, { kind: 'bytes', digest: node.blob.digest, bytes: node.blob.bytes });
    for (const file of node.files.values()) {
      blobs.set(digestKey(file.digest), { kind: 'file', digest: file.digest, path: file.path });
    }
    for (const child of node.directories.values()) visit(child);
  };
  visit(root);
  return [...blobs.values()];
}

function timeProperties(mtimeNs: bigint) {
  let seconds = mtimeNs / nanosecondsPerSecond;
  let nanos = mtimeNs % nanosecondsPerSecond;
  if (nanos < 0n) {
    nanos += nanosecondsPerSecond;
    seconds -= 1n;
  }
  return {
    properties: [],
    mtime: { seconds: Number(seconds), nanos: Number(nanos) },
    unixMode: undefined,
  };
}

function sortByName(nodes: { readonly name: string }[]): void {
  // Sorting by UTF-16 units differs from byte order only when surrogates are about.
  let simple = true;
  for (const { name } of nodes) if (beyondSurrogates.test(name)) simple = false;
  if (simple) nodes.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  else nodes.sort(compareNames);
}

const beyondSurrogates = /[\ud800-\uffff]/;
