import { describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../../src/compiler/classify.ts';
import type { Classified, ParsedCompile } from '../../../src/compiler/parsed-compile.ts';

const gcc = { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' } as const;
const clang = { kind: 'clang', version: '14.0.6', major: 14, target: 'x86_64-pc-linux-gnu' } as const;

function classify(
  command: string,
  family: typeof gcc | typeof clang = gcc,
  env: Record<string, string> = {},
): Classified {
  return classifyCommand({
    family,
    driverLanguage: 'c',
    argv: command.split(' ').filter((word) => word !== ''),
    env,
    readResponseFile: (path) => (path === 'rsp' ? Buffer.from('-c "a b.c" -DX') : undefined),
  });
}

function compile(command: string, family: typeof gcc | typeof clang = gcc): ParsedCompile {
  const classified = classify(command, family);
  if (classified.kind === 'local') throw new Error(`${command}: ${classified.reason} (${classified.detail})`);
  return classified;
}

describe('commands that stay local', () => {
  test.each([
    ['--version', 'not-a-compile'],
    ['-v -c a.c', 'not-a-compile'],
    ['-### -c a.c', 'not-a-compile'],
    ['-print-file-name=plugin', 'not-a-compile'],
    ['-dumpversion', 'not-a-compile'],
    ['-dumpmachine', 'not-a-compile'],
    ['-march=help -c a.c', 'not-a-compile'],
    ['a.o b.o -o prog', 'link'],
    ['a.c', 'link'],
    ['-flto a.o -fsome-odd -o prog --unheard-of', 'link'],
    ['-E a.c', 'preprocess-only'],
    ['-E -dM -c a.c', 'preprocess-only'],
    ['-M a.c', 'dependencies-only'],
    ['-MM -MF x.d a.c', 'dependencies-only'],
    ['-c a.c -MD -MG', 'dependencies-only'],
    ['-c a.c -MF x.d', 'dependencies-only'],
    ['-c a.c -MP', 'dependencies-only'],
    ['-fsyntax-only a.c', 'syntax-only'],
    ['-c a.c b.c', 'several-inputs'],
    ['-c a.c b.o', 'several-inputs'],
    ['-c', 'no-input'],
    ['', 'no-input'],
    ['-c -x c -', 'stdin'],
    ['-c -x c /dev/stdin', 'stdin'],
    ['-S a.c -o -', 'stdout'],
    ['-c a.c -o /dev/stdout', 'stdout'],
    ['-c a.c -MD -MF -', 'stdout'],
    ['-c a.c -o /dev/null', 'output-not-regular'],
    ['-c a.c -MD -MF /dev/null', 'output-not-regular'],
    ['-c a.c -o x.o -o y.o', 'output-not-regular'],
    ['-c a.c -o sub/', 'output-not-regular'],
    ['-c a.c -MD -o a.d', 'output-not-regular'],
    ['-c a.f90', 'unknown-language'],
    ['-c a.adb', 'unknown-language'],
    ['-c a', 'unknown-language'],
    ['-c a.i', 'unknown-language'],
    ['-c -x f95 a.c', 'language-option'],
    ['-c -x cpp-output a.c', 'language-option'],
    ['-c -fdirectives-only a.c', 'language-option'],
    ['-c a.s', 'assembly-input'],
    ['-c -x assembler a.c', 'assembly-input'],
    ['-S t.S', 'assembly-input'],
    ['-c a.m', 'objective-c'],
    ['-c a.mm', 'objective-c'],
    ['-c -x objective-c++ a.c', 'objective-c'],
    ['-c a.c --unheard-of', 'unknown-option'],
    ['-c a.c -I-', 'unknown-option'],
    ['-c a.c -o', 'unknown-option'],
    ['-c a.c -I', 'unknown-option'],
    ['-c a.c -save-temps', 'save-temps'],
    ['-c a.c -save-temps=obj', 'save-temps'],
    ['-c a.c -save-temps=cwd', 'save-temps'],
    ['-c a.c --save-temps', 'save-temps'],
    ['-c a.c --coverage', 'coverage'],
    ['-c a.c -fprofile-arcs -ftest-coverage', 'coverage'],
    ['-c a.c -fprofile-generate', 'profile'],
    ['-c a.c -fprofile-generate=dir', 'profile'],
    ['-c a.c -fprofile-use=x', 'profile'],
    ['-c a.c -fprofile-use', 'profile'],
    ['-c a.c -fauto-profile=x', 'profile'],
    ['-c a.c -fdump-tree-all', 'dump-files'],
    ['-c a.c -dP', 'dump-files'],
    ['-c a.c -fcallgraph-info', 'dump-files'],
    ['-c a.c -aux-info x', 'dump-files'],
    ['-c a.c -fopt-info-vec=report', 'dump-files'],
    ['-c a.c -fdiagnostics-format=sarif-file', 'dump-files'],
    ['-c a.c -fdiagnostics-format=json-file', 'dump-files'],
    ['-c a.c -fsave-optimization-record', 'dump-files'],
    ['-c a.c -dumpbase x', 'dump-files'],
    ['-c a.c -ftime-report', 'time-report'],
    ['-c a.c -ftime-trace', 'time-report'],
    ['-c a.c -time', 'time-report'],
    ['-c a.c -Q', 'time-report'],
    ['-c a.c -B/usr/lib', 'toolchain-search-option'],
    ['-c a.c -B /usr/lib', 'toolchain-search-option'],
    ['-c a.c -wrapper strace', 'toolchain-search-option'],
    ['-c a.c -specs=x', 'specs'],
    ['-c a.c --specs=x', 'specs'],
    ['-c a.c -fplugin=./p.so', 'plugin'],
    ['-c a.c -fplugin-arg-p-x=1', 'plugin'],
    ['-c a.c -fmodules-ts', 'modules'],
    ['-c a.cc -fmodule-mapper=x', 'modules'],
    ['-c a.cppm', 'modules'],
    ['-c a.h', 'precompiled-header'],
    ['-c -x c++-header a.h', 'precompiled-header'],
    ['-c a.c -finput-charset=latin1', 'charset'],
    ['-c a.c -fexec-charset=latin1', 'charset'],
    ['-c a.c -Wa,-ahls=x.lst', 'assembler-option'],
    ['-c a.c -Wa,-a', 'assembler-option'],
    ['-c a.c -Wa,@x', 'assembler-option'],
    ['-c a.c -Wa,-I,dir', 'assembler-option'],
    ['-c a.c -Wa,-Idir', 'assembler-option'],
    ['-c a.c -Xassembler -ahls', 'assembler-option'],
    ['-c a.c -Wa,--MD,x', 'assembler-option'],
    ['-c a.c -fopenmp-targets=nvptx', 'offload'],
    ['-c a.c -foffload=nvptx-none', 'offload'],
    ['-c a.c -arch x86_64 -arch arm64', 'multiple-architectures'],
    ['-c conftest.c', 'compiler-check'],
    ['-c -x c /dev/null -o .tmp_12/tmp', 'compiler-check'],
    ['-c /b/CMakeFiles/CMakeScratch/TryCompile-x/testCCompiler.c', 'compiler-check'],
    ['-c CMakeCCompilerId.c', 'compiler-check'],
    ['-c x.c -o CMakeFiles/cmTC_12ab.dir/x.c.o', 'compiler-check'],
    ['-c a.c -flto', 'not-reproducible'],
    ['-c a.c -flto=auto -ffat-lto-objects', 'not-reproducible'],
    ['-c a.c -Wa,--gdwarf-5', 'not-reproducible'],
    ['-c a.c -Wa,-g', 'not-reproducible'],
    ['-c a.S -Wa,--gstabs+', 'not-reproducible'],
    ['-c a.c -Wp,-include,x.h', 'unknown-option'],
    ['-c a.c -Wp,-MD', 'unknown-option'],
  ])('gcc %s: %s', (command, reason) => {
    expect(classify(command)).toMatchObject({ kind: 'local', reason });
  });

  test.each([
    ['-c a.c -Xclang -load -Xclang p.so', 'plugin'],
    ['-c a.c -fpass-plugin=p.so', 'plugin'],
    ['-c a.c -fmodules', 'modules'],
    ['-c a.c -fmodule-file=x', 'modules'],
    ['-c a.c -include-pch x.pch', 'precompiled-header'],
    ['-c a.c -Xclang -include-pch -Xclang x.pch', 'precompiled-header'],
    ['-c a.c -Xclang -building-pch-with-obj', 'precompiled-header'],
    ['-c a.c -Xclang -no-such-thing', 'unknown-option'],
    ['-c a.c -MJ x.json', 'dump-files'],
    ['-c a.c -mllvm -info-output-file=x', 'dump-files'],
    ['-c a.c -mllvm', 'unknown-option'],
    ['-c a.c --config x', 'toolchain-search-option'],
    ['-c a.c -Wp,-MD,x,-MP', 'unknown-option'],
    ['-c a.c -Wp,-MF,x', 'unknown-option'],
    ['-c a.sx', 'unknown-language'],
    ['-c a.c -g -gsplit-dwarf -fdebug-compilation-dir=/x', 'output-not-regular'],
    ['-c a.c -fprofile-instr-generate', 'profile'],
    ['-c a.c -gembed-source', 'not-reproducible'],
    ['-c a.c -working-directory /x', 'unknown-option'],
    ['-c a.c -serialize-diagnostics x', 'dump-files'],
  ])('clang %s: %s', (command, reason) => {
    expect(classify(command, clang)).toMatchObject({ kind: 'local', reason });
  });

  test('a variable that adds outputs or programs keeps the compile here and is named', () => {
    expect(classify('-c a.c', gcc, { DEPENDENCIES_OUTPUT: 'x' })).toEqual({
      kind: 'local',
      reason: 'environment',
      detail: 'DEPENDENCIES_OUTPUT',
    });
    expect(classify('-c a.c', gcc, { CLANG_CONFIG_FILE_USER_DIR: '' })).toMatchObject({ reason: 'environment' });
  });

  test('the detail names the option that decided', () => {
    expect(classify('-c a.c -O2 -fdump-rtl-all')).toMatchObject({ detail: '-fdump-rtl-all' });
    expect(classify('-c a.c -B dir')).toMatchObject({ detail: '-B dir' });
  });
});

describe('commands that may leave', () => {
  test('harmless options of all kinds are accepted', () => {
    for (const options of [
      '-s',
      '-pedantic',
      '-pedantic-errors',
      '-std=gnu++20 -Wall -Wextra -Werror=format -Wno-x',
      '-O3 -fPIC -fvisibility=hidden -fstack-protector-strong -mavx2 -msse4.2',
      '-g3 -ggdb -gdwarf-4 -gz=zlib',
      '--param max-inline=3 --param=x=4',
      '-fuse-ld=gold -Wl,--as-needed,-z,now -Xlinker -x -L dir -lm',
      '-Wa,--noexecstack,-march=x,--defsym,A=1',
      '-Wp,-D_FORTIFY_SOURCE=2',
      '-ffile-prefix-map=/a=/b -fmacro-prefix-map=a=b',
      '-fopt-info-vec',
      '-fdiagnostics-format=json',
      '-fprofile-update=atomic -fcoverage-prefix-map=a=b',
      '-flto -fno-lto',
      '-flto -frandom-seed=x',
      '-pthread -pipe -w -pg -nostdlib -shared -static',
    ]) {
      expect(compile(`-c a.c ${options}`).source).toBe('a.c');
    }
  });

  test('-Wp,-MF,x does not swallow the next argument', () => {
    const parsed = compile('-Wp,-MF,x -MD -c a.c');
    expect(parsed.source).toBe('a.c');
    expect(parsed.dependency).toMatchObject({ kind: 'file', file: 'x', headers: 'all' });
  });

  test('kbuild commands keep their depfile and may write .tmp_ objects', () => {
    const parsed = compile('-Wp,-MMD,kernel/.fork.o.d -nostdinc -include ./k.h -c -o kernel/.tmp_fork.o kernel/fork.c');
    expect(parsed.dependency).toEqual({
      kind: 'file',
      headers: 'user',
      file: 'kernel/.fork.o.d',
      targets: [],
      phony: false,
    });
    expect(parsed.search.noStandardIncludes).toBe(true);
    expect(parsed.precompiledCandidates).toEqual(['./k.h.gch']);
  });

  test('search options are read in every spelling and keep their order', () => {
    const parsed = compile(
      '-c a.c -Ia -I b -isystem c -isystemd -iquote e -idirafter f -include g.h -imacros h.h --sysroot=/s -isysroot /t -iprefix p/ -iwithprefix q',
    );
    expect(parsed.search).toEqual({
      directories: [
        { option: 'I', path: 'a' },
        { option: 'I', path: 'b' },
        { option: 'isystem', path: 'c' },
        { option: 'isystem', path: 'd' },
        { option: 'iquote', path: 'e' },
        { option: 'idirafter', path: 'f' },
      ],
      forcedIncludes: [
        { option: 'include', path: 'g.h' },
        { option: 'imacros', path: 'h.h' },
      ],
      sysroot: '/s',
      headerSysroot: '/t',
      noStandardIncludes: false,
      noStandardCxxIncludes: false,
      prefixed: ['-iprefix', 'p/', '-iwithprefix', 'q'],
    });
  });

  test('macros keep their order and those behind -Wp come last', () => {
    expect(compile('-c a.c -D A=1 -Wp,-UC -UB -DD').macros).toEqual(['-DA=1', '-UB', '-DD', '-UC']);
  });

  test('the language follows driver, name and the -x in force at the source', () => {
    const language = (command: string, driverLanguage: 'c' | 'c++', family: typeof gcc | typeof clang = gcc) => {
      const argv = command.split(' ');
      const result = classifyCommand({ family, driverLanguage, argv, env: {}, readResponseFile: () => undefined });
      return result.kind === 'compile' ? result.language : result.reason;
    };
    expect(language('-c a.c', 'c')).toBe('c');
    expect(language('-c a.c', 'c++')).toBe('c++');
    expect(language('-c a.cxx', 'c')).toBe('c++');
    expect(language('-c a.CXX', 'c', clang)).toBe('c++');
    expect(language('-c a.CXX', 'c', gcc)).toBe('unknown-language');
    expect(language('-c a.S', 'c++')).toBe('assembler-with-cpp');
    expect(language('-c -xc++ a.c', 'c')).toBe('c++');
    expect(language('-c a.c -x c++', 'c')).toBe('c');
    expect(language('-c -x c++ -x none a.c', 'c')).toBe('c');
    expect(language('-c -x assembler-with-cpp a.c', 'c')).toBe('assembler-with-cpp');
  });

  test('the last colour and debug options count', () => {
    expect(compile('-c a.c').color).toBe('auto');
    expect(compile('-c a.c -fdiagnostics-color=never -fdiagnostics-color').color).toBe('always');
    expect(compile('-c a.c -fcolor-diagnostics -fno-color-diagnostics', clang).color).toBe('never');
    expect(compile('-c a.c -g3 -g0').debugLevel).toBe(0);
    expect(compile('-c a.c -g0 -ggdb').debugLevel).toBe(2);
    expect(compile('-c a.c -g3 -gdwarf-4').debugLevel).toBe(3);
    expect(compile('-c a.c -O2').debugLevel).toBe(0);
  });

  test('native flags, sanitizer lists and recorded command lines are reported', () => {
    expect(compile('-c a.c -march=native -mtune=generic -mcpu=native+crypto').nativeFlags).toEqual([
      '-march=native',
      '-mcpu=native+crypto',
    ]);
    expect(compile('-c a.c -fsanitize-ignorelist=l.txt', clang).extraInputs).toEqual(['l.txt']);
    expect(compile('-c a.c -grecord-gcc-switches').recordsCommandLine).toBe(false);
    expect(compile('-c a.c -grecord-gcc-switches', clang).recordsCommandLine).toBe(true);
  });

  test('response files are expanded and named', () => {
    const parsed = compile('-O2 @rsp');
    expect(parsed.argv).toEqual(['-O2', '-c', 'a b.c', '-DX']);
    expect(parsed.writtenArgv).toEqual(['-O2', '@rsp']);
    expect(parsed.responseFiles).toEqual(['rsp']);
    expect(parsed.source).toBe('a b.c');
    expect(parsed.argv[parsed.sourceIndex]).toBe('a b.c');
    expect(parsed.output).toBe('a b.o');
  });
});
