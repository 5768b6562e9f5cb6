// Takes a build's compile commands: from CMake's list, or through a script in the compiler's place that writes them down.
// Unaware of the projects.

import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { splitLikeGcc } from '../../src/compiler/response-file.ts';

export interface RecordedCommand {
  readonly cwd: string;
  /** argv[0] is the compiler's name without a folder */
  readonly argv: readonly string[];
}

/**
 * A folder with scripts named like the compilers. Each writes down its compile commands and then runs the compiler, or,
 * with ICETS_RECORD_ONLY set, leaves an empty object in its place: builds are asked for their commands in seconds.
 */
export function makeRecorders(
  folder: string,
  compilers: readonly string[],
): { readonly bin: string; readonly records: string } {
  const bin = join(folder, 'recorders');
  const records = join(folder, 'records');
  rmSync(records, { recursive: true, force: true });
  mkdirSync(bin, { recursive: true });
  mkdirSync(records, { recursive: true });
  for (const compiler of compilers) {
    const script = `#!/bin/sh
real=/usr/bin/${compiler}
compile= source= output= previous=
for word; do
  case $previous in -o) output=$word ;; esac
  case $word in
    -c) compile=1 ;;
    /dev/null | -) source= compile=never ;;
    -*) ;;
    *.c | *.cc | *.cpp | *.cxx | *.C | *.S) source=$word ;;
  esac
  previous=$word
done
[ "$compile" = 1 ] && [ -n "$source" ] && [ -n "$output" ] && [ -n "$ICETS_RECORD_ONLY" ] || exec $real "$@"
n=0
while ! (set -C; : > "${records}/$$.$n") 2> /dev/null; do n=$((n + 1)); done
printf '%s\\0' "$PWD" ${compiler} "$@" > "${records}/$$.$n"
: > "$output"
`;
    writeFileSync(join(bin, compiler), script);
    chmodSync(join(bin, compiler), 0o755);
  }
  return { bin, records };
}

export function recordedCommands(records: string): RecordedCommand[] {
  const commands = readdirSync(records).map((name): RecordedCommand => {
    const [cwd = '', ...argv] = readFileSync(join(records, name), 'utf8').split('\0').slice(0, -1);
    return { cwd, argv };
  });
  return sorted(commands);
}

/** The commands in `compile_commands.json` of a build folder. */
export function cmakeCommands(build: string): RecordedCommand[] {
  const file = join(build, 'compile_commands.json');
  if (!existsSync(file)) return [];
  const entries = JSON.parse(readFileSync(file, 'utf8')) as { directory: string; command: string }[];
  return sorted(
    entries.map(({ directory, command }) => {
      const [compiler = '', ...rest] = splitLikeGcc(command);
      return { cwd: directory, argv: [compiler.replace(/^.*\//, ''), ...rest] };
    }),
  );
}

/** In an order that is the same in every run. */
function sorted(commands: RecordedCommand[]): RecordedCommand[] {
  return commands
    .map((command) => ({ command, key: [command.cwd, ...command.argv].join('\0') }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ command }) => command);
}
