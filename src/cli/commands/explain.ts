// `icets explain OBJECT`: where an output was made, why there, from what, how long, and how to make it again.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { StepPlace, StepRecord } from '../../model/step.ts';
import { complain, msText, bytesText, say } from '../output.ts';
import { findLastRecord } from '../records.ts';
import type { Settings } from '../settings.ts';

export function addExplain(program: Command, settings: Settings): void {
  program
    .command('explain')
    .description('tell where an object was made, why there, from what, and how to reproduce it')
    .argument('<object>', 'an output of a step, such as build/a.o')
    .option('--json', 'the whole record as JSON')
    .action(async (object: string, options: { json?: boolean }) => {
      const output = resolve(object);
      const record = await findLastRecord(settings, output);
      if (record === undefined) {
        complain(`no record of ${output}; was it made by a build through icets?`);
        return;
      }
      say(options.json === true ? JSON.stringify(record, null, 2) : describe(record));
    });
}

function describe(record: StepRecord): string {
  const lines = [
    `${record.output ?? record.label}: ${record.kind} of ${record.label}`,
    `  where      ${describePlace(record.place)}`,
    `  when       ${new Date(record.startMs).toISOString()}, ${msText(record.endMs - record.startMs)}`,
    `  end        ${describeEnd(record)}`,
    `  resources  user ${msText(record.userMs)}, system ${msText(record.systemMs)}, peak ${bytesText(record.maxRssBytes)}`,
  ];
  if (record.rung !== undefined) {
    lines.push(
      `  inputs     ${record.inputs ?? 0} files, ${bytesText(record.inputBytes ?? 0)}, found by the rung "${record.rung}"; ${bytesText(record.uploadedBytes ?? 0)} sent`,
    );
  }
  if (record.whyNotExact !== undefined) lines.push(`  by -M      ${record.whyNotExact}`);
  if (record.base !== undefined) {
    lines.push(
      `  base       ${record.base === 'moved' ? 'as in every checkout' : `not shared with other checkouts: ${record.base}`}`,
    );
  }
  const phases = Object.entries(record.phases).map(
    ([name, ms]) => `${name.replace(/Ms$/, '')} ${msText(ms as number)}`,
  );
  if (phases.length > 0) lines.push(`  phases     ${phases.join(', ')}`);
  if (record.action !== undefined) lines.push(`  action     ${record.action}`);
  lines.push(`  step       ${record.id} of build ${record.build}`);
  lines.push(`  again      cd ${shellQuote(record.cwd)} && ${record.argv.map(shellQuote).join(' ')}`);
  return lines.join('\n');
}

function describePlace(place: StepPlace): string {
  switch (place.kind) {
    case 'remote':
      return `on ${place.worker}${place.attempts > 1 ? ` (attempt ${place.attempts})` : ''}`;
    case 'cache':
      return `from the cache (made on ${place.worker})`;
    case 'local':
      return `here: ${place.reason}${place.detail === '' ? '' : ` (${place.detail})`}`;
  }
}

function describeEnd(record: StepRecord): string {
  switch (record.end.kind) {
    case 'exited':
      return `exit status ${record.end.code}`;
    case 'signalled':
      return `signal ${record.end.signal}`;
    case 'cancelled':
      return 'cancelled';
    case 'unknown':
      return 'not known: it ran without the agent';
  }
}

function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
