import { expect, test } from '@jest/globals';
import { companion, defaultOutput, hasStem, isDevicePath } from '../../../src/compiler/outputs.ts';

test.each([
  ['a/b.c', 'b.o'],
  ['b.x.c', 'b.x.o'],
  ['dir.d/noext', 'noext.o'],
  ['.hidden.c', '.hidden.o'],
])('%s compiles to %s by default', (source, output) => {
  expect(defaultOutput(source, '.o')).toBe(output);
});

test.each([
  ['x/a.o', 'x/a.dwo'],
  ['x/a.cpp.o', 'x/a.cpp.dwo'],
  ['out.d/x', 'out.d/x.dwo'],
])('the companion of %s is %s', (output, expected) => {
  expect(companion(output, '.dwo')).toBe(expected);
});

test('names that are nothing but a suffix, and devices, are recognised', () => {
  expect([hasStem('a.o'), hasStem('a'), hasStem('x/.o'), hasStem('.a.o')]).toEqual([true, true, false, true]);
  expect([isDevicePath('/dev/null'), isDevicePath('//proc/1/x'), isDevicePath('dev/x')]).toEqual([true, true, false]);
});
