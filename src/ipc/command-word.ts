// What the words after `icets` mean and which file a compiler's name stands for: the rules of launcher.c in TypeScript,
// for the launcher that runs where no C compiler works.

import { accessSync, constants, lstatSync, realpathSync, statSync, type BigIntStats } from 'node:fs';
import { err, ok, type Result } from '../base/result.ts';

export const ownCommands = [
  'run',
  'make',
  'ninja',
  'cmake',
  'up',
  'down',
  'scheduler',
  'worker',
  'agent',
  'invite',
  'join',
  'status',
  'top',
  'monitor',
  'report',
  'explain',
  'doctor',
  'audit',
  'cache',
  'help',
  'version',
] as const;

export type CommandWords =
  | { readonly kind: 'own'; readonly args: readonly string[]; readonly noCache: boolean }
  | {
      readonly kind: 'compile';
      readonly argv: readonly string[];
      readonly masqueraded: boolean;
      /** `--no-cache` stood before the command */
      readonly noCache: boolean;
    };

/** `args` as after the launcher's own name; `--as NAME` first when it was called through a link of that name. */
export function readCommandWords(args: readonly string[]): CommandWords {
  if (args[0] === '--as' && args[1] !== undefined) {
    const name = lastPart(args[1]);
    if (name !== 'icets' && !name.startsWith('launcher')) {
      return { kind: 'compile', argv: [name, ...args.slice(2)], masqueraded: true, noCache: false };
    }
    args = args.slice(2);
  }
  let noCache = false;
  for (; args.length > 1; args = args.slice(1)) {
    if (args[0] === '--no-cache') noCache = true;
    else if (!isOurName(args[0]!)) break;
  }
  const word = args[0];
  if (word === undefined || word.startsWith('-') || ownCommands.some((own) => own === word)) {
    return { kind: 'own', args, noCache };
  }
  return { kind: 'compile', argv: args, masqueraded: false, noCache };
}

export interface ResolvedCommand {
  readonly program: string;
  readonly argv: readonly string[];
}

/** Finds what to execute; the error is the line to show before exiting with 127. */
export function resolveCommand(
  words: { readonly argv: readonly string[]; readonly masqueraded: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Result<ResolvedCommand, string> {
  const word = words.argv[0] ?? '';
  const guard = env['ICETS_GUARD'] ?? '';
  if (guard.split('/').length > 17) return err(`icets: ${word} keeps starting itself through icets`);
  let { masqueraded } = words;
  if (!masqueraded && word.includes('/')) {
    if (statusOf(word) === undefined) return err(`icets: no such compiler: ${word}`);
    if (!isOurselves(word)) return ok({ program: word, argv: words.argv });
    masqueraded = true;
  }
  const name = lastPart(word);
  const path = env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  const program = findOnPath(name, path, guard) ?? findOnPath(name, path, '');
  if (program === undefined) return err(`icets: no such compiler: ${name}`);
  return ok({ program, argv: masqueraded ? [program, ...words.argv.slice(1)] : words.argv });
}

/** The guard for what is started: the launchers' list, and this program. */
export function nextGuard(guard: string | undefined, program: string): string {
  const status = statusOf(program);
  return `${guard === undefined || guard === '' ? '0:0' : guard}/${status === undefined ? '' : identity(status)}`;
}

/** The first such program on PATH that is neither icets nor named by the guard. */
export function findOnPath(name: string, path: string, guard: string): string | undefined {
  const passed = guard.split('/');
  for (const folder of path.split(':')) {
    const candidate = `${folder === '' ? '.' : folder}/${name}`;
    const status = statusOf(candidate);
    if (status === undefined || !status.isFile() || passed.includes(identity(status))) continue;
    try {
      accessSync(candidate, constants.X_OK);
    } catch {
      continue;
    }
    if (!isOurselves(candidate)) return candidate;
  }
  return undefined;
}

function isOurselves(path: string): boolean {
  try {
    return isOurName(lstatSync(path).isSymbolicLink() ? realpathSync(path) : path);
  } catch {
    return false;
  }
}

function isOurName(path: string): boolean {
  const name = lastPart(path);
  return name === 'icets' || /^launcher-[0-9a-f]{12}$/.test(name);
}

function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function identity(status: BigIntStats): string {
  return `${status.dev}:${status.ino}`;
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
