// What audits found: counts, and the differences with what was done about each. Types and their lists of reasons only.

/** Why a sample was not compared; docs/guide/audit.md explains each. */
export const auditSkips = [
  'queue-full',
  'time-macro',
  'records-command-line',
  'split-dwarf',
  'unusual-command',
  'input-changed',
  'local-failed',
  'output-path',
  'not-remote',
  'interrupted',
] as const;
export type AuditSkip = (typeof auditSkips)[number];

/** What gave other bytes, and is kept from doing it again until somebody forgives it. */
export type AuditBlame =
  /** two workers agreed against each other, or nobody gave a second opinion: the worker's name */
  | { readonly kind: 'worker'; readonly worker: string }
  /** compiles with this option differ from run to run on this machine */
  | { readonly kind: 'option'; readonly option: string; readonly compiler: string }
  /** this one compile differs from run to run here, or is another on all workers */
  | { readonly kind: 'unit'; readonly unit: string; readonly cause: 'not-reproducible' | 'other-on-workers' };

export interface AuditFinding {
  /** version of this shape */
  readonly v: 1;
  /** name of its folder */
  readonly id: string;
  /** milliseconds since the epoch */
  readonly atMs: number;
  readonly blame: AuditBlame;
  /** one line for people */
  readonly summary: string;
  /** what differed: `object`, `depfile`, `standard error`... */
  readonly differing: readonly string[];
  readonly label: string;
  readonly output: string;
  readonly cwd: string;
  readonly argv: readonly string[];
  /** who made the result, and whether it came from the cache */
  readonly worker: string;
  readonly cached: boolean;
  /** what another worker said, or why none was asked */
  readonly secondOpinion: string;
  /** absolute path of the folder with both sides' files; null when they have been given up for room */
  readonly folder: string | null;
  readonly forgiven: boolean;
}

/** Since the state folder was made. */
export interface AuditTotals {
  readonly taken: number;
  readonly equal: number;
  readonly different: number;
  readonly skipped: Readonly<Partial<Record<AuditSkip, number>>>;
}

export interface AuditStatus extends AuditTotals {
  /** of remote and cached results; 0 is off */
  readonly percent: number;
  /** samples that wait for idle cores */
  readonly waiting: number;
  /** asked for by `icets audit --now` and not done */
  readonly urgent: number;
  /** those that are not forgiven, the newest first */
  readonly findings: readonly AuditFinding[];
}
