// The key under which a compile's result is kept: all that its bytes depend on and nothing else. Pure; unaware of caches.
// The system trees that lie around the closure are no part of it: what is installed beside the files that are read changes nothing.

import { createHash } from 'node:crypto';
import { digestOf, type Digest } from '../model/digest.ts';
import type { PathMove } from '../model/path-move.ts';
import type { Closure, ClosureFile } from '../scan/scanner.ts';

export interface ResultKeyParts {
  /** the toolchain package's own digest */
  readonly toolchain: Digest;
  /** the Command message: argv with argv[0], environment, directory, outputs, and the terminal where there is one */
  readonly command: Digest;
  readonly closure: Closure;
  /** files besides the closure that the command reads, by absolute path: response files, specs, sanitizer lists, terminal descriptions */
  readonly extras: readonly ExtraInput[];
  /** the result is that of the project under another name: its names go into the key as they are there */
  readonly move?: PathMove;
  /** digest of the system trees: only for a closure that does not tell everything it takes from them (`restsOnTrees`) */
  readonly trees?: Digest;
}

export interface ExtraInput {
  readonly path: string;
  readonly digest: Digest;
}

const version = 'icets result key 1';

/** The SHA-256 of the parts' canonical form, with its size. The order of files, probes, directories and extras means nothing. */
export function resultKey(parts: ResultKeyParts): Digest {
  const extras = parts.extras.map(({ path, digest }) => text(path) + text(digest.hash)).sort();
  return digestOf(
    Buffer.from(
      text(version) +
        text(parts.toolchain.hash) +
        text(parts.command.hash) +
        text(closureHash(parts.closure, parts.move)) +
        list(extras) +
        text(parts.trees?.hash ?? ''),
    ),
  );
}

const closureHashes = new WeakMap<Closure, { readonly moved: string | undefined; readonly hash: string }>();

/** The closure's part, worked out once for each object and place. */
function closureHash(closure: Closure, move: PathMove | undefined): string {
  const known = closureHashes.get(closure);
  if (known !== undefined && known.moved === move?.from) return known.hash;
  const { files, directories, probes, dependencies } = move === undefined ? closure : movedNames(closure, move);
  const hash = createHash('sha256')
    .update(filesText(files))
    .update(list([...directories].sort().map(text)))
    .update(list(probes.map(({ path, exists }) => text(path) + (exists ? '+' : '-')).sort()))
    // as the compiler names them, so that a depfile from the cache is the one that this machine's compiler would write
    .update(names(dependencies))
    .digest('hex');
  closureHashes.set(closure, { moved: move?.from, hash });
  return hash;
}

function movedNames({ files, directories, probes, dependencies }: Closure, move: PathMove) {
  const there = (path: string) => move.there(path);
  return {
    files: files.map(({ path, record }) => ({ path: there(path), record })),
    directories: directories.map(there),
    probes: probes.map(({ path, exists }) => ({ path: there(path), exists })),
    dependencies: dependencies.map(there),
  };
}

/**
 * Files by content; those that share their content with another one by path, with what tells them apart. Sorted by the first half of
 * the hash as a number with the file's place behind it: to sort 600 paths as strings takes longer than all the rest.
 */
function filesText(files: readonly ClosureFile[]): string {
  const room = 2 ** Math.ceil(Math.log2(files.length + 1));
  const ranks = new Float64Array(files.length);
  for (let at = 0; at < files.length; at += 1) ranks[at] = firstDigits(files[at]!.record.digest.hash) * room + at;
  ranks.sort();
  const fields: string[] = [];
  for (let at = 0; at < ranks.length;) {
    const start = Math.floor(ranks[at]! / room);
    let end = at + 1;
    while (end < ranks.length && Math.floor(ranks[end]! / room) === start) end += 1;
    if (end > at + 1)
      addTwins(
        fields,
        Array.from(ranks.subarray(at, end), (rank) => files[rank % room]!),
      );
    else addFile(fields, files[ranks[at]! - start * room]!);
    at = end;
  }
  return names(fields);
}

function addFile(fields: string[], { path, record }: ClosureFile): void {
  fields.push(record.digest.hash, path);
}

/** The number that the first eight hexadecimal digits make. */
function firstDigits(hash: string): number {
  let value = 0;
  for (let at = 0; at < 8; at += 1) {
    const code = hash.charCodeAt(at);
    value = value * 16 + (code < 58 ? code - 48 : code - 87);
  }
  return value;
}

/**
 * Under `#pragma once` gcc takes files of equal content and equal time (in seconds) for one, clang names of one inode. So what counts
 * is not the time but which of them are equal; both checkouts of a project agree on that more often than on times.
 */
function addTwins(fields: string[], files: readonly ClosureFile[]): void {
  const hashOf = ({ record }: ClosureFile) => record.digest.hash;
  const sorted = [...files].sort((a, b) => (hashOf(a) + a.path < hashOf(b) + b.path ? -1 : 1));
  const marks = [
    sorted.map((file) => `${hashOf(file)} ${file.record.mtimeNs / 1_000_000_000n}`),
    sorted.map((file) => `${hashOf(file)} ${file.record.mtimeNs}`),
    sorted.map((file) => `${hashOf(file)} ${file.record.stat.dev}:${file.record.stat.ino}`),
  ];
  sorted.forEach((file, at) => {
    addFile(fields, file);
    // The first of those that it is like; itself where there is none.
    fields.push(marks.map((all) => all.indexOf(all[at]!)).join(','));
  });
}

/** Names without a NUL in them, as all names of files are: one join is cheaper than a length before each. */
function names(all: readonly string[]): string {
  return `${all.length}[${all.join('\0')}\0`;
}

/** With its length before it, so that no two lists of texts have the same spelling. */
function text(value: string): string {
  return `${value.length}:${value}`;
}

function list(items: readonly string[]): string {
  return `${items.length}[${items.join('')}`;
}
