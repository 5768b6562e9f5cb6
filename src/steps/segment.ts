// The form of a step log segment: its file name, its first line, its records. Unaware of files.

import { stepKinds, type StepRecord } from '../model/step.ts';

export const segmentVersion = 1;

export interface SegmentName {
  /** milliseconds since the epoch */
  readonly startMs: number;
  readonly pid: number;
  readonly build: string;
}

/** File name of a segment; a build id of any characters survives, a long one is cut (the first line has it whole). */
export function segmentName({ startMs, pid, build }: SegmentName): string {
  return `${String(startMs).padStart(15, '0')}-${pid}-${encodeBuild(build)}.jsonl`;
}

/** undefined when the file is no segment. `build` is as far as the name holds it. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = /^(\d{15})-(\d+)-([A-Za-z0-9._~]*)\.jsonl$/.exec(name);
  if (match === null) return undefined;
  return { startMs: Number(match[1]), pid: Number(match[2]), build: match[3]! };
}

/** How a build id is spelled in a segment's name. */
export function encodeBuild(build: string): string {
  const safe = build.replace(/[^A-Za-z0-9._]/g, (c) => `~${c.codePointAt(0)!.toString(16)}~`);
  return safe.slice(0, 120);
}

/** The first line. */
export function segmentHeader(build: string): string {
  return `${JSON.stringify({ format: 'icets-steps', version: segmentVersion, build })}\n`;
}

export type SegmentContent =
  | {
      readonly kind: 'records';
      readonly build: string;
      readonly records: readonly StepRecord[];
      readonly skipped: number;
    }
  | { readonly kind: 'unknown-version'; readonly version: unknown }
  | { readonly kind: 'not-a-segment' };

/** Reads a segment's text; lines that are torn or no record are counted, not fatal. */
export function parseSegment(text: string): SegmentContent {
  const lines = text.split('\n');
  const header = parseJson(lines[0] ?? '');
  if (!isObject(header) || header['format'] !== 'icets-steps') return { kind: 'not-a-segment' };
  if (header['version'] !== segmentVersion) return { kind: 'unknown-version', version: header['version'] };
  const records: StepRecord[] = [];
  let skipped = 0;
  for (const line of lines.slice(1)) {
    if (line === '') continue;
    const value = parseJson(line);
    if (isStepRecord(value)) records.push(value);
    else skipped += 1;
  }
  return { kind: 'records', build: typeof header['build'] === 'string' ? header['build'] : '', records, skipped };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Checks what every reader relies on; optional fields are taken as they are. */
function isStepRecord(value: unknown): value is StepRecord {
  if (!isObject(value) || value['v'] !== 1) return false;
  const texts = ['id', 'build', 'label', 'cwd'].every((key) => typeof value[key] === 'string');
  const numbers = ['startMs', 'endMs', 'userMs', 'systemMs', 'maxRssBytes'].every(
    (key) => typeof value[key] === 'number',
  );
  return (
    texts &&
    numbers &&
    stepKinds.some((kind) => kind === value['kind']) &&
    Array.isArray(value['argv']) &&
    isObject(value['place']) &&
    isObject(value['end']) &&
    isObject(value['phases'])
  );
}
