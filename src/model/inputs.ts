// Ports: the submitter's files as inputs of actions. The scanner implements them; toolchain and agent use them.
// Unaware of compilers.

import type { Result } from '../base/result.ts';
import type { Digest } from './digest.ts';
import type { TreeNode } from './tree.ts';

/** What `lstat` or `stat` said. Times as Node gives them: milliseconds with fractions, exact to a quarter of a microsecond. */
export interface FileStat {
  readonly dev: number;
  readonly ino: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** st_mode with its type bits */
  readonly mode: number;
}

/** `"x.h"` or `<x.h>` behind one of the `__has_` operators, as written, quotes included. */
export interface HasProbe {
  readonly kind: 'include' | 'include-next' | 'embed';
  readonly operand: string;
}

/** What a file's text mentions that its `#include`s do not show. Found by text, so comments count too. */
export interface FileFacts {
  /** `__DATE__` or `__TIME__` */
  readonly dateOrTime: boolean;
  /** `__TIMESTAMP__`, or `#pragma GCC dependency`: the times of files matter */
  readonly timestamp: boolean;
  readonly probes: readonly HasProbe[];
  /** some `__has_include` (or `_next`, `__has_embed`) whose operand is no literal */
  readonly computedProbe: boolean;
  /** operands of `.incbin` without quotes */
  readonly incbins: readonly string[];
  /** some `.incbin` whose operand is no literal, or an assembler's `.include` */
  readonly computedIncbin: boolean;
  /** operands of `#embed` as written, quotes included */
  readonly embeds: readonly string[];
  readonly computedEmbed: boolean;
}

export interface FileRecord {
  readonly digest: Digest;
  readonly stat: FileStat;
  /** the modification time in full */
  readonly mtimeNs: bigint;
  readonly facts: FileFacts;
}

export type InputFailure =
  | { readonly reason: 'unshippable-path'; readonly path: string; readonly message: string }
  | { readonly reason: 'input-changed'; readonly path: string; readonly message: string };

/** Digests of files by path, remembered by what stat says. */
export interface FileDigests {
  /**
   * Digest and facts of a regular file, links followed. Blocks while it hashes: warm large files first.
   * @param notBeforeMs a stat made at or after this moment of the monotonic clock may be used again; default: stat now
   */
  file(path: string, notBeforeMs?: number): Result<FileRecord, InputFailure>;

  /** Hashes large files in slices, so that a following `file` answers at once. Missing files are passed over. */
  warm(paths: readonly string[]): Promise<void>;

  /** The file's bytes for an upload; `input-changed` when they no longer have this digest. */
  read(path: string, digest: Digest): Promise<Result<Uint8Array, InputFailure>>;
}

/** A directory with what is below it at one moment: everything, but for subdirectories that are named as unused. */
export interface DirectorySnapshot {
  /** physical absolute path */
  readonly path: string;
  readonly node: TreeNode;
  /** hashes of all files in it */
  readonly hashes: ReadonlySet<string>;
  /** absolute targets of symlinks that lead out of it */
  readonly escapes: readonly string[];
  /** entries that cannot be shipped: unreadable files, sockets, names that are not UTF-8 */
  readonly skipped: readonly string[];
  /** physical paths of existing subdirectories that were left out */
  readonly unused: ReadonlySet<string>;
}

export interface DirectorySnapshots {
  /**
   * The directory, complete, as it is at some moment after the call. Callers that arrive before a check starts share it.
   * @param path physical absolute path of a directory
   */
  current(path: string): Promise<Result<DirectorySnapshot, InputFailure>>;
}

export type InputBlob =
  | { readonly kind: 'bytes'; readonly digest: Digest; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly digest: Digest; readonly path: string };

/** A finished input root. */
export interface InputRoot {
  readonly digest: Digest;
  readonly node: TreeNode;
  /** Directory messages and files that the base does not have; the base's own: `treeBlobs(base.root)` of model/tree.ts */
  readonly blobs: readonly InputBlob[];
  /** absolute paths of directories that are the base's unchanged: to be materialised once and mounted (ExecutionHints.mounts) */
  readonly mounts: readonly string[];
  readonly fileCount: number;
  readonly fileBytes: number;
  /** Whether links on the way and files that were added without a record still are what they were (stats only). */
  readonly holds: (notBeforeMs: number) => boolean;
}

/** Where a tree starts: known directories at their paths. */
export interface TreeBase {
  readonly root: TreeNode;
  /** physical paths that are complete: what they do not have does not exist */
  readonly coarse: readonly DirectorySnapshot[];
}

export interface InputTreeBuilder {
  /**
   * Adds a regular file at the literal absolute path a program opens it by, with every symlink on the way.
   * @param record what is known of it; a complete tree that has another content fails with `input-changed`
   */
  addFile(path: string, record?: FileRecord): Result<void, InputFailure>;
  /** Makes an existing directory exist, with every symlink on the way. Its entries are not added. */
  addDirectory(path: string): Result<void, InputFailure>;
  /** Adds a complete directory at its physical path. */
  addSnapshot(snapshot: DirectorySnapshot): Result<void, InputFailure>;
  finish(): InputRoot;
}

export interface InputTreeOptions {
  /**
   * `project`: times only where `#pragma once` or `__TIMESTAMP__` could see them, no execute bits: digests equal on every checkout.
   * `toolchain`: execute bits kept, no times.
   */
  readonly style: 'project' | 'toolchain';
  /** every file of the project keeps its time */
  readonly allTimes?: boolean;
  /** moment of the monotonic clock after which stats are made anew; default now */
  readonly notBeforeMs?: number;
}

export interface InputTrees {
  builder(base: TreeBase, options: InputTreeOptions): InputTreeBuilder;
}
