import { describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../../src/compiler/classify.ts';
import type { CompilerFamily } from '../../../src/compiler/compiler-family.ts';
import { mentions, moveArguments, namedPaths } from '../../../src/compiler/moved-arguments.ts';
import { PathMove } from '../../../src/model/path-move.ts';

const families: Record<'gcc' | 'clang' | 'old', CompilerFamily> = {
  gcc: { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' },
  clang: { kind: 'clang', version: '14.0.6', major: 14, target: 'x86_64-pc-linux-gnu' },
  old: { kind: 'gcc', version: '9.1.0', major: 9, target: 'x86_64-linux-gnu' },
};
const move = new PathMove('/w/one', '/there');

function moved(text: string, names: readonly string[] = ['/w/one/a.c'], family = families.gcc): string {
  const argv = text.split(' ');
  const compile = classifyCommand({ family, driverLanguage: 'c', argv, env: {}, readResponseFile: () => undefined });
  if (compile.kind === 'local') return `local: ${compile.reason}`;
  const result = moveArguments(compile, compile.argv, names, '/w/one/build', move);
  return result.ok ? result.value.join(' ') : `${result.error.reason}: ${result.error.detail}`;
}

describe('moveArguments', () => {
  const file = '-ffile-prefix-map=/w/one=.';

  test('renames paths where options take paths', () => {
    expect(
      moved(
        `${file} -I/w/one/include -I /w/one -isystem /usr/include/x -iquote/w/one/q -include /w/one/c.h -MD -MF /w/one/build/a.d -MT /w/one/build/a.o -Wp,-MMD,/w/one/build/b.d -c /w/one/a.c -o /w/one/build/a.o`,
      ),
    ).toBe(
      '-ffile-prefix-map=/there=. -I/there/include -I /there -isystem /usr/include/x -iquote/there/q -include /there/c.h -MD -MF /there/build/a.d -MT /there/build/a.o -Wp,-MMD,/there/build/b.d -c /there/a.c -o /there/build/a.o',
    );
  });

  test('takes every name below the directory to be covered by a map, for debug information the working directory too', () => {
    expect(moved('-c /w/one/a.c')).toBe('unmapped-name: /w/one/a.c');
    expect(moved('-fmacro-prefix-map=/w/one/= -c /w/one/a.c')).toBe('-fmacro-prefix-map=/there/= -c /there/a.c');
    expect(moved('-fmacro-prefix-map=/w/one/lib=l -c /w/one/a.c')).toBe('unmapped-name: /w/one/a.c');
    expect(moved('-g -fmacro-prefix-map=/w/one=. -c /w/one/a.c')).toBe('unmapped-name: /w/one/a.c');
    expect(moved('-fdebug-prefix-map=/w/one=. -c /w/one/a.c')).toBe('unmapped-name: /w/one/a.c');
    expect(moved('-g -ffile-prefix-map=/w/one/src=. -c /w/one/src/a.c', ['/w/one/src/a.c'])).toBe(
      'unmapped-name: /w/one/build',
    );
    expect(moved(`-g ${file} -c /w/one/a.c`)).toBe('-g -ffile-prefix-map=/there=. -c /there/a.c');
    expect(moved('-c ../a.c', ['../a.c', '/usr/include/stdio.h'])).toBe('-c ../a.c');
    expect(moved('-g -c ../a.c', ['../a.c'])).toBe('unmapped-name: /w/one/build');
    const command = '-g -fdebug-compilation-dir=. -c ../a.c';
    expect(moved(command, ['../a.c'], families.clang)).toBe(command);
  });

  test('refuses maps that could take another name there than here', () => {
    expect(moved(`${file} -ffile-prefix-map=/w=x -c /w/one/a.c`)).toBe('prefix-map: /w=x');
    expect(moved(`${file} -ffile-prefix-map=/w/on=x -c /w/one/a.c`)).toBe('prefix-map: /w/on=x');
    expect(moved(`${file} -ffile-prefix-map=/the=x -c /w/one/a.c`)).toBe('prefix-map: /the=x');
    expect(moved(`${file} -c /w/one/a.c`, ['/w/one/a.c', '/w/one-more/b.h'])).toBe('prefix-map: /w/one-more/b.h');
    expect(moved(`${file} -ffile-prefix-map=/usr=sys -ffile-prefix-map=/w/one/build=b -c /w/one/a.c`)).toBe(
      '-ffile-prefix-map=/there=. -ffile-prefix-map=/usr=sys -ffile-prefix-map=/there/build=b -c /there/a.c',
    );
  });

  test('refuses arguments that name the directory in another way', () => {
    for (const argument of [
      '-DROOT="/w/one"',
      '-ffile-prefix-map=/w/one=/w/one',
      '-MT a.o:/w/one',
      '-frandom-seed=/w/one/a.c',
      '-L/w/one',
    ]) {
      expect(moved(`-MD ${file} ${argument} -c /w/one/a.c`)).toMatch(/^argument: /);
    }
    expect(moved(`${file} -DROOT=x/w/one -c /w/one/a.c`)).not.toMatch(/^argument: /);
  });

  test.each([
    ['-gz', families.gcc],
    ['-gsplit-dwarf', families.gcc],
    ['-gstabs', families.gcc],
    ['-fsanitize=address', families.gcc],
    ['-fverbose-asm', families.gcc],
    ['-flto -frandom-seed=1', families.gcc],
    ['-fmessage-length=72', families.gcc],
    ['-Wa,--compress-debug-sections', families.gcc],
    ['-isystem ../third', families.gcc],
    ['-funique-internal-linkage-names', families.clang],
    ['-grecord-command-line', families.clang],
  ])('refuses %s', (option, family) => {
    expect(moved(`${option} ${file} -c /w/one/a.c`, ['/w/one/a.c'], family)).toMatch(/^option: /);
  });

  test('refuses compilers that map less', () => {
    expect(moved(`${file} -c /w/one/a.c`, ['/w/one/a.c'], families.old)).toBe('compiler-version: gcc 9.1.0');
  });
});

describe('namedPaths', () => {
  test('finds the paths of inputs, outputs, directories and maps', () => {
    const argv = '-DX=/no -I/a -Irel -isystem /b -ffile-prefix-map=/c=. -Wp,-MD,/d -O2 -c /e.c -o /f.o'.split(' ');
    expect(namedPaths(argv, 'gcc')).toEqual(['/a', '/b', '/c', '/d', '/e.c', '/f.o']);
  });
});

describe('mentions', () => {
  test('is about the directory, not about names that end like it', () => {
    const src = new PathMove('/src', '/there');
    expect(['/src', '/src/a', '-X/src', 'x=/src', '/srcs'].every((text) => mentions(text, src))).toBe(true);
    expect(['a/src', '../src', ''].some((text) => mentions(text, src))).toBe(false);
  });
});
