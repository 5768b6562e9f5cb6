// Replaces -march=native and its kin by what they mean on this machine, so that another machine compiles the same.
// Pure: works on the text that `-###` prints; a candidate counts only when its `-###` says the same as the original's.

import type { CompilerFamily } from './compiler-family.ts';
import type { ParsedCompile } from './parsed-compile.ts';

export interface NativeCandidate {
  /** without argv[0]; replaces the argv of the compile */
  readonly argv: readonly string[];
  /** a file that must lie there for the command to work, on this machine while checking and on the worker */
  readonly specs: { readonly path: string; readonly content: string } | undefined;
}

/** argv (without argv[0]) that shows what a command would run. */
export function showCommands(argv: readonly string[]): string[] {
  return ['-###', ...argv];
}

/**
 * Commands to try, best first. Check each with `-###` and `sameCommands`; none left means `native-not-expandable`.
 *
 * @param shown standard error of `-###` (LC_ALL=C) for the compile as the user wrote it
 * @param specsPath absolute path where the caller can put a specs file
 */
export function nativeCandidates(compile: ParsedCompile, shown: string, specsPath: string): NativeCandidate[] {
  if (compile.nativeFlags.length === 0 || compile.recordsCommandLine) return [];
  const frontEnd = findFrontEnd(parseCommands(shown), compile.family.kind);
  if (frontEnd === undefined) return [];
  return compile.family.kind === 'clang'
    ? [clangCandidate(compile, frontEnd)]
    : [...gccFlagCandidate(compile, frontEnd), ...gccSpecsCandidate(compile, frontEnd, specsPath)];
}

/** Whether two outputs of `-###` run the same programs with the same words (names of temporary files aside). */
export function sameCommands(a: string, b: string, kind: CompilerFamily['kind']): boolean {
  const left = parseCommands(a).map((words) => comparable(words, kind));
  const right = parseCommands(b).map((words) => comparable(words, kind));
  return left.length > 0 && JSON.stringify(left) === JSON.stringify(right);
}

/** The command lines in the output of `-###`: those that begin with a space, split into words. */
export function parseCommands(shown: string): string[][] {
  return shown
    .split('\n')
    .filter((line) => line.startsWith(' '))
    .map(splitShown)
    .filter((words) => words.length > 1);
}

function splitShown(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    words.push(match[1] === undefined ? (match[2] ?? '') : match[1].replace(/\\(.)/g, '$1'));
  }
  return words;
}

function findFrontEnd(commands: readonly string[][], kind: CompilerFamily['kind']): string[] | undefined {
  return commands.find((words) =>
    kind === 'clang' ? words.includes('-cc1') : /(^|\/)cc1(plus)?$/.test(words[0] ?? ''),
  );
}

/**
 * gcc writes the order of its options into DW_AT_producer, so its words must be equal one by one. clang's features are
 * a set: the last word about each counts, and nothing records their order.
 */
function comparable(words: readonly string[], kind: CompilerFamily['kind']): unknown {
  const plain = words.map((word) =>
    word.replace(/(^|\/)(cc[A-Za-z0-9]{6}|[^/]+-[0-9a-f]{6})(\.\w+)$/, '$1TEMPORARY$3'),
  );
  if (kind === 'gcc') return plain;
  const features = new Map<string, string>();
  const rest: string[] = [];
  for (let index = 0; index < plain.length; index += 1) {
    const word = plain[index] ?? '';
    if (word !== '-target-feature') {
      rest.push(word);
      continue;
    }
    index += 1;
    const feature = plain[index] ?? '';
    features.set(feature.slice(1), feature);
  }
  return { rest, features: [...features.values()].sort() };
}

/** Where the driver turns `native` into an ordinary option (Arm), the same option in its place does. */
function gccFlagCandidate(compile: ParsedCompile, frontEnd: readonly string[]): NativeCandidate[] {
  const argv: string[] = [];
  for (const argument of compile.argv) {
    if (!compile.nativeFlags.includes(argument)) {
      argv.push(argument);
      continue;
    }
    const name = argument.slice(0, argument.indexOf('=') + 1);
    const value = frontEnd.find((word) => word.startsWith(name));
    if (value === undefined) return [];
    argv.push(value);
  }
  return [{ argv, specs: undefined }];
}

/**
 * On x86 the driver puts the words for `native` where no option of the user can go: its spec `cc1_cpu`. A specs file
 * with those words in place of the question to the processor gives the same line on every machine; it shows in no object.
 */
function gccSpecsCandidate(compile: ParsedCompile, frontEnd: readonly string[], specsPath: string): NativeCandidate[] {
  const source = frontEnd.indexOf(compile.source);
  if (source < 0) return [];
  const words: string[] = [];
  for (const word of frontEnd.slice(source + 1)) {
    const expected = /^-m[\w.=+-]+$/.test(word) || word === '--param' || /^[\w-]+=\d+$/.test(word);
    if (!expected) break;
    words.push(word);
  }
  if (words.length === 0) return [];
  const dropped = ['march', 'mtune', 'mcpu'].map((name) => `%{${name}=native:%>${name}=native}`).join(' ');
  const content = `*cc1_cpu:\n${dropped} ${words.join(' ')}\n\n`;
  return [{ argv: [`-specs=${specsPath}`, ...compile.argv], specs: { path: specsPath, content } }];
}

function clangCandidate(compile: ParsedCompile, frontEnd: readonly string[]): NativeCandidate {
  const valueOf = (name: string) => frontEnd[frontEnd.indexOf(name) + 1] ?? '';
  const features = frontEnd.filter((_word, index) => frontEnd[index - 1] === '-target-feature');
  const argv = compile.argv.map((argument) => {
    if (!compile.nativeFlags.includes(argument)) return argument;
    const name = argument.slice(0, argument.indexOf('=') + 1);
    return name + valueOf(name === '-mtune=' && frontEnd.includes('-tune-cpu') ? '-tune-cpu' : '-target-cpu');
  });
  const spelled = features.flatMap((feature) => ['-Xclang', '-target-feature', '-Xclang', feature]);
  return { argv: [...spelled, ...argv], specs: undefined };
}
