// Reads the layer table of docs/architecture.md and holds every import in src against it.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');

interface Layer {
  readonly rank: number;
  readonly mayImport: ReadonlySet<string> | 'all';
}

function readTable(): Map<string, Layer> {
  const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const layers = new Map<string, Layer>();
  for (const row of text.matchAll(/^\| *(\d) *\|([^|]+)\|([^|]+)\|$/gm)) {
    const allowed = row[3]!.trim();
    const mayImport =
      allowed === 'all'
        ? ('all' as const)
        : new Set(allowed === 'nothing' ? [] : allowed.split(',').map((s) => s.trim()));
    for (const folder of row[2]!.split(',')) layers.set(folder.trim(), { rank: Number(row[1]), mayImport });
  }
  return layers;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : path.endsWith('.ts') ? [path] : [];
  });
}

const layers = readTable();
const files = filesBelow(source);
const folderOf = (path: string) => relative(source, path).split('/')[0]!;

describe('layers', () => {
  test('the table names the folders that the design has', () => {
    expect(layers.size).toBeGreaterThanOrEqual(20);
    expect(layers.get('cli')?.mayImport).toBe('all');
  });

  test('every folder below src stands in the table', () => {
    const unknown = readdirSync(source).filter((name) => name !== 'launcher' && !layers.has(name));
    expect(unknown).toEqual([]);
  });

  test('no file imports from a folder that its own may not import', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const from = folderOf(file);
      const allowed = layers.get(from)?.mayImport;
      const text = readFileSync(file, 'utf8');
      for (const match of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
        const to = folderOf(resolve(dirname(file), match[1]!));
        if (to === from || allowed === 'all') continue;
        if (!allowed?.has(to)) wrong.push(`${relative(root, file)} imports ${to}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('a folder in the table imports only from lower ranks or its own rank when listed by name', () => {
    const upward: string[] = [];
    for (const [name, layer] of layers) {
      if (layer.mayImport === 'all') continue;
      for (const other of layer.mayImport) {
        if (layers.get(other) === undefined || layers.get(other)!.rank > layer.rank) upward.push(`${name} -> ${other}`);
      }
    }
    expect(upward).toEqual([]);
  });

  test('no import cycles exist between files below src', () => {
    const graph = new Map<string, string[]>();
    for (const file of files) {
      const text = readFileSync(file, 'utf8').replaceAll(/^import type .*$/gm, '');
      graph.set(
        file,
        [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => resolve(dirname(file), match[1]!)),
      );
    }
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]) => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].map((f) => relative(root, f)).join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
