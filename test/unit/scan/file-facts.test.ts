import { describe, expect, test } from '@jest/globals';
import { fileFacts, joinFacts, noFacts } from '../../../src/scan/file-facts.ts';

const facts = (text: string) => fileFacts(Buffer.from(text));

describe('fileFacts', () => {
  test('finds nothing in ordinary text and says so with one shared value', () => {
    expect(facts('#include <vector>\nint embedded, include_has;\n')).toBe(noFacts);
    expect(facts('int my__TIME, has__has_;')).toBe(noFacts);
  });

  test('tells the three time macros apart', () => {
    expect(facts('char d[] = __DATE__;').dateOrTime).toBe(true);
    expect(facts('char d[] = __TIME__;').dateOrTime).toBe(true);
    expect(facts('char d[] = __TIMESTAMP__;')).toMatchObject({ dateOrTime: false, timestamp: true });
  });

  test('lists literal operands of the __has_ operators once, with their kind', () => {
    const found = facts(
      '#if __has_include(<a.h>) && __has_include ( "b/b.h" )\n#elif __has_include_next(<a.h>)\n#elif __has_embed("c.bin")\n#endif\n#if __has_include(<a.h>)\n#endif\n',
    );
    expect(found.computedProbe).toBe(false);
    expect(found.probes).toEqual([
      { kind: 'include', operand: '<a.h>' },
      { kind: 'include', operand: '"b/b.h"' },
      { kind: 'include-next', operand: '<a.h>' },
      { kind: 'embed', operand: '"c.bin"' },
    ]);
  });

  test('flags an operand that a macro makes, but not a mere test whether the operator exists', () => {
    expect(facts('#if __has_include(CONFIG)').computedProbe).toBe(true);
    expect(facts('#define HAS(x) __has_include(x)').computedProbe).toBe(true);
    expect(facts('#if __has_include \\\n (<a.h>)').computedProbe).toBe(true);
    expect(facts('#if defined(__has_include) && defined __has_embed').computedProbe).toBe(false);
    expect(facts('// like __has_include(x)').computedProbe).toBe(false);
    expect(facts(' * like __has_include(x)').computedProbe).toBe(false);
  });

  test('flags a quoted operand in a macro: it is looked for beside the file that uses the macro', () => {
    expect(facts('#define HAS_A __has_include("a.h")').computedProbe).toBe(true);
    expect(facts('#define HAS_A \\\n  __has_include("a.h")').computedProbe).toBe(true);
    expect(facts('#define HAS_A __has_include(<a.h>)').computedProbe).toBe(false);
    expect(facts('#define A\n#if __has_include("a.h")').computedProbe).toBe(false);
  });

  test('takes the operand of a macro that wraps __has_include for a probe', () => {
    expect(facts('#if QT_HAS_INCLUDE(<vulkan.h>)').probes).toEqual([{ kind: 'include', operand: '<vulkan.h>' }]);
    expect(facts('#define MY_INCLUDE 1')).toBe(noFacts);
  });

  test('counts a pragma that compares the times of files among the time macros', () => {
    expect(facts('#pragma GCC dependency "parse.y"').timestamp).toBe(true);
    expect(facts('// a dependency of GCC')).toBe(noFacts);
  });

  test("flags an assembler's .include, and nothing that only looks like one", () => {
    expect(facts('.include "macros.inc"').computedIncbin).toBe(true);
    expect(facts('asm(".include \\"macros.inc\\"");').computedIncbin).toBe(true);
    expect(facts('list.include("x"); a.included = 1;').computedIncbin).toBe(false);
  });

  test('reads .incbin in assembler and in C strings', () => {
    expect(facts('.incbin "data/a.bin", 4').incbins).toEqual(['data/a.bin']);
    expect(facts('asm(".incbin \\"b.bin\\"\\n");').incbins).toEqual(['b.bin']);
    expect(facts('asm(".incbin \\"" PATH "\\"");').computedIncbin).toBe(true);
    expect(facts('.incbin CONFIG_KEYS').computedIncbin).toBe(true);
  });

  test('reads #embed', () => {
    expect(facts('  #  embed "x.bin" limit(3)\n%:embed <y>').embeds).toEqual(['"x.bin"', '<y>']);
    expect(facts('#embed FILE').computedEmbed).toBe(true);
  });

  test('keeps names that are not ASCII', () => {
    expect(facts('#if __has_include("größe.h")').probes[0]?.operand).toBe('"größe.h"');
  });

  test('joins facts of two parts without repeating them', () => {
    const both = joinFacts(facts('.incbin "a"'), facts('.incbin "a"\n.incbin "b" __DATE__'));
    expect(both).toMatchObject({ incbins: ['a', 'b'], dateOrTime: true });
  });
});
