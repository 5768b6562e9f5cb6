// What every rung of the scanner owes its caller, shown on real sources with a real compiler.

import { spawnSync } from 'node:child_process';
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { classifyCommand } from '../../src/compiler/classify.ts';
import type { Closure, ClosureScanner, ScanUnit } from '../../src/scan/scanner.ts';
import { scanParts, type ScanParts } from '../support/scan-parts.ts';
import { scratchFolder, type ScratchFolder } from '../support/scratch-folder.ts';

const rungs: Readonly<Record<string, (parts: ScanParts) => ClosureScanner>> = {
  exact: (parts) => parts.exact,
  compiler: (parts) => parts.compiler,
};
const compilers = ['gcc', 'clang'].filter((name) => spawnSync(name, ['--version']).status === 0);

for (const [rung, scannerOf] of Object.entries(rungs)) {
  for (const compiler of compilers) {
    describe(`a closure found by the ${rung} rung with ${compiler}`, () => {
      let scratch: ScratchFolder;
      let parts: ScanParts;
      let scanner: ClosureScanner;
      beforeEach(() => {
        scratch = scratchFolder('scan');
        parts = scanParts(`${scratch.path}/cache`);
        scanner = scannerOf(parts);
      });
      afterEach(() => scratch.remove());

      async function scan(extra: readonly string[] = [], source = 'a.c', moreEnv: Record<string, string> = {}) {
        const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...moreEnv };
        const identity = await parts.toolchains.identify({ compiler, cwd: scratch.path, env });
        if (!identity.ok) throw new Error(identity.error.message);
        const { family, driverLanguage, path } = identity.value;
        const argv = [...extra, '-c', source, '-o', 'a.o'];
        const compile = classifyCommand({ family, driverLanguage, argv, env, readResponseFile: () => undefined });
        if (compile.kind !== 'compile') throw new Error(`${compile.reason}: ${compile.detail}`);
        const unit: ScanUnit = {
          compile,
          compiler: path,
          invokedAs: compiler,
          compilerIdentity: identity.value.identity,
          cwd: scratch.path,
          env,
          arrivedMs: performance.now(),
        };
        return scanner.scan(unit);
      }
      async function closure(...options: Parameters<typeof scan>): Promise<Closure> {
        const found = await scan(...options);
        if (!found.ok) throw new Error(`${found.error.reason}: ${found.error.message}`);
        return found.value;
      }
      const names = (of: Closure) =>
        of.files
          .map(({ path }) => path)
          .filter((path) => path.startsWith(scratch.path))
          .map((path) => path.slice(scratch.path.length + 1));

      test('has the source first, its headers by the names they are opened by, and the coarse directories', async () => {
        scratch.write('a.c', '#include <stddef.h>\n#include "h.h"\n');
        scratch.write('inc/h.h', '#include "../other/x.h"\n');
        scratch.write('other/x.h', '');
        scratch.folder('empty');
        const found = await closure(['-Iinc', '-isystem', 'empty', '-Inone']);
        expect(names(found)).toEqual(['a.c', 'inc/h.h', 'inc/../other/x.h']);
        expect(found.coarse).toContain('/usr/include');
        expect(found.directories).toEqual(expect.arrayContaining([`${scratch.path}/inc`, `${scratch.path}/empty`]));
        expect(found.directories).not.toContain(`${scratch.path}/none`);
        expect(found.dependencies).toContain('inc/h.h');
        expect(await scanner.unchanged(found)).toBe(true);
      });

      test('has the targets of literal __has_include and remembers the misses', async () => {
        scratch.write('a.c', '#if __has_include("there.h") && !__has_include(<gone.h>)\n#endif\n');
        scratch.write('inc/there.h', '');
        const found = await closure(['-Iinc']);
        expect(names(found)).toContain('inc/there.h');
        expect(await scanner.unchanged(found)).toBe(true);
        scratch.write('inc/gone.h', '');
        expect(await scanner.unchanged(found)).toBe(false);
      });

      test('has .incbin files and forced includes, which -M leaves out or names', async () => {
        scratch.write('a.c', 'asm(".incbin \\"data.bin\\"");\n');
        scratch.write('data.bin', 'x');
        scratch.write('pre.h', '');
        scratch.write('macros.h', '#define X 1\n');
        const found = await closure(['-include', 'pre.h', '-imacros', 'macros.h']);
        expect(names(found).sort()).toEqual(['a.c', 'data.bin', 'macros.h', 'pre.h']);
        expect(found.dependencies).not.toContain('data.bin');
      });

      test('finds what the environment adds to the search', async () => {
        scratch.write('a.c', '#include <env.h>\n');
        scratch.write('env/env.h', '');
        const found = await closure([], 'a.c', { CPATH: 'env' });
        expect(names(found)).toContain('env/env.h');
        expect(found.directories).toContain(`${scratch.path}/env`);
        expect(found.coarse).not.toContain(`${scratch.path}/env`);
      });

      test('notices a search directory that appears', async () => {
        scratch.write('a.c', '#include "h.h"\n');
        scratch.write('late/h.h', '');
        const found = await closure(['-Iearly', '-Ilate']);
        scratch.write('early/h.h', '');
        expect(await scanner.unchanged(found)).toBe(false);
        expect(names(await closure(['-Iearly', '-Ilate']))).toContain('early/h.h');
      });

      test('is changed by a touch, an edit and a vanished file, but not by another name for the same file', async () => {
        scratch.write('a.c', '#include "h.h"\n');
        const header = scratch.write('h.h', 'int a;');
        const first = await closure();
        spawnSync('ln', [header, `${header}.linked`]);
        expect(await scanner.unchanged(first)).toBe(true);
        utimesSync(header, 1_000_000, 1_000_000);
        expect(await scanner.unchanged(first)).toBe(false);
        const second = await closure();
        writeFileSync(header, 'int b;');
        expect(await scanner.unchanged(second)).toBe(false);
        const third = await closure();
        rmSync(header);
        expect(await scanner.unchanged(third)).toBe(false);
      });

      test('says which time macros are about', async () => {
        scratch.write('a.c', 'const char *t = __TIME__, *s = __TIMESTAMP__;');
        expect(await closure()).toMatchObject({ dateOrTime: true, timestamp: true });
        scratch.write('a.c', 'const char *s = __TIMESTAMP__;');
        expect(await closure()).toMatchObject({ dateOrTime: false, timestamp: true });
        scratch.write('a.c', 'int x;');
        expect(await closure()).toMatchObject({ dateOrTime: false, timestamp: false });
      });

      test('is refused with its reason where it cannot be known', async () => {
        scratch.write('a.c', '#define H "x.h"\n#if __has_include(H)\n#endif\n');
        const computed = await scan();
        expect(computed.ok ? computed.value.probes : computed.error.reason).toEqual(
          rung === 'exact' ? expect.arrayContaining([{ path: '"x.h', exists: false }]) : 'computed-probe',
        );
        scratch.write('a.c', '#include "missing.h"\n');
        expect(await scan()).toMatchObject({ ok: false, error: { reason: 'scan-failed' } });
        scratch.write('a.c', '#include "h.h"\n');
        scratch.write('h.h', '');
        scratch.write('h.h.gch', '');
        expect(await scan()).toMatchObject({ ok: false, error: { reason: 'precompiled-header' } });
      });
    });
  }
}
