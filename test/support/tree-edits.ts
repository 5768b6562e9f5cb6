// Random edits of an include tree on disk, as people, generators and version control make them. Unaware of scanners.

import fc from 'fast-check';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { IncludeTree } from './include-tree.ts';

export const editKinds = [
  'nothing',
  'append',
  'same size and time',
  'touch',
  'remove',
  'replace by a copy',
  'replace by a directory',
  'shadow',
  'shadow by a directory',
  'missing header appears',
  'precompiled header',
  'swap',
  'move a folder',
  'copy a folder',
  'link a folder',
  'move behind a link',
  'other name',
  'unreadable',
  'directory becomes a file',
  'link becomes a directory',
] as const;

export interface TreeEdit {
  readonly kind: (typeof editKinds)[number];
  readonly file: number;
  readonly other: number;
}

const treeEdit: fc.Arbitrary<TreeEdit> = fc.record({
  kind: fc.constantFrom(...editKinds),
  file: fc.nat({ max: 30 }),
  other: fc.nat({ max: 30 }),
});

/** What is done before the tree is looked at first, and what after it. */
export const treeEdits = fc.record({
  before: fc.array(treeEdit, { maxLength: 2 }),
  after: fc.array(treeEdit, { minLength: 1, maxLength: 2 }),
});

/** Gives files that say nothing of their time one of whole seconds, so that others can have it too. */
export function ageFiles(tree: IncludeTree, root: string): void {
  tree.files.forEach(({ path, mtime }, at) => {
    if (mtime === undefined) utimesSync(join(root, path), 1_600_000_100 + at, 1_600_000_100 + at);
  });
}

const shadowFolders = ['', 'inc', 'sys', 'quote', 'after', 'src', 'inc/sub', 'nowhere', 'empty', 'build'];

/** Does what can be done, and nothing where it cannot. */
export function applyEdit(edit: TreeEdit, tree: IncludeTree, root: string): void {
  const pathOf = (at: number) => join(root, tree.files[at % tree.files.length]?.path ?? '');
  const path = pathOf(edit.file);
  const other = pathOf(edit.other);
  const shadow = join(root, shadowFolders[edit.other % shadowFolders.length] ?? '', basename(path));
  const folder = dirname(path);
  const isIn = (name: string, of: string) => `${name}/`.startsWith(`${of}/`);
  try {
    switch (edit.kind) {
      case 'nothing':
        return;
      case 'append':
        return appendFileSync(path, `\n#define APPENDED_${edit.other} 1\n`);
      case 'same size and time': {
        const { atime, mtime } = statSync(path);
        const text = readFileSync(path, 'latin1');
        writeFileSync(
          path,
          text.replace(/[A-Z0-9]/, (at) => (at === 'B' ? 'C' : 'B')),
          'latin1',
        );
        return utimesSync(path, atime, mtime);
      }
      case 'touch':
        return utimesSync(path, edit.other, 1_500_000_000 + edit.other);
      case 'remove':
        return rmSync(path);
      case 'replace by a copy':
        cpSync(path, `${path}.new`, { preserveTimestamps: true });
        return renameSync(`${path}.new`, path);
      case 'replace by a directory':
        rmSync(path);
        return mkdirSync(path);
      case 'shadow':
        mkdirSync(dirname(shadow), { recursive: true });
        if (existsSync(shadow)) return;
        return writeFileSync(shadow, `#define SHADOWED_${edit.file} 1\n`);
      case 'shadow by a directory':
        return void mkdirSync(shadow, { recursive: true });
      case 'missing header appears':
        for (const name of ['gone.h', 'sub/gone.h', 'none/x.h']) {
          const full = join(root, shadowFolders[edit.other % shadowFolders.length] ?? '', name);
          mkdirSync(dirname(full), { recursive: true });
          writeFileSync(full, '#define APPEARED 1\n');
        }
        return;
      case 'precompiled header':
        return writeFileSync(`${path}.gch`, '');
      case 'swap':
        renameSync(path, `${path}.swap`);
        renameSync(other, path);
        return renameSync(`${path}.swap`, other);
      case 'move a folder':
        if (folder === root) return;
        renameSync(folder, `${folder}.moved`);
        return edit.other % 2 === 0 ? symlinkSync(`${folder}.moved`, folder) : undefined;
      case 'copy a folder':
        if (folder === root) return;
        cpSync(folder, `${folder}.copy`, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
        rmSync(folder, { recursive: true });
        return renameSync(`${folder}.copy`, folder);
      case 'link a folder': {
        const to = dirname(other);
        if (folder === root || isIn(to, folder) || isIn(folder, to)) return;
        rmSync(folder, { recursive: true });
        return symlinkSync(to, folder);
      }
      case 'move behind a link':
        renameSync(path, `${path}.real`);
        return symlinkSync(basename(`${path}.real`), path);
      case 'other name':
        if (existsSync(shadow) || !lstatSync(path).isFile()) return;
        mkdirSync(dirname(shadow), { recursive: true });
        return linkSync(path, shadow);
      case 'directory becomes a file':
        if (!lstatSync(shadow).isDirectory()) return;
        rmSync(shadow, { recursive: true });
        return writeFileSync(shadow, `#define FILE_${edit.file} 1\n`);
      case 'link becomes a directory': {
        // with the same files under other names
        const link = join(root, tree.links[edit.file % tree.links.length]?.path ?? 'none');
        if (!lstatSync(link).isSymbolicLink()) return;
        const from = realpathSync(link);
        rmSync(link);
        if (lstatSync(from).isFile()) return linkSync(from, link);
        mkdirSync(link);
        for (const { name } of readdirSync(from, { withFileTypes: true }).filter((each) => each.isFile())) {
          linkSync(join(from, name), join(link, name));
        }
        return;
      }
      case 'unreadable':
        return chmodSync(path, edit.other % 2 === 0 ? 0 : 0o755);
    }
  } catch {
    // an earlier edit has taken it away
  }
}
