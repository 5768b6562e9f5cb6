import { describe, expect, test } from '@jest/globals';
import { layOutAction, type ActionCommand } from '../../../src/sandbox/action-layout.ts';
import { entryAt } from '../../../src/sandbox/root-tree.ts';
import { rootTree, type Plain } from '../../support/root-trees.ts';

const command = (changes: Partial<ActionCommand>): ActionCommand => ({
  argv: ['true'],
  env: new Map(),
  workingDirectory: 'p',
  outputPaths: [],
  stderrTerminal: undefined,
  ...changes,
});

function layOut(plain: Plain, changes: Partial<ActionCommand>, mounts: string[] = []) {
  const layout = layOutAction(rootTree(plain, mounts), command(changes));
  if (!layout.ok) throw new Error(JSON.stringify(layout.error));
  return layout.value;
}

const bindsOf = (layout: ReturnType<typeof layOut>) =>
  layout.binds.map(({ target, source }) => `${target} ${source.kind}${source.kind === 'scratch' ? source.index : ''}`);

describe('layOutAction', () => {
  test('an output folder is writable, what lies below it is bound from the root over it', () => {
    const layout = layOut(
      { p: { 'in.c': 'x', sub: { 'a.h': 'a' }, none: {} } },
      { outputPaths: ['o.o', 'sub/deep/d.d'] },
    );
    expect(bindsOf(layout)).toEqual(['/p scratch1', '/tmp scratch0', '/p/sub root', '/p/sub/deep scratch2']);
    expect(layout.scratch[1]).toMatchObject({ path: '/p', directories: ['sub', 'none'] });
    expect(layout.scratch[1]?.files.map(([name]) => name)).toEqual(['in.c']);
    expect(layout.outputs).toEqual([
      { declared: 'o.o', scratch: 1, name: 'o.o' },
      { declared: 'sub/deep/d.d', scratch: 2, name: 'd.d' },
    ]);
    expect(entryAt(layout.tree, ['p', 'sub', 'deep'])).toMatchObject({ kind: 'directory' });
  });

  test('mount points exist: proc, devices, tmp, the working directory', () => {
    const { tree } = layOut({}, { workingDirectory: 'new/place' });
    for (const path of ['proc', 'tmp', 'new/place']) expect(entryAt(tree, path.split('/'))?.kind).toBe('directory');
    for (const name of ['null', 'zero', 'urandom']) expect(entryAt(tree, ['dev', name])?.kind).toBe('placeholder');
  });

  test('one tree mounted twice is two copies of it', () => {
    const { binds } = layOut({ m: {}, n: {}, p: {} }, {}, ['/m', '/n']);
    const trees = binds.flatMap(({ source }) => (source.kind === 'tree' ? [source.copy] : []));
    expect(trees).toEqual([0, 1]);
  });

  test('a mount above an output is in the way', () => {
    const layout = layOutAction(rootTree({ m: { a: {} }, p: {} }, ['/m']), command({ outputPaths: ['../m/a/o'] }));
    expect(layout).toEqual({ ok: false, error: { reason: 'mount-in-the-way', mount: ['m'] } });
  });

  test.each(['proc', 'dev', 'tmp'])('a mount on /%s is in the way of the sandbox itself', (name) => {
    const layout = layOutAction(rootTree({ [name]: { a: 'x' }, p: {} }, [`/${name}`]), command({}));
    expect(layout).toEqual({ ok: false, error: { reason: 'mount-in-the-way', mount: [name] } });
  });

  test('PWD is kept when it is true, else it is the real path', () => {
    const plain = { real: { build: {} }, link: '-> real' };
    const pwd = (value: string | undefined, workingDirectory: string) =>
      layOut(plain, { workingDirectory, env: new Map(value === undefined ? [] : [['PWD', value]]) }).chdir;
    expect(pwd('/link/build', 'real/build')).toBe('/link/build');
    expect(pwd('/link/build', 'link/build')).toBe('/link/build');
    expect(pwd('/elsewhere', 'link/build')).toBe('/real/build');
    expect(pwd(undefined, 'link/build')).toBe('/real/build');
  });

  test('a file where a directory has to be makes the request invalid', () => {
    for (const plain of [{ tmp: 'file' }, { dev: '-> /x' }, { p: 'file' }]) {
      expect(layOutAction(rootTree(plain), command({ outputPaths: ['o'] }))).toMatchObject({
        error: { reason: 'invalid' },
      });
    }
  });
});
