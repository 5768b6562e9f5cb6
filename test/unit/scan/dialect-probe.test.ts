import { describe, expect, test } from '@jest/globals';
import { computedNames, dialectProbe, readAnswers, type Question } from '../../../src/scan/dialect-probe.ts';

const defined: Question = { kind: 'defined', text: '__has_whatever' };
const value: Question = { kind: 'value', text: '__has_attribute(noreturn)' };
const printed = (...names: string[]) => names.map((name) => `#define ICETS_PROBE_${name} 1\n`).join('');

describe('the probe', () => {
  test('asks for every computed name and for each question in a form that no name can disturb', () => {
    const text = dialectProbe([defined, value]);
    for (const name of computedNames) expect(text).toContain(`#ifdef ${name}\n`);
    expect(text).toContain('#ifdef __has_whatever\n#define ICETS_PROBE_Q0 1\n#endif\n');
    expect(text).toContain('#if (__has_attribute(noreturn)) & 1\n#define ICETS_PROBE_Q1_0 1\n#endif\n');
  });

  test('is the same text for the same questions, so that it can be kept', () => {
    expect(dialectProbe([value])).toBe(dialectProbe([{ ...value }]));
    expect(dialectProbe([value])).not.toBe(dialectProbe([defined]));
  });
});

describe('its answers', () => {
  test('tell the dialect', () => {
    expect(readAnswers('', []).dialect).toEqual({
      trigraphs: false,
      digraphs: false,
      lineComments: false,
      rawStrings: false,
      digitSeparators: true,
      elifdef: false,
    });
    const all = printed('TRIGRAPHS', 'DIGRAPHS', 'LINE_COMMENTS', 'RAW_STRINGS', 'ELIFDEF', 'NO_SEPARATORS');
    expect(readAnswers(all, []).dialect).toEqual({
      trigraphs: true,
      digraphs: true,
      lineComments: true,
      rawStrings: true,
      digitSeparators: false,
      elifdef: true,
    });
  });

  test('put values together bit by bit, and take silence for zero', () => {
    const { answers } = readAnswers(printed('Q1_0', 'Q1_2', 'Q1_17'), [defined, value]);
    expect(answers.values.get(value.text)).toBe(0x20005n);
    expect(answers.defined.get(defined.text)).toBe(false);
    expect(readAnswers(printed('Q0'), [defined, value]).answers.defined.get(defined.text)).toBe(true);
    expect(readAnswers('', [value]).answers.values.get(value.text)).toBe(0n);
  });

  test('leave the predefined macros as the operands of their definitions', () => {
    const text = `#define __GNUC__ 12\n${printed('ON')}icets: probe.txt\n#define __INT64_C(c) c ## L\n`;
    expect(readAnswers(text, []).definitions).toEqual(['__GNUC__ 12', '__INT64_C(c) c ## L']);
  });

  test('know each computed name by its place', () => {
    const names = [...computedNames];
    const { answers } = readAnswers(printed(`N${names.indexOf('__COUNTER__')}`), []);
    expect(names.filter((name) => answers.defined.get(name) === true)).toEqual(['__COUNTER__']);
  });
});
