// The staleness table as text: one line for each case, one column for each way in which the builds followed each other.

import { table } from '../../src/cli/output.ts';
import type { Between, Stale, StalenessCase } from './staleness.ts';

const columns: Readonly<Record<Between, string>> = {
  nothing: 'agent alive',
  settling: 'alive, settled',
  'a restart': 'restarted',
  'settling and a restart': 'settled, restarted',
};

export function stalenessTable(cases: readonly StalenessCase[], found: ReadonlyMap<Between, readonly Stale[]>): string {
  const ways = [...found.keys()];
  const verdict = (one: StalenessCase, between: Between) => {
    const wrong = (found.get(between) ?? []).filter(({ title }) => title === one.title);
    return wrong.length === 0 ? 'same' : `differs in ${[...new Set(wrong.map(({ what }) => what))].join(', ')}`;
  };
  const rows = cases.map((one) => [
    one.title,
    (one.compilers ?? ['gcc', 'clang']).map((path) => path.slice(path.lastIndexOf('/') + 1)).join(' '),
    String(one.edits.length),
    ...ways.map((between) => verdict(one, between)),
  ]);
  return table(['edit', 'compilers', 'edits', ...ways.map((between) => columns[between])], rows);
}
