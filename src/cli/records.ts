// Finds step records for commands; asks the agent to write out what it still holds first.

import { join } from 'node:path';
import type { StepRecord } from '../model/step.ts';
import { StepReader } from '../steps/step-reader.ts';
import { flushAgent } from './control-client.ts';
import type { Settings } from './settings.ts';

export function stepFolder(settings: Settings): string {
  return join(settings.stateDir, 'steps');
}

/** The record of the step that made this output last; undefined when there is none that can be read. */
export async function findLastRecord(settings: Settings, output: string): Promise<StepRecord | undefined> {
  await flushAgent(settings.socketDir);
  const record = await new StepReader(stepFolder(settings)).lastRecordFor(output);
  return record.ok ? record.value : undefined;
}
