// Whether what a compile leaves depends on where its directory lies, as far as the command tells, and the same command for that
// directory under another name. Allow-lists: an option that may carry a name into the output by a way not known here refuses.

import { err, ok, type Result } from '../base/result.ts';
import type { PathMove } from '../model/path-move.ts';
import type { CompilerFamily } from './compiler-family.ts';
import type { ParsedCompile } from './parsed-compile.ts';
import { parseArguments, type Argument } from './parse.ts';

export const notMovableReasons = ['option', 'compiler-version', 'argument', 'prefix-map', 'unmapped-name'] as const;

/** Why a compile is not made independent of its directory; `detail` is for people. */
export interface NotMovable {
  readonly reason: (typeof notMovableReasons)[number];
  readonly detail: string;
}

/** `-ffile-prefix-map=OLD=NEW` and its kin. */
interface PrefixMap {
  readonly names: 'file' | 'macro' | 'debug' | 'none';
  readonly from: string;
  readonly to: string;
}

/** Versions whose handling of names was looked at (test/e2e/base-directory.test.ts); older ones map less. */
const oldestMajor = { gcc: 12, clang: 14 };

/**
 * Hashes of names, compressed names, names among messages that are cut to a width: none of them could be found again, or looks the
 * same elsewhere.
 */
const refused =
  /^-(?:f(?:lto|fat-lto|sanitize|unique-internal-linkage|verbose-asm|debug-types-section|message-length|canon-prefix-map|stack-usage)|gsplit-dwarf|gz|emit-llvm|Xassembler|Wa,.*(?:compress|debug|-g))/;

const knownDebugOptions =
  /^-g(?:(?:gdb|lldb)?[0-3]?|dwarf(?:-[2-5]|32|64)?|line-tables-only|mlt|(?:no-)?(?:column-info|strict-dwarf|pubnames|statement-frontiers|inline-line-tables|variable-location-views|simple-template-names|record-gcc-switches|split-dwarf))$/;

const mapOption = /^-f(file|macro|debug|profile|coverage)-prefix-map=([^=]*)=([^=]*)$/;

/** Absolute paths that the command names where a path is expected, prefix maps included, each as written. */
export function namedPaths(argv: readonly string[], kind: CompilerFamily['kind']): string[] {
  const paths: string[] = [];
  for (const argument of parseArguments(argv, kind)) {
    const map = argument.kind === 'option' ? mapOf(argument.text) : undefined;
    const path = map?.from ?? pathOf(argument);
    if (path?.startsWith('/')) paths.push(path);
  }
  return paths;
}

/**
 * The command for the directory under its other name.
 * @param argv without argv[0]
 * @param names every name by which the compiler opens a file, as it writes it
 * @param cwd the true one
 */
export function moveArguments(
  compile: ParsedCompile,
  argv: readonly string[],
  names: readonly string[],
  cwd: string,
  move: PathMove,
): Result<string[], NotMovable> {
  const { kind, major } = compile.family;
  if (major < oldestMajor[kind]) return not('compiler-version', `${kind} ${compile.family.version}`);
  const option = argv.find((word) => refused.test(word) || (word.startsWith('-g') && !knownDebugOptions.test(word)));
  if (option !== undefined) return not('option', option);
  if (compile.recordsCommandLine) return not('option', 'the object records the command line');
  const debug = compile.debugLevel > 0;
  if (debug && compile.language === 'assembler-with-cpp' && kind === 'clang') return not('option', '-g of assembler');
  const relative = kind === 'gcc' ? shortenedDirectory(compile) : undefined;
  if (relative !== undefined) return not('option', relative);

  const maps: PrefixMap[] = [];
  const moved: string[] = [];
  for (const argument of parseArguments(argv, kind)) {
    const words = argv.slice(argument.index, argument.index + (argument.kind === 'option' ? argument.length : 1));
    const map = mapOf(words[0] ?? '');
    if (map !== undefined) {
      maps.push(map);
      if (mentions(map.to, move)) return not('argument', words.join(' '));
      words[0] = (words[0] ?? '').replace(
        mapOption,
        (_, name: string) => `-f${name}-prefix-map=${move.there(map.from)}=${map.to}`,
      );
    } else {
      const path = pathOf(argument);
      if (path !== undefined && move.moves(path)) {
        const last = words.length - 1;
        words[last] = (words[last] ?? '').slice(0, -path.length) + move.there(path);
      }
    }
    const left = words.find((word) => mentions(word, move));
    if (left !== undefined) return not('argument', left);
    moved.push(...words);
  }
  const compilationDirectory = kind === 'clang' && argv.some((word) => /^-f(?:debug|file)-compilation-dir=/.test(word));
  const unmapped = firstUnmapped(maps, names, cwd, debug, compilationDirectory, move);
  return unmapped === undefined ? ok(moved) : err(unmapped);
}

/** Whether a text, or an option, contains the name of the directory that is moved. */
export function mentions(text: string, move: PathMove): boolean {
  for (let at = text.indexOf(move.from); at >= 0; at = text.indexOf(move.from, at + 1)) {
    // `x/src` is not below `/src`, but in `-L/src` it is
    if (at === 0 || !/[\w.~-]/.test(text[at - 1] ?? '') || /^-\w+$/.test(text.slice(0, at))) return true;
  }
  return false;
}

/** The value of an argument that is one path, or a rule's target that may be one. */
function pathOf(argument: Argument): string | undefined {
  if (argument.kind === 'input') return argument.path;
  if (argument.kind !== 'option') return undefined;
  switch (argument.spec.meaning.kind) {
    case 'output':
    case 'directory':
    case 'forced-include':
    case 'dependency':
      return argument.value === '' ? undefined : argument.value;
    case 'tool-arguments':
      // -Wp,-MMD,file, as Linux's makefiles have it
      return argument.spec.meaning.tool === 'preprocessor' ? /^-MM?D,([^,]+)$/.exec(argument.value)?.[1] : undefined;
    default:
      return undefined;
  }
}

function mapOf(word: string): PrefixMap | undefined {
  const match = mapOption.exec(word);
  if (match === null) return undefined;
  const [, name, from = '', to = ''] = match;
  const names = name === 'file' || name === 'macro' || name === 'debug' ? name : 'none';
  return { names, from, to };
}

/** A name below the directory that would get into the output as it is, or by another map there than here. */
function firstUnmapped(
  maps: readonly PrefixMap[],
  names: readonly string[],
  cwd: string,
  debug: boolean,
  compilationDirectory: boolean,
  move: PathMove,
): NotMovable | undefined {
  const own = maps.filter(({ from }) => move.moves(from));
  const other = maps.find(({ from }) => !move.moves(from) && (move.from.startsWith(from) || move.to.startsWith(from)));
  if (other !== undefined) return { reason: 'prefix-map', detail: `${other.from}=${other.to}` };
  const coverOf = (kinds: readonly PrefixMap['names'][]) => {
    const froms = own.filter((map) => kinds.includes(map.names)).map(({ from }) => from);
    return (name: string) => froms.some((from) => name.startsWith(from));
  };
  const inMacros = coverOf(['file', 'macro']);
  const inDebug = coverOf(['file', 'debug']);
  for (const name of names) {
    if (move.moves(name)) {
      if (!inMacros(name) || (debug && !inDebug(name))) return { reason: 'unmapped-name', detail: name };
    } else if (name.startsWith(move.from) && own.length > 0) {
      // a map is for all names that start with its text: /a/one=. makes .2/b.h of /a/one2/b.h
      return { reason: 'prefix-map', detail: name };
    }
  }
  return debug && !compilationDirectory && !inDebug(cwd) ? { reason: 'unmapped-name', detail: cwd } : undefined;
}

/** gcc calls a system header by its real path where that is shorter: so it may be with one directory and not with another. */
function shortenedDirectory({ search, argv }: ParsedCompile): string | undefined {
  if (argv.includes('-fno-canonical-system-headers')) return undefined;
  return search.directories.find(({ option, path }) => option !== 'I' && option !== 'iquote' && !path.startsWith('/'))
    ?.path;
}

function not(reason: NotMovable['reason'], detail: string): Result<never, NotMovable> {
  return err({ reason, detail });
}
