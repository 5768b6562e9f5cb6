// The same compile with its outputs in another folder, so that its bytes can be compared with those of a result that is in use
// already. Pure. Whether an option shows the outputs' names in the bytes cannot always be told from it: who compares must try two
// folders.

import { err, ok, type Result } from '../base/result.ts';
import { baseName, companion, defaultOutput } from './outputs.ts';
import { parseArguments, type Argument } from './parse.ts';
import type { OutputRole, ParsedCompile } from './parsed-compile.ts';

export interface PrivateCommand {
  /** without argv[0] */
  readonly argv: readonly string[];
  /** absolute paths below the folder; every output of the compile, the optional ones included */
  readonly outputs: ReadonlyMap<OutputRole, string>;
}

/** Why a compile cannot be redone beside the user's own files; the detail is for people. */
export interface NotPrivate {
  readonly reason: 'records-command-line' | 'split-dwarf' | 'unusual-command';
  readonly detail: string;
}

/** Linux takes 128 KiB in one argument and 2 MiB in all; the environment counts too. */
const longestBytes = 1024 * 1024;

/** @param folder absolute, the caller's own, without commas */
export function privateCommand(compile: ParsedCompile, folder: string): Result<PrivateCommand, NotPrivate> {
  if (compile.recordsCommandLine)
    return err({ reason: 'records-command-line', detail: 'the object has the command in it' });
  const split = compile.argv.find((argument) => argument.startsWith('-gsplit-dwarf'));
  if (split !== undefined || compile.outputs.some(({ role }) => role === 'dwo')) {
    return err({ reason: 'split-dwarf', detail: 'the object has the name of the .dwo file in it' });
  }
  if (folder.includes(',')) return err({ reason: 'unusual-command', detail: `the folder ${folder}` });
  const output = `${folder}/${baseName(compile.output)}`;
  const depfile = `${folder}/icets-depfile`;
  const words: string[] = [];
  let asked = false;
  let targeted = false;
  for (const argument of parseArguments(compile.argv, compile.family.kind)) {
    if (argument.kind === 'option') {
      const { meaning } = argument.spec;
      if (meaning.kind === 'output') continue;
      if (meaning.kind === 'dependency') {
        if (meaning.part === 'MF') continue;
        if (meaning.part === 'MD' || meaning.part === 'MMD') asked = true;
        if (meaning.part === 'MT' || meaning.part === 'MQ') targeted = true;
      }
      if (meaning.kind === 'tool-arguments' && meaning.tool === 'preprocessor' && argument.spec.shape === 'comma') {
        const rewritten = withDepfile(argument.value.split(','), depfile);
        words.push(argument.spec.name + rewritten.words.join(','));
        // clang's driver takes `-Wp,-MD,file` for its own options.
        if (compile.family.kind === 'clang' && rewritten.found) asked = true;
        continue;
      }
    }
    words.push(...compile.argv.slice(argument.index, argument.index + lengthOf(argument)));
  }
  if (asked) {
    words.push('-MF', depfile);
    // Both drivers name the target after -o, or without it after the source.
    if (!targeted) words.push('-MQ', compile.outputGiven ? compile.output : defaultOutput(compile.source, '.o'));
  }
  words.push('-o', output);
  const sizeBytes = words.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (sizeBytes > longestBytes) return err({ reason: 'unusual-command', detail: `${sizeBytes} bytes of arguments` });
  const paths = { depfile, 'stack-usage': companion(output, '.su'), object: output, assembly: output, dwo: output };
  return ok({ argv: words, outputs: new Map(compile.outputs.map(({ role }) => [role, paths[role]])) });
}

function lengthOf(argument: Argument): number {
  return argument.kind === 'option' ? argument.length : 1;
}

/** The words of one -Wp, with the depfile's name in place of every other. */
function withDepfile(words: readonly string[], depfile: string): { readonly words: string[]; readonly found: boolean } {
  let found = false;
  const rewritten = words.map((word, at) => {
    if (!/^-(MD|MMD|MF)$/.test(words[at - 1] ?? '') || /^-(MT|MQ)$/.test(words[at - 2] ?? '')) return word;
    found = true;
    return depfile;
  });
  return { words: rewritten, found };
}
