// One compile on its way to another machine: what is known of it, what it writes, and what of that is sent. Unaware of
// clusters and of the order in which things happen.

import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { absolutePath } from '../base/absolute-path.ts';
import { err, ok, type Result } from '../base/result.ts';
import { remoteEnvironment } from '../compiler/environment.ts';
import { keepsMode } from '../compiler/outputs.ts';
import type { OutputRole, ParsedCompile } from '../compiler/parsed-compile.ts';
import type { RemoteCommand } from '../compiler/remote-command.ts';
import type { Closure } from '../scan/scanner.ts';
import type { CompilerIdentity, ToolchainPackage } from '../toolchain/toolchain-package.ts';
import type { PlacedCompile } from './base-directory.ts';
import { compileCommand, type CompileCommand } from './compile-action.ts';
import type { Uncacheable } from './known-results.ts';
import type { ReceivedResult } from './received-result.ts';
import type { RemoteAccess } from './remote-access.ts';
import { type ResultFile, whyNotReplaceable } from './result-writer.ts';
import type { WhyLocal } from './why-local.ts';

export interface CompileJob {
  readonly id: string;
  readonly build: string;
  readonly compile: ParsedCompile;
  readonly compiler: CompilerIdentity;
  /** argv[0] as the user wrote it */
  readonly invokedAs: string;
  /** physical absolute path */
  readonly cwd: string;
  /** ICETS_NO_CACHE in it keeps this compile away from kept results, ICETS_BASEDIR is its base directory */
  readonly env: Readonly<Record<string, string>>;
  readonly stderrTerminal: { readonly columns: number; readonly rows: number } | undefined;
  /** performance.now() when the command arrived */
  readonly arrivedMs: number;
}

export interface CompiledFile extends ResultFile {
  readonly role: OutputRole;
}

/** One compile on its way: all that is known before anything is asked of the cluster. */
export interface Unit extends UnplacedUnit {
  /** set when the compile is made in the canonical place of its base directory; `sent` is the command for there */
  readonly placed: PlacedCompile | undefined;
  readonly sent: CompileCommand;
}

export interface UnplacedUnit {
  readonly job: CompileJob;
  readonly remote: RemoteAccess & { kind: 'connected' };
  readonly toolchain: ToolchainPackage;
  readonly closure: Closure;
  readonly command: RemoteCommand;
  /** the remote compiler's environment */
  readonly env: Readonly<Record<string, string>>;
  /** the command's outputs by physical absolute path */
  readonly outputs: ReadonlyMap<string, ParsedCompile['outputs'][number]>;
  /** files that are no source text, absolute */
  readonly extraFiles: readonly string[];
}

export const scratchDepfile = '/tmp/icets-dependencies.d';

/** The command's outputs by physical absolute path; a local reason when one of them is nothing a rename may replace. */
export function physicalOutputs(job: CompileJob): Result<Map<string, ParsedCompile['outputs'][number]>, WhyLocal> {
  const outputs = new Map<string, ParsedCompile['outputs'][number]>();
  const folders = new Map<string, string>();
  for (const output of job.compile.outputs) {
    const written = absolutePath(job.cwd, output.path);
    let folder = folders.get(dirname(written));
    try {
      folder ??= realpathSync.native(dirname(written));
    } catch {
      return err({ reason: 'write-failed', detail: `${dirname(written)} does not exist` });
    }
    folders.set(dirname(written), folder);
    const path = join(folder, basename(written));
    const why = whyNotReplaceable(path);
    if (why !== undefined) return err({ reason: 'output-not-regular', detail: why });
    outputs.set(path, output);
  }
  return ok(outputs);
}

/** A PWD that says no more than the working directory does is left out: shells set it, others do not, and the sandbox sets it anyway. */
export function sentEnvironment({ env, cwd, stderrTerminal }: CompileJob): Record<string, string> {
  const { PWD: pwd, ...others } = remoteEnvironment(env, stderrTerminal !== undefined);
  return pwd === undefined || pwd === cwd ? others : { ...others, PWD: pwd };
}

export function sentCommand(unit: UnplacedUnit, placed: PlacedCompile | undefined): CompileCommand {
  const { job, command } = unit;
  const outputs = [...unit.outputs.keys()];
  if (command.proof.kind === 'scratch') outputs.push(scratchDepfile);
  const there = (path: string) => placed?.move.there(path) ?? path;
  const sent = compileCommand({
    argv: [job.invokedAs, ...(placed?.argv ?? command.argv)],
    env: unit.env,
    cwd: there(job.cwd),
    outputs: outputs.map(there),
    stderrTerminal: job.stderrTerminal,
  });
  if (placed === undefined) return sent;
  return { ...sent, outputs: new Map(Array.from(sent.outputs, ([name, path]) => [name, placed.move.back(path)])) };
}

export function resultFiles({ job, outputs }: Unit, received: ReceivedResult): Result<CompiledFile[], WhyLocal> {
  const files: CompiledFile[] = [];
  for (const [path, output] of outputs) {
    const bytes = received.files.get(path);
    if (bytes !== undefined) {
      const { role } = output;
      files.push({ target: path, bytes, role, keepsMode: modeRule(job.compile, role) });
    } else if (!output.optional) return err({ reason: 'output-missing', detail: path });
  }
  return ok(files);
}

function modeRule(compile: ParsedCompile, role: OutputRole): ResultFile['keepsMode'] {
  return (existingBytes) => keepsMode(compile.family.kind, role, existingBytes);
}

export function whyUncacheable(job: CompileJob, closure: Closure): Uncacheable | undefined {
  const told = job.env['ICETS_NO_CACHE'];
  if (told !== undefined && told !== '' && told !== '0') return 'no-cache';
  return closure.dateOrTime || closure.timestamp ? 'time-macro' : undefined;
}
