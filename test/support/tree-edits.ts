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
  readFileSync,
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
] as const;

export interface TreeEdit {
  readonly kind: (typeof editKinds)[number];
  readonly file: number;
  readonly other: number;
}

export const treeEdits: fc.Arbitrary<readonly TreeEdit[]> = fc.array(
  fc.record({ kind: fc.constantFrom(...editKinds), file: fc.nat({ max: 30 }), other: fc.nat({ max: 30 }) }),
  { minLength: 1, maxLength: 2 },
);

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
      case 'unreadable':
        return chmodSync(path, edit.other % 2 === 0 ? 0 : 0o755);
    }
  } catch {
    // an earlier edit has taken it away
  }
}
