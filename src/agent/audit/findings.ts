// What audits found out, kept on disk: one folder for each difference with a description and both sides' files, bounded in number and
// bytes. Unaware of how differences are found. Read and changed by the agent, and by the command line while there is none.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { err, ok, type Result } from '../../base/result.ts';
import type { AuditFinding } from '../../model/audit.ts';
import type { Compiled } from './comparison.ts';

export interface FindingLimits {
  /** descriptions kept */
  readonly findings: number;
  /** of these, with files */
  readonly withFiles: number;
  /** of files, all findings together */
  readonly bytes: number;
}

export const defaultFindingLimits: FindingLimits = { findings: 200, withFiles: 20, bytes: 256 * 1024 ** 2 };

const description = 'finding.json';

export class Findings {
  readonly #dir: string;
  readonly #limits: FindingLimits;
  /** the oldest first */
  #all: AuditFinding[];

  /** Descriptions that cannot be read are passed over. */
  constructor(dir: string, limits: FindingLimits = defaultFindingLimits) {
    this.#dir = dir;
    this.#limits = limits;
    this.#all = namesIn(dir)
      .map((name) => read(join(dir, name)))
      .filter((finding) => finding !== undefined)
      .sort((a, b) => a.atMs - b.atMs);
  }

  /** Those that are not forgiven, the newest first. */
  get active(): readonly AuditFinding[] {
    return this.#all.filter(({ forgiven }) => !forgiven).reverse();
  }

  /**
   * Keeps a finding with its files: `sides` are named folders, such as the result and what this machine made. Where it cannot be
   * written it lasts as long as this object does; its `folder` is null then.
   */
  add(
    found: Omit<AuditFinding, 'v' | 'id' | 'folder' | 'forgiven'>,
    sides: Readonly<Record<string, Compiled>>,
  ): AuditFinding {
    let id = new Date(found.atMs).toISOString().replaceAll(/[:.]/g, '-');
    while (this.#all.some((other) => other.id === id)) id += '+';
    const folder = join(this.#dir, id);
    let finding: AuditFinding = { v: 1, id, ...found, folder, forgiven: false };
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#write(finding);
      for (const [side, compiled] of Object.entries(sides)) writeSide(join(folder, side), found.output, compiled);
      this.#all.push(finding);
      this.#trim();
    } catch {
      finding = { ...finding, folder: null };
      this.#all = [...this.#all.filter((other) => other.id !== id), finding];
    }
    return this.#all.find((other) => other.id === id) ?? finding;
  }

  /**
   * Marks as forgiven what blames this worker, option or object, has this id, or everything for `all`; answers what was marked, or
   * one line about why it could not be.
   */
  forgive(name: string): Result<readonly AuditFinding[], string> {
    const meant = this.active
      .filter((finding) => name === 'all' || names(finding).includes(name))
      .map((finding) => ({ ...finding, forgiven: true }));
    try {
      for (const finding of meant) this.#replace(finding);
      return ok(meant);
    } catch (error) {
      return err(`${this.#dir}: ${(error as Error).message}`);
    }
  }

  #replace(finding: AuditFinding): void {
    this.#write(finding);
    this.#all = this.#all.map((other) => (other.id === finding.id ? finding : other));
  }

  #write(finding: AuditFinding): void {
    const path = join(this.#dir, finding.id, description);
    writeFileSync(`${path}.new`, `${JSON.stringify(finding, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  #trim(): void {
    // Files of the newest stay as long as they fit by themselves.
    let kept = 0;
    let bytes = 0;
    for (const finding of [...this.#all].reverse()) {
      if (finding.folder === null) continue;
      const own = bytesBelow(finding.folder);
      if (kept < this.#limits.withFiles && bytes + own <= this.#limits.bytes) {
        kept += 1;
        bytes += own;
        continue;
      }
      for (const name of namesIn(finding.folder)) {
        if (name !== description) rmSync(join(finding.folder, name), { recursive: true, force: true });
      }
      this.#replace({ ...finding, folder: null });
    }
    while (this.#all.length > this.#limits.findings) {
      const oldest = this.#all.find(({ forgiven }) => forgiven) ?? this.#all[0]!;
      rmSync(join(this.#dir, oldest.id), { recursive: true, force: true });
      this.#all = this.#all.filter((other) => other !== oldest);
    }
  }
}

/** What a finding may be called when it is forgiven. */
function names({ id, blame, output, label }: AuditFinding): string[] {
  switch (blame.kind) {
    case 'worker':
      return [id, blame.worker];
    case 'option':
      return [id, blame.option];
    case 'unit':
      return [id, output, label];
  }
}

function writeSide(folder: string, output: string, { files, stdout, stderr }: Compiled): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [role, bytes] of files) {
    writeFileSync(join(folder, role === 'object' || role === 'assembly' ? basename(output) : role), bytes);
  }
  if (stdout.byteLength > 0) writeFileSync(join(folder, 'standard-output'), stdout);
  if (stderr.byteLength > 0) writeFileSync(join(folder, 'standard-error'), stderr);
}

function read(folder: string): AuditFinding | undefined {
  try {
    const finding = JSON.parse(readFileSync(join(folder, description), 'utf8')) as AuditFinding;
    if (finding.v !== 1 || finding.id !== basename(folder) || typeof finding.blame?.kind !== 'string') return undefined;
    return finding;
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function bytesBelow(folder: string): number {
  let bytes = 0;
  for (const name of namesIn(folder)) {
    const stats = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) bytes += bytesBelow(join(folder, name));
    else if (name !== description) bytes += stats?.size ?? 0;
  }
  return bytes;
}
