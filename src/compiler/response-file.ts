// Expands `@file` arguments the way the two compilers do. Unaware of the file system: the caller reads.

import { err, ok, type Result } from '../base/result.ts';
import type { CompilerFamily } from './compiler-family.ts';

export interface ExpandedArguments {
  readonly argv: readonly string[];
  /** the files that were read, as written, each once, in order of first use */
  readonly files: readonly string[];
}

/** gcc stops after 2000 files, clang never expands a file inside itself; both are a refusal here. */
const maxFiles = 200;

/**
 * Replaces every `@file` that can be read, nested ones too (all relative to the working directory).
 * An unreadable one stays as it is, like in both compilers. The error says what cannot be expanded faithfully.
 */
export function expandResponseFiles(
  argv: readonly string[],
  kind: CompilerFamily['kind'],
  read: (path: string) => Uint8Array | undefined,
): Result<ExpandedArguments, string> {
  if (!argv.some((argument) => argument.length > 1 && argument.startsWith('@'))) return ok({ argv, files: [] });
  const files: string[] = [];
  let expansions = 0;
  const expand = (list: readonly string[], outer: readonly string[]): Result<string[], string> => {
    const result: string[] = [];
    for (const argument of list) {
      const bytes = argument.length > 1 && argument.startsWith('@') ? read(argument.slice(1)) : undefined;
      if (bytes === undefined) {
        result.push(argument);
        continue;
      }
      const path = argument.slice(1);
      expansions += 1;
      if (outer.includes(path) || expansions > maxFiles) return err(`${argument} contains itself`);
      const text = decode(bytes);
      if (text === undefined) return err(`${argument} is not plain text`);
      if (!files.includes(path)) files.push(path);
      const words = kind === 'gcc' ? splitLikeGcc(text) : splitLikeClang(text);
      const inner = expand(words, [...outer, path]);
      if (!inner.ok) return inner;
      for (const word of inner.value) result.push(word);
    }
    return ok(result);
  };
  const expanded = expand(argv, []);
  return expanded.ok ? ok({ argv: expanded.value, files }) : expanded;
}

/** Text without NUL and byte-order mark (clang would convert UTF-16), or undefined. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes('\0') || text.startsWith('\ufeff') ? undefined : text;
  } catch {
    return undefined;
  }
}

const gccSpace = /[ \t\n\v\f\r]/;
const clangSpace = /[ \t\n\r]/;

/** As libiberty's buildargv: a backslash always takes the next character, quotes may be empty words. */
export function splitLikeGcc(text: string): string[] {
  const words: string[] = [];
  let at = 0;
  const skipSpace = () => {
    while (at < text.length && gccSpace.test(text[at] ?? '')) at += 1;
  };
  skipSpace();
  while (at < text.length) {
    let word = '';
    let quote = '';
    for (; at < text.length; at += 1) {
      const character = text[at] ?? '';
      if (quote === '' && gccSpace.test(character)) break;
      if (character === '\\') {
        at += 1;
        word += text[at] ?? '';
      } else if (quote !== '') {
        if (character === quote) quote = '';
        else word += character;
      } else if (character === "'" || character === '"') {
        quote = character;
      } else {
        word += character;
      }
    }
    words.push(word);
    skipSpace();
  }
  return words;
}

/** As LLVM's TokenizeGNUCommandLine: empty words vanish, a backslash at the very end stays. */
export function splitLikeClang(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (character === '\\' && at + 1 < text.length) {
      at += 1;
      word += text[at] ?? '';
    } else if (quote !== '') {
      if (character === quote) quote = '';
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
    } else if (clangSpace.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      word += character;
    }
  }
  if (word !== '') words.push(word);
  return words;
}
