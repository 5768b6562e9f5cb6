// Sources that are scanned before a tree's own one: what is remembered of them is at hand then. Unaware of scanners.

import { basename } from 'node:path';
import fc from 'fast-check';
import { form, headerMacros, pick, switchMacros, valueMacros } from './include-expressions.ts';
import type { IncludeTree } from './include-tree.ts';

export const rehearsedMacros = [...valueMacros, ...switchMacros, ...headerMacros] as const;

type Line =
  | { readonly kind: 'macro'; readonly text: string }
  /** `surely`: also where no such header is found, which ends a rehearsal */
  | { readonly kind: 'include'; readonly form: '"' | '<'; readonly pick: number; readonly surely: boolean };

export interface Rehearsal {
  readonly lines: readonly Line[];
  /** how often the tree's own source is included behind them */
  readonly own: number;
}

const macroLine = fc
  .tuple(
    fc.constantFrom(...rehearsedMacros),
    fc.constantFrom('#undef @', '#define @', '#define @ 0', '#define @ 1', '#define @ 2'),
  )
  .map(([name, text]): Line => ({ kind: 'macro', text: text.replace('@', name) }));
const includeLine: fc.Arbitrary<Line> = fc.record({
  kind: fc.constant('include'),
  form,
  pick,
  surely: fc.constantFrom(true, false, false, false, false, false),
});

const rehearsal: fc.Arbitrary<Rehearsal> = fc.record({
  lines: fc.array(fc.oneof(macroLine, includeLine), { maxLength: 8 }),
  own: fc.constantFrom(0, 1, 1, 1, 2),
});

export const rehearsals: fc.Arbitrary<Rehearsal[]> = fc.array(rehearsal, { minLength: 3, maxLength: 6 });

/** The same ones for the same seed. */
export function sampledRehearsals(seed: number): readonly Rehearsal[] {
  return fc.sample(fc.noBias(rehearsals), { seed, numRuns: 1 })[0] ?? [];
}

/** The text of a source that stands beside the tree's own one. */
export function rehearsalText({ lines, own: times }: Rehearsal, { files, argv }: IncludeTree): string {
  const own = basename(argv.at(-1) ?? '');
  const headers = [...new Set(files.map(({ path }) => basename(path)))].filter((name) => name !== own);
  const text = lines.flatMap((line) => {
    if (line.kind === 'macro') return [line.text];
    const name = headers[line.pick % headers.length];
    if (name === undefined) return [];
    const spelled = line.form === '"' ? `"${name}"` : `<${name}>`;
    return line.surely ? [`#include ${spelled}`] : [`#if __has_include(${spelled})`, `#include ${spelled}`, '#endif'];
  });
  return [...text, ...Array.from({ length: times }, () => `#include "${own}"`), ''].join('\n');
}
