import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileEffects } from '../../../src/scan/file-effect.ts';
import type { Evaluation } from '../../../src/scan/preprocessor.ts';
import { evaluator } from '../../support/unit-evaluation.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'icets-effect-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Answers of units of one project, in order: once with the effects of those before at hand, once without. */
function both(files: Readonly<Record<string, string>>, sources: readonly string[], macros: readonly string[][] = []) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const kept = new FileEffects();
  const shared = evaluator({ cwd: folder, angle: ['inc'], effects: kept });
  const fresh = () => evaluator({ cwd: folder, angle: ['inc'], effects: new FileEffects() });
  return sources.map((source, at) => {
    const unit = { source, macros: macros[at] ?? [] };
    return { replayed: told(shared(unit)), evaluated: told(fresh()(unit)) };
  });
}

function told(evaluation: Evaluation | string) {
  if (typeof evaluation === 'string') return evaluation;
  return {
    dependencies: evaluation.dependencies,
    files: evaluation.files.map(({ path }) => path),
    probes: evaluation.probes,
    folders: [...evaluation.trail.folders].map(({ folder: { path } }) => path).sort(),
  };
}

function expectTheSame(answers: ReturnType<typeof both>): void {
  for (const { replayed, evaluated } of answers) expect(replayed).toEqual(evaluated);
}

describe('what a file did when it was read before', () => {
  it('is done again with all files that it includes, in their order', () => {
    const answers = both(
      {
        'inc/a.h': '#ifndef A_H\n#define A_H\n#include "b.h"\n#include "c.h"\n#define LAST c\n#endif\n',
        'inc/b.h': '#define B 1\n',
        'inc/c.h': '#if B\n#include "d.h"\n#endif\n',
        'inc/d.h': '',
        'one.c': '#include <a.h>\n',
        'two.c': '#include <a.h>\n#ifdef LAST\n#include <b.h>\n#endif\n',
      },
      ['one.c', 'two.c', 'one.c'],
    );
    expectTheSame(answers);
    expect(answers[1]?.replayed).toMatchObject({
      dependencies: ['two.c', 'inc/a.h', 'inc/b.h', 'inc/c.h', 'inc/d.h'],
    });
  });

  it('is not done again where a name that it asks for means something else', () => {
    const answers = both(
      {
        'inc/a.h': '#if VALUE > 1\n#include "b.h"\n#else\n#include "c.h"\n#endif\n',
        'inc/b.h': '',
        'inc/c.h': '',
        'one.c': '#include <a.h>\n',
      },
      ['one.c', 'one.c', 'one.c'],
      [['-DVALUE=1'], ['-DVALUE=2'], ['-DVALUE=1']],
    );
    expectTheSame(answers);
    expect(answers[1]?.replayed).toMatchObject({ dependencies: ['one.c', 'inc/a.h', 'inc/b.h'] });
  });

  it('does not depend on a name that the file has given its meaning itself', () => {
    const effects = new FileEffects();
    writeFileSync(join(folder, 'a.h'), '#define OWN 1\n#if OWN\n#include "b.h"\n#endif\n#undef OWN\n#define NEXT\n');
    writeFileSync(join(folder, 'b.h'), '#define FROM_B OWN\n');
    writeFileSync(join(folder, 'one.c'), '#include "a.h"\n');
    const evaluate = evaluator({ cwd: folder, effects });
    evaluate({ source: 'one.c' });
    const before = effects.kept;
    const again = evaluate({ source: 'one.c', macros: ['-DOWN=0'] });
    expect(typeof again === 'string' ? again : again.dependencies).toEqual(['one.c', 'a.h', 'b.h']);
    expect(effects.kept).toBe(before);
  });

  it('notices a file that was found before to have gone to another directory', () => {
    const effects = new FileEffects();
    mkdirSync(join(folder, 'first'));
    mkdirSync(join(folder, 'second'));
    writeFileSync(join(folder, 'second/a.h'), '#include <b.h>\n#define A\n#define A2\n#define A3\n');
    writeFileSync(join(folder, 'second/b.h'), '');
    writeFileSync(join(folder, 'one.c'), '#include <a.h>\n');
    const evaluate = evaluator({ cwd: folder, angle: ['first', 'second'], effects });
    expect(told(evaluate({ source: 'one.c' }))).toMatchObject({
      dependencies: ['one.c', 'second/a.h', 'second/b.h'],
    });
    writeFileSync(join(folder, 'first/b.h'), '');
    expect(told(evaluate({ source: 'one.c' }))).toMatchObject({ dependencies: ['one.c', 'second/a.h', 'first/b.h'] });
  });

  it('knows what #pragma once had passed over', () => {
    const answers = both(
      {
        'inc/a.h': '#define A1\n#define A2\n#include "once.h"\n#ifdef FROM_ONCE\n#include "b.h"\n#endif\n',
        'inc/once.h': '#pragma once\n#define FROM_ONCE\n',
        'inc/b.h': '',
        'one.c': '#include <a.h>\n',
        'two.c': '#include <once.h>\n#undef FROM_ONCE\n#include <a.h>\n',
        'three.c': '#include <a.h>\n#undef FROM_ONCE\n#include <a.h>\n',
      },
      ['one.c', 'two.c', 'three.c', 'one.c', 'two.c'],
    );
    expectTheSame(answers);
    expect(answers[1]?.replayed).toMatchObject({ dependencies: ['two.c', 'inc/once.h', 'inc/a.h'] });
  });

  it('keeps the answers of __has_include, found and not found', () => {
    const answers = both(
      {
        'inc/a.h':
          '#if __has_include(<b.h>) && !__has_include("none.h")\n#include "c.h"\n#endif\n#define A\n#define A2\n',
        'inc/b.h': '',
        'inc/c.h': '',
        'one.c': '#include <a.h>\n',
        'two.c': '#include <b.h>\n#include <a.h>\n',
      },
      ['one.c', 'two.c', 'one.c'],
    );
    expectTheSame(answers);
  });

  it('is evaluated where it takes meanings from a stack or counts its depth', () => {
    const answers = both(
      {
        'inc/a.h': '#define A1\n#define A2\n#define A3\n#define A4\n#pragma pop_macro("X")\n',
        'inc/deep.h': '#define D1\n#define D2\n#if __INCLUDE_LEVEL__ > 1\n#include "b.h"\n#endif\n',
        'inc/over.h': '#include <deep.h>\n#define O1\n',
        'inc/b.h': '',
        'one.c':
          '#define X 1\n#pragma push_macro("X")\n#undef X\n#include <a.h>\n#include <deep.h>\n#if X\n#include <b.h>\n#endif\n',
        'two.c': '#define X 0\n#pragma push_macro("X")\n#undef X\n#include <a.h>\n#if !X\n#include <over.h>\n#endif\n',
      },
      ['one.c', 'two.c', 'one.c'],
    );
    expectTheSame(answers);
    expect(answers[1]?.replayed).toMatchObject({
      dependencies: ['two.c', 'inc/a.h', 'inc/over.h', 'inc/deep.h', 'inc/b.h'],
    });
  });

  it('is forgotten when there is too much of it', () => {
    const effects = new FileEffects(60);
    mkdirSync(join(folder, 'inc'));
    const names = Array.from({ length: 20 }, (_, at) => `h${at}.h`);
    for (const name of names)
      writeFileSync(join(folder, 'inc', name), '#define A\n#define B\n#define C\n#define D\n#define E\n');
    writeFileSync(join(folder, 'one.c'), names.map((name) => `#include <${name}>\n`).join(''));
    evaluator({ cwd: folder, angle: ['inc'], effects })({ source: 'one.c' });
    expect(effects.kept).toBeLessThan(5);
  });
});
