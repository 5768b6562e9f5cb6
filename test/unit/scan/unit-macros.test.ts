import { expect, test } from '@jest/globals';
import type { Directive } from '../../../src/scan/directives.ts';
import type { HeaderName } from '../../../src/scan/header-names.ts';
import { macroOf, type Macro } from '../../../src/scan/macro.ts';
import { nameNumber } from '../../../src/scan/preprocessor-tokens.ts';
import { UnitMacros, type Place } from '../../../src/scan/unit-macros.ts';
import { plainDialect } from '../../support/unit-evaluation.ts';

const directive = (kind: Directive['kind'], operand: string, line = 1): Directive => ({
  ...{ kind, operand, line, next: -1, end: -1 },
});

/** @param predefined operands of `#define` */
function macrosOf(predefined: readonly string[] = [], family: 'gcc' | 'clang' = 'gcc') {
  const macros: (Macro | undefined)[] = [];
  for (const operand of predefined) {
    const macro = macroOf(operand);
    if (macro !== undefined) macros[macro.number] = macro;
  }
  const asked: (HeaderName & { readonly next: boolean })[] = [];
  const place: { -readonly [Name in keyof Place]: Place[Name] } = {
    at: { file: undefined as never, name: 'd/a.h', folder: 'd/', nextFrom: 1, system: false },
    depth: 2,
    lineChanged: false,
    where: ({ line }: Directive) => `d/a.h:${line}`,
    hasInclude: (named: HeaderName, next: boolean) => asked.push({ ...named, next }) > 0,
  };
  const facts = {
    search: { quote: [], angle: [], spelled: { quote: [], angle: [] }, duplicates: [], nonexistent: [], coarse: [] },
    dialect: plainDialect,
    macros,
    preincluded: [],
    operatorNames: false,
    trueIsOne: false,
    defined: new Map(
      ['__LINE__', '__INCLUDE_LEVEL__', '__has_include', '__has_include_next'].map((name) => [name, true]),
    ),
    values: new Map<string, bigint>(),
    core: {},
  };
  return { names: new UnitMacros({ family, facts, fileNamesKnown: true }, place), place, asked };
}

test('a name means what was said of it last, and what it meant when it was saved', () => {
  const { names } = macrosOf(['A 1']);
  const isTwo = directive('if', 'A == 2');
  const number = nameNumber('A');
  expect(names.taken(isTwo)).toBe(false);
  names.save(number);
  names.define(directive('define', 'A 2'));
  expect(names.taken(isTwo)).toBe(true);
  names.undefine(number);
  expect([names.taken(isTwo), names.isKnown(number)]).toEqual([false, false]);
  names.restore(number);
  expect([names.taken(isTwo), names.isKnown(number)]).toEqual([false, true]);
  names.restore(number);
  expect(names.isKnown(number)).toBe(true);
});

test('a name in doubt is not answered for', () => {
  const { names } = macrosOf(['A 1', 'B 1']);
  names.doubt(nameNumber('A'));
  expect(() => names.taken(directive('ifdef', 'A'))).toThrow('_Pragma in a macro');
  expect(names.taken(directive('ifndef', 'B'))).toBe(false);
  expect(names.isKnown(nameNumber('B'))).toBe(false);
});

test('a condition that another unit has asked is answered anew where a name means something else', () => {
  const shared = directive('if', 'A + 1 == 2');
  expect(macrosOf(['A 1']).names.taken(shared)).toBe(true);
  expect(macrosOf(['A 2']).names.taken(shared)).toBe(false);
  expect(macrosOf(['A 1']).names.taken(shared)).toBe(true);
});

test('a condition that the compilers answer differently is not answered for one as it was for the other', () => {
  const shared = directive('if', '47 << -1');
  expect(macrosOf().names.taken(shared)).toBe(true);
  expect(() => macrosOf([], 'clang').names.taken(shared)).toThrow('negative count');
});

test('a condition that depends on its place asks for it each time', () => {
  const { names, place } = macrosOf();
  const level = directive('if', '__INCLUDE_LEVEL__ == 1 && __LINE__ == 7', 7);
  expect(names.taken(level)).toBe(true);
  place.depth = 3;
  expect(names.taken(level)).toBe(false);
  place.lineChanged = true;
  expect(() => names.taken(directive('if', '__LINE__'))).toThrow('d/a.h:1: __LINE__ after #line');
});

test('a __has_include asks the place each time; clang forgets in a macro that it is one of the next', () => {
  for (const family of ['gcc', 'clang'] as const) {
    const { names, asked } = macrosOf(['NEXT __has_include_next("k.h")'], family);
    const written = directive('if', '__has_include(<h.h>) && __has_include_next(<h.h>)');
    expect([names.taken(written), names.taken(written), names.taken(directive('if', 'NEXT'))]).toEqual([
      true,
      true,
      true,
    ]);
    const header = { form: 'angle', name: 'h.h' };
    const twice = [
      { ...header, next: false },
      { ...header, next: true },
    ];
    expect(asked).toEqual([...twice, ...twice, { form: 'quote', name: 'k.h', next: family === 'gcc' }]);
  }
});

test('what only the compiler knows becomes a question', () => {
  const { names } = macrosOf();
  expect(names.taken(directive('ifdef', '__has_something'))).toBe(false);
  expect(names.questions).toEqual([{ kind: 'defined', text: '__has_something' }]);
});
