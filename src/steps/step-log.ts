// The writing end of the step log: takes records, keeps them in one file per build and sitting, drops the oldest beyond
// a limit. Unaware of what the records mean; `step-reader.ts` reads them.
//
// A folder holds segments `<start>-<pid>-<build>.jsonl`: a first line with the version, then one record per line. The
// name is the whole index: readers find a build's segments without opening others. Appends are batched and not synced;
// what a crash tears is at most the last line, which readers skip.

import { appendFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { StepFeed } from '../model/step-feed.ts';
import type { StepRecord } from '../model/step.ts';
import { parseSegmentName, segmentHeader, segmentName } from './segment.ts';

export interface StepLogOptions {
  /** absolute path of a folder of its own; made when absent */
  readonly dir: string;
  /** all builds together; the oldest segments go first */
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  /** how long records wait for company before they are written; 400 when not given */
  readonly batchMs?: number;
}

export interface StepLogFigures {
  readonly kept: number;
  /** records that could not be written */
  readonly dropped: number;
}

/** records that may wait for a slow disk before further ones are dropped */
const maxPending = 20_000;
/** a build that wrote nothing for so long gets a new segment when it writes again */
const segmentIdleMs = 60 * 60 * 1000;

interface OpenSegment {
  readonly path: string;
  started: boolean;
  bytes: number;
  lastMs: number;
}

export class StepLog implements StepFeed {
  readonly #options: StepLogOptions;
  readonly #open = new Map<string, OpenSegment>();
  #pending: StepRecord[] = [];
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #kept = 0;
  #dropped = 0;
  /** bytes of all segments, undefined until counted */
  #totalBytes: number | undefined;

  constructor(options: StepLogOptions) {
    this.#options = options;
  }

  get figures(): StepLogFigures {
    return { kept: this.#kept, dropped: this.#dropped };
  }

  add(record: StepRecord): void {
    if (this.#pending.length >= maxPending) {
      this.#dropped += 1;
      return;
    }
    this.#pending.push(record);
    this.#timer ??= this.#options.clock.after(this.#options.batchMs ?? 400, () => {
      void this.flush();
    });
  }

  /** Writes what waits; answers when all records added so far are written or dropped. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#writePending());
    return this.#writing;
  }

  /** The same as flush; nothing needs to be given back. */
  close(): Promise<void> {
    return this.flush();
  }

  async #writePending(): Promise<void> {
    const batch = this.#pending;
    if (batch.length === 0) return;
    this.#pending = [];
    const byBuild = new Map<string, StepRecord[]>();
    for (const record of batch) {
      const line = byBuild.get(record.build);
      if (line !== undefined) line.push(record);
      else byBuild.set(record.build, [record]);
    }
    for (const [build, records] of byBuild) {
      try {
        await this.#append(build, records);
        this.#kept += records.length;
      } catch (error) {
        this.#dropped += records.length;
        this.#open.delete(build);
        this.#options.log.warn({ error: String(error), build, records: records.length }, 'step records were dropped');
      }
    }
    try {
      await this.#shrink();
    } catch (error) {
      this.#totalBytes = undefined;
      this.#options.log.warn({ error: String(error) }, 'old step records could not be removed');
    }
  }

  async #append(build: string, records: readonly StepRecord[]): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    let segment = this.#open.get(build);
    // One build must not fill the whole log with a single segment that can only go as a whole.
    const full = segment !== undefined && segment.bytes > this.#options.limitBytes / 8;
    if (segment === undefined || full || nowMs - segment.lastMs > segmentIdleMs) {
      await mkdir(this.#options.dir, { recursive: true, mode: 0o700 });
      let startMs = nowMs;
      // Two segments of one build and moment would share a name.
      while (segment !== undefined && segment.path === this.#pathOf(build, startMs)) startMs += 1;
      segment = { path: this.#pathOf(build, startMs), started: false, bytes: 0, lastMs: nowMs };
      this.#open.set(build, segment);
    }
    const text = (segment.started ? '' : segmentHeader(build)) + records.map((r) => `${JSON.stringify(r)}\n`).join('');
    await appendFile(segment.path, text, { mode: 0o600 });
    segment.started = true;
    const bytes = Buffer.byteLength(text);
    segment.bytes += bytes;
    segment.lastMs = nowMs;
    if (this.#totalBytes !== undefined) this.#totalBytes += bytes;
    for (const [other, { lastMs }] of this.#open) if (nowMs - lastMs > segmentIdleMs) this.#open.delete(other);
  }

  #pathOf(build: string, startMs: number): string {
    return join(this.#options.dir, segmentName({ startMs, pid: process.pid, build }));
  }

  /** Removes the oldest segments until all together are below the limit; the one written last always stays. */
  async #shrink(): Promise<void> {
    if (this.#totalBytes !== undefined && this.#totalBytes <= this.#options.limitBytes) return;
    const { dir, limitBytes } = this.#options;
    const segments: { path: string; startMs: number; bytes: number; changedMs: number }[] = [];
    for (const name of await readdir(dir)) {
      const parsed = parseSegmentName(name);
      if (parsed === undefined) continue;
      const path = join(dir, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined) {
        segments.push({ path, startMs: parsed.startMs, bytes: found.size, changedMs: found.mtimeMs });
      }
    }
    segments.sort((a, b) => a.startMs - b.startMs || a.changedMs - b.changedMs);
    let total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    // Down to seven eighths, so that not every batch has to look again.
    const goal = total > limitBytes ? (limitBytes * 7) / 8 : limitBytes;
    for (const segment of segments.slice(0, -1)) {
      if (total <= goal) break;
      await rm(segment.path, { force: true });
      for (const [build, open] of this.#open) if (open.path === segment.path) this.#open.delete(build);
      total -= segment.bytes;
    }
    this.#totalBytes = total;
  }
}
