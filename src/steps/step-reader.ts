// The reading end of the step log: builds, their records, the last record of an output. Works while others write.

import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { StepRecord } from '../model/step.ts';
import { encodeBuild, parseSegment, parseSegmentName, type SegmentName } from './segment.ts';

export type StepReadFailure =
  /** a newer icets wrote it; it is left as it is */
  | { readonly reason: 'unknown-version'; readonly message: string }
  | { readonly reason: 'unreadable'; readonly message: string };

export interface BuildSummary {
  readonly id: string;
  /** about when its first step ended, milliseconds since the epoch */
  readonly startMs: number;
  /** when its last record was written */
  readonly lastMs: number;
  /** of its records on disk */
  readonly bytes: number;
}

/** Reads the step log in `dir`; a folder that does not exist holds no builds. */
export class StepReader {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Oldest first; reads names and first lines only. Segments of an unknown version are passed over. */
  async listBuilds(): Promise<Result<readonly BuildSummary[], StepReadFailure>> {
    const segments = await this.#segments();
    if (!segments.ok) return segments;
    const builds = new Map<string, BuildSummary>();
    for (const { path, name, changedMs, bytes } of segments.value) {
      const header = parseSegment(await firstLine(path));
      if (header.kind !== 'records') continue;
      const known = builds.get(header.build);
      builds.set(header.build, {
        id: header.build,
        startMs: Math.min(known?.startMs ?? name.startMs, name.startMs),
        lastMs: Math.max(known?.lastMs ?? changedMs, changedMs),
        bytes: (known?.bytes ?? 0) + bytes,
      });
    }
    return ok([...builds.values()].sort((a, b) => a.startMs - b.startMs));
  }

  /** All records of a build in the order they were written; empty when there is no such build. */
  async readBuild(build: string): Promise<Result<readonly StepRecord[], StepReadFailure>> {
    const segments = await this.#segments();
    if (!segments.ok) return segments;
    const encoded = encodeBuild(build);
    const records: StepRecord[] = [];
    for (const segment of segments.value) {
      if (segment.name.build !== encoded) continue;
      const content = await this.#records(segment);
      if (!content.ok) return content;
      // Not one push of all: a large build has more records than a call may have arguments.
      for (const record of content.value) if (record.build === build) records.push(record);
    }
    return ok(records);
  }

  /** The record of the last step that wrote this output (an absolute path); undefined when none did. */
  async lastRecordFor(outputPath: string): Promise<Result<StepRecord | undefined, StepReadFailure>> {
    const segments = await this.#segments();
    if (!segments.ok) return segments;
    const latestFirst = [...segments.value].sort((a, b) => b.changedMs - a.changedMs);
    let best: StepRecord | undefined;
    let unknown: StepReadFailure | undefined;
    for (const segment of latestFirst) {
      // Records are written after their steps ended: this segment and those after it hold nothing later.
      if (best !== undefined && segment.changedMs < best.endMs) break;
      const content = await this.#records(segment);
      if (!content.ok) {
        unknown ??= content.error;
        continue;
      }
      for (const record of content.value) {
        if (record.output === outputPath && (best === undefined || record.endMs >= best.endMs)) best = record;
      }
    }
    if (best === undefined && unknown !== undefined) return err(unknown);
    return ok(best);
  }

  async #segments(): Promise<Result<readonly Segment[], StepReadFailure>> {
    try {
      const segments: Segment[] = [];
      for (const file of await readdir(this.#dir)) {
        const name = parseSegmentName(file);
        if (name === undefined) continue;
        const path = join(this.#dir, file);
        const found = await stat(path).catch(() => undefined);
        if (found !== undefined) segments.push({ path, name, changedMs: found.mtimeMs, bytes: found.size });
      }
      return ok(segments.sort((a, b) => a.name.startMs - b.name.startMs));
    } catch (error) {
      if (isGone(error)) return ok([]);
      return err({ reason: 'unreadable', message: String(error) });
    }
  }

  async #records(segment: Segment): Promise<Result<readonly StepRecord[], StepReadFailure>> {
    let text: string;
    try {
      text = await readFile(segment.path, 'utf8');
    } catch (error) {
      // The writer may drop an old segment at any time.
      return isGone(error) ? ok([]) : err({ reason: 'unreadable', message: String(error) });
    }
    const content = parseSegment(text);
    if (content.kind === 'records') return ok(content.records);
    if (content.kind === 'not-a-segment') return ok([]);
    const message = `${segment.path} has version ${String(content.version)}, this icets knows version 1`;
    return err({ reason: 'unknown-version', message });
  }
}

interface Segment {
  readonly path: string;
  readonly name: SegmentName;
  readonly changedMs: number;
  readonly bytes: number;
}

/** The first line of a file with its end, or what there is of it; empty when the file is gone. */
async function firstLine(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8192), 0, 8192, 0);
    const text = buffer.toString('utf8', 0, bytesRead);
    return text.slice(0, text.indexOf('\n') + 1);
  } finally {
    await file.close();
  }
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
