// docs/errors.md explains every reason of src/model/failure.ts and of the scanner, and no other.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { unclearReasons } from '../../../src/scan/evaluation.ts';
import { clusterReasons, commandReasons, inputReasons, remoteFailureReasons } from '../../../src/model/failure.ts';

interface Row {
  readonly reason: string;
  readonly meaning: string;
  readonly remedy: string;
}

/** The rows of the table below each heading of the document. */
function readSections(): Map<string, Row[]> {
  const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const sections = new Map<string, Row[]>();
  let rows: Row[] = [];
  for (const line of text.split('\n')) {
    const heading = /^## (.*)$/.exec(line)?.[1];
    if (heading !== undefined) sections.set(heading, (rows = []));
    const row = /^\| `([^`]+)`\s*\| (.*?)\s*\| (.*?)\s*\|$/.exec(line);
    if (row !== null) rows.push({ reason: row[1] ?? '', meaning: row[2] ?? '', remedy: row[3] ?? '' });
  }
  return sections;
}

describe('docs/errors.md', () => {
  test.each([
    ['From the command line', commandReasons],
    ['While gathering inputs', inputReasons],
    ['Why the scanner gave up', unclearReasons],
    ['From the cluster', clusterReasons],
    ['Between machines', remoteFailureReasons],
  ] as const)('lists under "%s" exactly the reasons of the code, in their order', (heading, reasons) => {
    const rows = readSections().get(heading) ?? [];
    expect(rows.map((row) => row.reason)).toEqual([...reasons]);
    for (const row of rows) {
      expect(row.meaning).toMatch(/\.$/);
      expect(row.remedy).toMatch(/\.$/);
    }
  });

  test('has no two local reasons of one name', () => {
    const all = [...commandReasons, ...inputReasons, ...clusterReasons];
    expect(new Set(all).size).toBe(all.length);
  });
});
