import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/model/digest.ts';
import { DirectiveCache } from '../../../src/scan/directive-cache.ts';
import { lexDirectives } from '../../../src/scan/directive-lexer.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';
import { plainDialect } from '../../support/unit-evaluation.ts';

let scratch: ScratchFolder;
beforeEach(() => {
  scratch = scratchFolder('directives');
});
afterEach(() => scratch.remove());

const text = '#pragma once\n#if A /* \xc3\xa4 */\n#include "\xc3\xa4.h"\n#elif B\n#else\n#endif\n';
const hashOf = (content: string) => digestOf(Buffer.from(content, 'latin1')).hash;
const ask = (cache: DirectiveCache, content: string, dialect = plainDialect) =>
  cache.of(hashOf(content), dialect, () => Buffer.from(content, 'latin1'));
const never = () => {
  throw new Error('read again');
};

describe('directive records', () => {
  test('are made once for each content and dialect', () => {
    const cache = new DirectiveCache();
    const first = ask(cache, text);
    expect(first).toEqual(lexDirectives(text, plainDialect));
    expect(cache.of(hashOf(text), plainDialect, never)).toBe(first);
    expect(ask(cache, text, { ...plainDialect, trigraphs: true })).not.toBe(first);
    expect(cache.lexed).toBe(2);
  });

  test('come back as they were after a restart, malformed ones too', () => {
    const before = new DirectiveCache({ folder: scratch.path });
    const kept = [ask(before, text), ask(before, '#endif\n'), ask(before, '')];
    before.flush();
    const after = new DirectiveCache({ folder: scratch.path });
    const again = [text, '#endif\n', ''].map((content) => after.of(hashOf(content), plainDialect, never));
    expect(again).toEqual(kept);
    expect(after.lexed).toBe(0);
  });

  test('of another dialect are not mistaken for those that are kept', () => {
    const before = new DirectiveCache({ folder: scratch.path });
    ask(before, 'R"(\n#if 1\n)"\n');
    before.flush();
    const after = new DirectiveCache({ folder: scratch.path });
    const found = ask(after, 'R"(\n#if 1\n)"\n', { ...plainDialect, rawStrings: false });
    expect([found.list.length, after.lexed]).toEqual([1, 1]);
  });

  test('that are damaged on disk are made anew', () => {
    const file = `${scratch.path}/directives`;
    const before = new DirectiveCache({ folder: scratch.path });
    ask(before, text);
    before.flush();
    const bytes = readFileSync(file);
    bytes.write('#', bytes.length - 8, 'latin1');
    writeFileSync(file, bytes);
    const after = new DirectiveCache({ folder: scratch.path });
    expect(ask(after, text)).toEqual(lexDirectives(text, plainDialect));
    expect(after.lexed).toBe(1);
  });

  test.each<[string, (file: string) => void]>([
    ['a torn end', (file) => truncateSync(file, statSync(file).size - 3)],
    ['an end that is no record', (file) => appendFileSync(file, 'x')],
    ['another version', (file) => writeFileSync(file, `icets directives 0\n${readFileSync(file, 'latin1')}`)],
  ])('after %s are written again, so that later ones are found', (_, damage) => {
    const file = `${scratch.path}/directives`;
    const before = new DirectiveCache({ folder: scratch.path });
    ask(before, text);
    before.flush();
    damage(file);
    const second = new DirectiveCache({ folder: scratch.path });
    ask(second, '#define LATER\n');
    second.flush();
    const third = new DirectiveCache({ folder: scratch.path });
    expect(third.of(hashOf('#define LATER\n'), plainDialect, never).list).toHaveLength(1);
  });

  test('never take more room on disk than twice the limit and a little', () => {
    const limitBytes = 20_000;
    const cache = new DirectiveCache({ folder: scratch.path, limitBytes });
    for (let n = 0; n < 600; n += 1) {
      ask(cache, `#define NUMBER_${n} ${'x'.repeat(100)}\n`);
      if (n % 10 === 0) cache.flush();
    }
    cache.flush();
    const sizes = ['directives', 'directives.old'].map((name) => statSync(`${scratch.path}/${name}`).size);
    for (const size of sizes) expect(size).toBeLessThan(1.2 * limitBytes);
    const after = new DirectiveCache({ folder: scratch.path });
    ask(after, `#define NUMBER_599 ${'x'.repeat(100)}\n`);
    expect(after.lexed).toBe(0);
    ask(after, `#define NUMBER_0 ${'x'.repeat(100)}\n`);
    expect(after.lexed).toBe(1);
  });

  test('in memory are all forgotten when they are too many', () => {
    const cache = new DirectiveCache({ memoryLimit: 10 });
    for (let n = 0; n < 25; n += 1) ask(cache, `#define N ${n}\n`);
    expect(cache.size).toBeLessThanOrEqual(10);
  });
});
