import { describe, expect, test } from '@jest/globals';
import { hasCompressedSections, moveBack, namesTrueDirectory } from '../../../src/agent/moved-result.ts';
import type { OutputRole } from '../../../src/compiler/parsed-compile.ts';
import { canonicalPlace, PathMove } from '../../../src/model/path-move.ts';

const move = new PathMove('/w/one', canonicalPlace);

function back(files: Record<string, [OutputRole | undefined, string]>, stderr = '', terminal = false) {
  const received = {
    files: new Map(Object.entries(files).map(([path, [, text]]) => [path, Buffer.from(text, 'latin1')])),
    stdout: Buffer.alloc(0),
    stderr: Buffer.from(stderr),
  };
  const roles = new Map<string, OutputRole>();
  for (const [path, [role]] of Object.entries(files)) if (role !== undefined) roles.set(path, role);
  const moved = moveBack({ received, roles, family: 'gcc', terminal, move });
  if (!moved.ok) return moved.error.reason;
  const texts = Array.from(moved.value.files, ([path, bytes]) => [path, Buffer.from(bytes).toString('latin1')]);
  return {
    files: Object.fromEntries(texts) as Record<string, string>,
    stderr: Buffer.from(moved.value.stderr).toString(),
  };
}

describe('moveBack', () => {
  test('gives dependency lists and messages their true names and leaves an object alone', () => {
    const files = {
      'a.o': ['object', '\0\xff./a.c'],
      'a.d': ['depfile', `a.o: ${canonicalPlace}/a.c /usr/include/x.h\n`],
    } satisfies Parameters<typeof back>[0];
    expect(back(files, `${canonicalPlace}/a.c:1: warning: ü\nfrom ${canonicalPlace}/b.h\n`)).toEqual({
      files: { 'a.o': '\0\xff./a.c', 'a.d': 'a.o: /w/one/a.c /usr/include/x.h\n' },
      stderr: '/w/one/a.c:1: warning: ü\nfrom /w/one/b.h\n',
    });
  });

  test.each([
    ['the canonical place', `x${canonicalPlace}/a.c`, 'place-in-output'],
    ['an identifier made of it', `_${canonicalPlace.slice(1)}_a_c`, 'place-in-output'],
    ['the true directory', 'x\0/w/one/a.y', 'directory-in-output'],
  ])('refuses an object with %s in it', (_, text, reason) => {
    expect(back({ 'a.o': ['object', text] })).toBe(reason);
    expect(back({ 'a.s': ['assembly', text] })).toBe(reason);
  });

  test('refuses a dependency list that it does not understand, and one with a name that it cannot move', () => {
    expect(back({ 'a.d': ['depfile', 'a.o:  a.c\n'] })).toBe('dependency-list');
    expect(back({ 'a.d': ['depfile', `a.o: x=${canonicalPlace}/a.c\n`] })).toBe('dependency-list');
  });

  test('refuses messages with names on a terminal, where they may be cut to its width', () => {
    expect(back({}, `${canonicalPlace}/a.c:1: warning\n`, true)).toBe('terminal-message');
    expect(back({}, 'a.c:1: warning\n', true)).toEqual({ files: {}, stderr: 'a.c:1: warning\n' });
  });
});

describe('namesTrueDirectory', () => {
  test('tells a failure over a name in a source from others', () => {
    const printed = (stderr: string) => ({ files: new Map(), stdout: Buffer.alloc(0), stderr: Buffer.from(stderr) });
    expect(namesTrueDirectory(printed('a.c:1: fatal error: /w/one/b.h: No such file'), move)).toBe(true);
    expect(namesTrueDirectory(printed(`${canonicalPlace}/a.c:1: error: expected ;`), move)).toBe(false);
  });
});

/** An ELF header and two section headers, the second with these flags. */
function elf(wide: boolean, little: boolean, flags: number, listed = 2): Buffer {
  const entryBytes = wide ? 64 : 40;
  const table = 64;
  const bytes = Buffer.alloc(table + 2 * entryBytes);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes[4] = wide ? 2 : 1;
  bytes[5] = little ? 1 : 2;
  const put16 = (value: number, at: number) =>
    little ? bytes.writeUInt16LE(value, at) : bytes.writeUInt16BE(value, at);
  const put = (value: number, at: number) => {
    const low = wide && !little ? at + 4 : at;
    if (little) bytes.writeUInt32LE(value, low);
    else bytes.writeUInt32BE(value, low);
  };
  put(table, wide ? 0x28 : 0x20);
  put16(entryBytes, wide ? 0x3a : 0x2e);
  put16(listed, wide ? 0x3c : 0x30);
  if (listed === 0) put(2, table + (wide ? 0x20 : 0x14));
  put(flags, table + entryBytes + 8);
  return bytes;
}

describe('hasCompressedSections', () => {
  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])('reads section headers, 64 bits: %s, little endian: %s', (wide, little) => {
    expect(hasCompressedSections(elf(wide, little, 0x800))).toBe(true);
    expect(hasCompressedSections(elf(wide, little, 0x30))).toBe(false);
    expect(hasCompressedSections(elf(wide, little, 0x800, 0))).toBe(true);
  });

  test('is careful with tables that it cannot read', () => {
    expect(hasCompressedSections(elf(true, true, 0).subarray(0, 150))).toBe(true);
    expect(hasCompressedSections(elf(true, true, 0).subarray(0, 100))).toBe(true);
    expect(hasCompressedSections(Buffer.from('no object'))).toBe(false);
  });
});
