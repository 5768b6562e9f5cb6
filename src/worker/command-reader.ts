// Reads an Action and its Command and checks everything that the sandbox relies on. Unaware of input roots' contents.

import { err, ok, type Result } from '../base/result.ts';
import { Action, Command, stderrTerminalProperty } from '../model/action.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { parseDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { ActionCommand } from '../sandbox/action-layout.ts';
import { readVerified } from './blob-fetcher.ts';

export interface ReadAction {
  readonly command: ActionCommand;
  readonly inputRoot: Digest;
  /** what the action itself allows; undefined when it does not say */
  readonly timeoutMs: number | undefined;
}

/** The kernel's limit of one argument or environment string, its end mark included. */
const longestString = 128 * 1024;
const largestMessageBytes = 16 * 1024 * 1024;

export async function readAction(
  digest: Digest,
  from: BlobStore,
  signal: AbortSignal,
): Promise<Result<ReadAction, RemoteFailure>> {
  const action = await readMessage(digest, 'Action', (bytes) => Action.decode(bytes), from, signal);
  if (!action.ok) return action;
  const commandDigest = parseDigest(action.value.commandDigest);
  const inputRoot = parseDigest(action.value.inputRootDigest);
  if (commandDigest === undefined || inputRoot === undefined) return invalid('the action lacks a digest');
  const message = await readMessage(commandDigest, 'Command', (bytes) => Command.decode(bytes), from, signal);
  if (!message.ok) return message;
  const command = checkCommand(message.value);
  if (!command.ok) return command;
  const { timeout } = action.value;
  const timeoutMs = timeout === undefined ? undefined : timeout.seconds * 1000 + timeout.nanos / 1e6;
  return ok({ command: command.value, inputRoot, timeoutMs });
}

/** @returns `invalid-request` for what no sandbox could run */
export function checkCommand(command: Command): Result<ActionCommand, RemoteFailure> {
  const argv = command.arguments;
  if (argv.length === 0 || argv[0] === '') return invalid('the command has no program');
  const env = new Map<string, string>();
  for (const { name, value } of command.environmentVariables) {
    if (name === '' || name.includes('=')) return invalid(`not an environment variable: ${JSON.stringify(name)}`);
    env.set(name, value);
  }
  for (const text of [...argv, ...Array.from(env, ([name, value]) => `${name}=${value}`)]) {
    if (text.includes('\0')) return invalid('an argument or environment variable contains a NUL');
    if (Buffer.byteLength(text) >= longestString) return invalid('an argument or environment variable is too long');
  }
  if (command.workingDirectory.startsWith('/')) return invalid('the working directory is absolute');
  if (command.outputDirectories.length > 0) return invalid('output directories are not collected');
  const terminal = terminalOf(command);
  if (!terminal.ok) return terminal;
  return ok({
    argv,
    env,
    workingDirectory: command.workingDirectory,
    outputPaths: command.outputPaths.length > 0 ? command.outputPaths : command.outputFiles,
    stderrTerminal: terminal.value,
  });
}

export async function readMessage<T>(
  digest: Digest,
  what: string,
  decode: (bytes: Uint8Array) => T,
  from: BlobStore,
  signal: AbortSignal,
): Promise<Result<T, RemoteFailure>> {
  if (digest.sizeBytes > largestMessageBytes) return invalid(`the ${what} message is too large`);
  const blobs = await readVerified(from, [digest], signal);
  if (!blobs.ok) return blobs;
  try {
    return ok(decode(blobs.value[0]!));
  } catch {
    return invalid(`the blob is no ${what} message`);
  }
}

function terminalOf(
  command: Command,
): Result<{ readonly columns: number; readonly rows: number } | undefined, RemoteFailure> {
  const property = command.platform?.properties.find(({ name }) => name === stderrTerminalProperty);
  if (property === undefined) return ok(undefined);
  const size = /^([0-9]{1,4})x([0-9]{1,4})$/.exec(property.value);
  if (size === null) return invalid(`${stderrTerminalProperty} is COLUMNSxROWS`);
  return ok({ columns: Number(size[1]), rows: Number(size[2]) });
}

function invalid(message: string): { readonly ok: false; readonly error: RemoteFailure } {
  return err({ reason: 'invalid-request', message });
}
