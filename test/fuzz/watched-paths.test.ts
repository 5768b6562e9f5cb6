// Random changes of a small tree with links, `..`, renamed directories and ones where everybody writes: what the table of files
// says, shown by events or not, is what is on the disk.

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DirectoryWatch } from '../../src/scan/directory-watch.ts';
import { StatFileDigests } from '../../src/scan/file-digests.ts';
import { FileTable } from '../../src/scan/file-table.ts';
import { PathStats } from '../../src/scan/path-stats.ts';
import { StatCache } from '../../src/scan/stat-cache.ts';
import { scratchFolder, type ScratchFolder } from '../support/scratch-folder.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);
const changesPerTree = 60;

let scratch: ScratchFolder;
beforeAll(() => {
  scratch = scratchFolder('paths-fuzz');
});
afterAll(() => scratch.remove());

const folders = ['a', 'b', 'a/c', 'b/d', 'a/c/e', 's', 's/t', 'l1', 'l2', 'a/l3', 's/t/u', '.'];
const names = ['h', 'x.h', 'a', 'c', 'l3', 'e', 't'];
const targets = ['a', '../a', 'b', 'a/c', '..', '../s/t', 'c', '.', 'x.h', '../b/x.h', 's/t'];

const folder = fc.constantFrom(...folders);
const file = fc.tuple(folder, fc.constantFrom(...names)).map(([in_, name]) => `${in_}/${name}`);
const any = fc.oneof(folder, file);
type Change = { readonly kind: string; readonly run: (at: (path: string) => string) => void };
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(file, fc.nat(50)).map(([path, size]): Change => ({
    kind: `write ${path} ${size}`,
    run: (at) => fs.writeFileSync(at(path), 'v'.repeat(size)),
  })),
  file.map((path): Change => ({ kind: `append ${path}`, run: (at) => fs.appendFileSync(at(path), 'v') })),
  folder.map((path): Change => ({ kind: `mkdir ${path}`, run: (at) => fs.mkdirSync(at(path), { recursive: true }) })),
  any.map((path): Change => ({ kind: `rm ${path}`, run: (at) => fs.rmSync(at(path), { recursive: true }) })),
  fc
    .tuple(any, any)
    .map(([from, to]): Change => ({ kind: `mv ${from} ${to}`, run: (at) => fs.renameSync(at(from), at(to)) })),
  fc.tuple(folder, folder).map(([from, to]): Change => ({
    kind: `mv ${from} ${to}`,
    run: (at) => fs.renameSync(at(from), at(to)),
  })),
  fc.tuple(any, fc.constantFrom(...targets)).map(([path, target]): Change => ({
    kind: `link ${path} ${target}`,
    run: (at) => {
      fs.rmSync(at('.new'), { force: true });
      fs.symlinkSync(target, at('.new'));
      fs.renameSync(at('.new'), at(path));
    },
  })),
  fc.tuple(fc.constantFrom('s', 's/t', 'a'), fc.constantFrom(0o1777, 0o755)).map(([path, mode]): Change => ({
    kind: `chmod ${path} ${mode.toString(8)}`,
    run: (at) => {
      if (fs.lstatSync(at(path)).isDirectory()) fs.chmodSync(at(path), mode);
    },
  })),
  folder.map((path): Change => ({ kind: `touch ${path}`, run: (at) => fs.utimesSync(at(path), 1_000_000, 1_000_000) })),
);
const looked = fc.oneof(
  fc.record({
    file: fc.oneof(
      file,
      fc.tuple(folder, fc.constantFrom(...names)).map(([in_, name]) => `${in_}/../${name}`),
    ),
  }),
  fc.record({ folder, name: fc.constantFrom(...names) }),
);
const steps = fc.array(fc.tuple(fc.array(change, { maxLength: 3 }), fc.array(looked, { minLength: 1, maxLength: 3 })), {
  minLength: 10,
  maxLength: changesPerTree,
});

function onDisk(path: string): string | undefined {
  try {
    if (!fs.statSync(path).isFile()) return undefined;
    return createHash('sha256').update(fs.readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
}

function listed(path: string, name: string): boolean {
  try {
    return fs.readdirSync(path).includes(name);
  } catch {
    return false;
  }
}

test(
  'what the table knows of paths is what is on the disk after any change',
  async () => {
    let shown = 0;
    const property = fc.asyncProperty(fc.noBias(steps), async (all) => {
      // deep enough that `..` behind links stays inside
      const root = `${fs.mkdtempSync(`${scratch.path}/tree-`)}/1/2/3/4/5/6/7/8`;
      fs.mkdirSync(root, { recursive: true });
      const digests = new StatFileDigests(new PathStats(), new StatCache(undefined));
      const watch = new DirectoryWatch({ cookieFolder: `${scratch.path}/cookies` });
      const table = new FileTable({ digests, watch });
      const at = (path: string) => `${root}/${path}`;
      const asked: (typeof all)[number][1] = [];
      const done: string[] = [];
      try {
        for (const [changes, looks] of all) {
          for (const { kind, run } of changes) {
            try {
              run(at);
              done.push(kind);
            } catch {
              // not possible as the tree is now
            }
          }
          const momentMs = performance.now();
          await table.caughtUp(momentMs);
          asked.push(...looks);
          for (const look of asked.slice(-40)) {
            if ('file' in look) {
              const known = table.file(at(look.file));
              const found = known.at(momentMs).record?.digest.hash;
              if (known.shownUntilMs > momentMs) shown += 1;
              expect([done.slice(-12), look, found]).toEqual([done.slice(-12), look, onDisk(at(look.file))]);
            } else {
              const found = table.folder(at(look.folder)).has(look.name, momentMs);
              expect([done.slice(-12), look, found]).toEqual([
                done.slice(-12),
                look,
                listed(at(look.folder), look.name),
              ]);
            }
          }
        }
      } finally {
        watch.close();
      }
    });
    await fc.assert(property, {
      interruptAfterTimeLimit: budgetMs,
      numRuns: 1_000_000,
      markInterruptAsFailure: false,
      endOnFailure: true,
    });
    expect(shown).toBeGreaterThan(0);
  },
  budgetMs + 60_000,
);
