// Runs a compile on this machine once more, in the user's own directory, with its outputs in a folder of the agent's own. Unaware of
// what the outcome is compared with.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '../../base/result.ts';
import { privateCommand } from '../../compiler/private-command.ts';
import type { OutputRole } from '../../compiler/parsed-compile.ts';
import type { AuditSkip } from '../../model/audit.ts';
import type { Processes } from '../../model/processes.ts';
import type { CompileJob } from '../remote-unit.ts';
import type { Compiled, LocalRun } from './comparison.ts';

export interface NotRun {
  readonly reason: AuditSkip;
  readonly detail: string;
}

export type PrivateCompiler = (
  job: CompileJob,
  folder: LocalRun['folder'],
  signal: AbortSignal,
) => Promise<Result<Compiled, NotRun>>;

const timeoutMs = 15 * 60_000;
const outputLimitBytes = 32 * 1024 * 1024;
/** of unlike lengths, so that a name that shows in an object moves what is behind it */
const names = { first: 'one', second: 'another-folder' } as const;

/** @param folder absolute; made and removed as needed */
export function privateCompiler(processes: Processes, folder: string): PrivateCompiler {
  return async (job, which, signal) => {
    const own = join(folder, names[which]);
    const command = privateCommand(job.compile, own);
    if (!command.ok) return command;
    rmSync(own, { recursive: true, force: true });
    mkdirSync(own, { recursive: true, mode: 0o700 });
    try {
      const ran = await processes.run(
        {
          argv: [job.invokedAs, ...command.value.argv],
          executable: job.compiler.path,
          // A launcher that stands before a tool of the compiler on PATH would ask this agent for it.
          env: { ...job.env, ICETS_DISABLE: '1' },
          cwd: job.cwd,
          ...(job.stderrTerminal && { stderrTerminal: job.stderrTerminal }),
          outputLimitBytes,
          timeoutMs,
        },
        { signal },
      );
      if (!ran.ok) {
        return err({
          reason: ran.error.reason === 'cancelled' ? 'interrupted' : 'local-failed',
          detail: ran.error.message,
        });
      }
      const { status, stdout, stderr, truncated, timedOut } = ran.value;
      if (status.kind !== 'exited' || status.code !== 0 || truncated || timedOut) {
        return err({ reason: 'local-failed', detail: Buffer.from(stderr).toString('utf8').slice(0, 1000) });
      }
      return ok({ stdout, stderr, files: readOutputs(command.value.outputs) });
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  };
}

/** Those that are there; what is missing shows in the comparison. */
function readOutputs(outputs: ReadonlyMap<OutputRole, string>): Map<OutputRole, Uint8Array> {
  const files = new Map<OutputRole, Uint8Array>();
  for (const [role, path] of outputs) {
    try {
      files.set(role, readFileSync(path));
    } catch {
      // not written
    }
  }
  return files;
}
