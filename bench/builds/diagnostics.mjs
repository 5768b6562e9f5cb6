// What a user sees of a compile that goes wrong or warns: cases for the case runner. The output goes through a pipe and to
// terminals of several widths.

import { join } from 'node:path';
import { tmpdir } from 'node:os';

/** @typedef {import('./case-runner.mjs').IdentityCase} IdentityCase */

const files = {
  'error.cc':
    '#include <string>\nint f() { std::string s = 4; return s.nothing("a long line that has to be cut or wrapped when the terminal is not wide enough for it, as this one is not"); }\n',
  'warning.c': 'int f(int x) { int unused; if (x = 1) return 2; }\n',
  'hash-error.c': '#warning first this\n#error then this\nint x;\n',
  'missing.c': '#include <stdio.h>\n#include "not/there.h"\nint x;\n',
  'bytes.c': 'int x = "\u00fc\u4e2d"; // \u00e4\nint y = $;\n',
  'assembler.c': 'void f(void) { __asm__("no such instruction"); }\n',
};

/** So deep that the parser runs out of stack. */
const deep = `int x = ${'('.repeat(200_000)}1${')'.repeat(200_000)};\n`;

/**
 * @param {{ quick: boolean }} options
 * @returns {IdentityCase[]}
 */
export function diagnosticCases({ quick }) {
  const root = join(tmpdir(), `icets-diagnostics-${process.pid}`);
  const chosen = [
    { name: 'gcc', cc: 'gcc', cxx: 'g++', crash: [] },
    { name: 'clang', cc: 'clang', cxx: 'clang++', crash: ['-fbracket-depth=10000000', '-fno-crash-diagnostics'] },
  ].slice(0, quick ? 1 : 2);
  return chosen.flatMap(({ name, cc, cxx, crash }) => {
    const flags = ['-Wall', '-Wextra', '-MMD', '-c'];
    const error = [cxx, ...flags, 'error.cc', '-o', 'error.o'];
    const warning = [cc, ...flags, 'warning.c', '-o', 'warning.o'];
    const hashError = [cc, ...flags, 'hash-error.c', '-o', 'hash-error.o'];
    const missing = [cc, ...flags, 'missing.c', '-o', 'missing.o'];
    const xterm = { TERM: 'xterm-256color' };
    const wide = { columns: 132, rows: 40 };
    const narrow = { columns: 61, rows: 20 };
    /** @type {IdentityCase[]} */
    const cases = [
      { name: `compile error, ${name}`, root, files, failing: 1, steps: [{ argv: error }] },
      {
        name: `warnings, ${name}`,
        root,
        files,
        failing: 1,
        steps: [{ argv: warning }, { argv: [...warning, '-Werror'] }],
      },
      { name: `#error and #warning, ${name}`, root, files, failing: 1, steps: [{ argv: hashError }] },
      {
        name: `missing header, ${name}`,
        root,
        files,
        failing: 2,
        steps: [{ argv: missing }, { argv: [cc, '-c', 'no.c'] }],
      },
      {
        name: `errors in other bytes and from the assembler, ${name}`,
        root,
        files,
        failing: 2,
        steps: ['bytes.c', 'assembler.c'].map((file) => ({ argv: [cc, ...flags, file, '-o', 'x.o'] })),
      },
      {
        name: `crash of the compiler, ${name}`,
        root,
        files: { 'deep.c': deep },
        failing: 1,
        steps: [{ argv: [cc, ...crash, '-MMD', '-c', 'deep.c', '-o', 'deep.o'] }],
      },
      {
        name: `colours to a terminal, ${name}`,
        root,
        files,
        failing: 4,
        steps: [
          { argv: error, terminal: wide, env: xterm },
          { argv: error, terminal: narrow, env: xterm },
          { argv: warning, terminal: wide, env: xterm },
          { argv: hashError, terminal: wide, env: { TERM: 'dumb' } },
          { argv: [...missing, '-fdiagnostics-color=never'], terminal: wide, env: xterm },
        ],
      },
      {
        name: `colours asked for, ${name}`,
        root,
        files,
        failing: 2,
        steps: [
          { argv: [...error, '-fdiagnostics-color=always'] },
          { argv: [...warning, '-fdiagnostics-color'], env: { GCC_COLORS: 'warning=01;34', ...xterm } },
          { argv: missing, env: { ...xterm, COLUMNS: '50' } },
        ],
      },
    ];
    return cases;
  });
}
