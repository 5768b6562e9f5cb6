// Makes the REAPI command and action of one compile from their parts. Pure: unaware of where the parts came from.

import { relative } from 'node:path';
import { Action, Command, encodeAction, encodeCommand, stderrTerminalProperty, type Blob } from '../model/action.ts';
import type { Digest } from '../model/digest.ts';

export interface CompileCommandParts {
  /** argv[0] included */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** physical absolute path */
  readonly cwd: string;
  /** physical absolute paths of everything the command may write and we want back */
  readonly outputs: readonly string[];
  readonly stderrTerminal: { readonly columns: number; readonly rows: number } | undefined;
}

export interface CompileCommand {
  readonly blob: Blob;
  /** output path as the result names it (relative to the working directory) to absolute path */
  readonly outputs: ReadonlyMap<string, string>;
  readonly platform: Command['platform'];
}

export function compileCommand(parts: CompileCommandParts): CompileCommand {
  const outputs = new Map(parts.outputs.map((path) => [relative(parts.cwd, path), path]));
  const outputPaths = [...outputs.keys()].sort();
  const properties =
    parts.stderrTerminal === undefined
      ? []
      : [{ name: stderrTerminalProperty, value: `${parts.stderrTerminal.columns}x${parts.stderrTerminal.rows}` }];
  const platform = properties.length === 0 ? undefined : { properties };
  const blob = encodeCommand(
    Command.fromPartial({
      arguments: [...parts.argv],
      environmentVariables: Object.entries(parts.env)
        .map(([name, value]) => ({ name, value }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
      outputPaths,
      outputFiles: outputPaths,
      workingDirectory: parts.cwd.replace(/^\/+/, ''),
      ...(platform && { platform }),
    }),
  );
  return { blob, outputs, platform };
}

export function compileAction(command: CompileCommand, inputRoot: Digest, cacheable: boolean): Blob {
  const { platform } = command;
  return encodeAction(
    Action.fromPartial({
      commandDigest: command.blob.digest,
      inputRootDigest: inputRoot,
      doNotCache: !cacheable,
      ...(platform && { platform }),
    }),
  );
}
