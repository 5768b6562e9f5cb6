// Any input root and any paths: the layout is refused, or everything in it stays inside.
import fc from 'fast-check';
import { describe, expect, test } from '@jest/globals';
import { Directory } from '../../src/model/action.ts';
import { digestOf, emptyDigest } from '../../src/model/digest.ts';
import { layOutAction } from '../../src/sandbox/action-layout.ts';
import { resolvePath } from '../../src/sandbox/root-path.ts';
import { defaultTreeLimits, directoryFrom, isEntryName } from '../../src/sandbox/root-tree.ts';
import { rootTree, type Plain } from '../support/root-trees.ts';

const budget = {
  interruptAfterTimeLimit: Number(process.env['ICETS_FUZZ_MS'] ?? 5000),
  numRuns: 1_000_000,
  markInterruptAsFailure: false,
};

const piece = fc.constantFrom('a', 'b', 'tmp', 'dev', 'proc', '..', '.', '', 'null');
const path = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('/'));
const name = fc.constantFrom('a', 'b', 'tmp', 'dev', 'proc', 'null');
const { tree } = fc.letrec<{ tree: Plain; entry: string | Plain }>((tie) => ({
  entry: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('x', 'y'),
    path.map((to) => `-> ${to || '.'}`),
    tie('tree'),
  ),
  tree: fc.dictionary(name, tie('entry'), { maxKeys: 4 }),
}));

describe('layouts of hostile actions', () => {
  test('every bind and output of an accepted action has plain names, and parents come before children', () => {
    fc.assert(
      fc.property(
        tree,
        path,
        fc.array(path, { maxLength: 4 }),
        fc.array(name, { maxLength: 2 }),
        (plain, cwd, outputs, mounts) => {
          const root = rootTree(
            plain,
            mounts.map((mount) => `/${mount}`),
          );
          const command = {
            argv: ['x'],
            env: new Map([['PWD', `/${cwd}`]]),
            workingDirectory: cwd,
            outputPaths: outputs,
            stderrTerminal: undefined,
          };
          const layout = layOutAction(root, command);
          if (!layout.ok) return;
          const { binds, scratch, chdir } = layout.value;
          expect(chdir.startsWith('/')).toBe(true);
          binds.forEach(({ target }, at) => {
            const names = target.split('/').slice(1);
            expect(names.every(isEntryName)).toBe(true);
            // No mount comes after one that lies below it, which it would hide.
            for (const earlier of binds.slice(0, at)) expect(earlier.target.startsWith(`${target}/`)).toBe(false);
            // The kernel meets no link on the way to the mount point.
            const resolved = resolvePath(layout.value.tree, [], target);
            expect(resolved.ok && resolved.value.path.join('/')).toBe(names.join('/'));
            expect(['directory', 'mount']).toContain(resolved.ok ? resolved.value.entry?.kind : undefined);
          });
          expect(new Set(binds.map(({ target }) => target)).size).toBe(binds.length);
          for (const output of layout.value.outputs) {
            expect(isEntryName(output.name)).toBe(true);
            expect(scratch[output.scratch]).toBeDefined();
          }
        },
      ),
      budget,
    );
  });

  test('any bytes taken as a Directory message give plain unique names or a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        let message: Directory;
        try {
          message = Directory.decode(bytes);
        } catch {
          return;
        }
        const made = directoryFrom(
          message,
          (_name, digest) => ({ kind: 'mount', digest }),
          emptyDigest,
          defaultTreeLimits,
        );
        if (made.ok) for (const each of made.value.entries.keys()) expect(isEntryName(each)).toBe(true);
      }),
      budget,
    );
  });

  test('any names in a Directory message give plain unique names or a refusal', () => {
    const any = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      name,
      fc.constantFrom('', '.', '..', 'a/b', 'a\0'),
    );
    fc.assert(
      fc.property(fc.array(any), fc.array(any), fc.array(any), (files, links, directories) => {
        const digest = digestOf(Buffer.from('x'));
        const message = Directory.fromPartial({
          files: files.map((each) => ({ name: each, digest })),
          symlinks: links.map((each) => ({ name: each, target: 't' })),
          directories: directories.map((each) => ({ name: each, digest })),
        });
        const made = directoryFrom(message, (_name, of) => ({ kind: 'mount', digest: of }), digest, defaultTreeLimits);
        const all = [...files, ...links, ...directories];
        expect(made.ok).toBe(all.every(isEntryName) && new Set(all).size === all.length);
      }),
      budget,
    );
  });
});
