// A dependency list with some of its names changed, laid out in lines as the compiler would have laid it out. The layout depends on
// the lengths of names and on the compiler's version, so it is only done for a list that comes out unchanged when no name changes.

import { parseDepfile } from './depfile.ts';
import type { CompilerFamily } from './compiler-family.ts';

/** The first rule, its words as spelled, and all lines after it. */
interface SpelledList {
  readonly targets: readonly string[];
  readonly prerequisites: readonly string[];
  /** the empty rules of -MP, one in a line; '' is an empty line */
  readonly phony: readonly string[];
}

const layouts = { gcc: gccLayout, clang: clangLayout };

/**
 * The list with each of its names changed; undefined where the layout is not understood.
 * @param text one character for each byte (Latin-1): lines are as long as they have bytes
 * @param rename gets names as they are spelled in the list, escapes included
 */
export function moveDepfile(
  text: string,
  kind: CompilerFamily['kind'],
  rename: (word: string) => string,
): string | undefined {
  const list = readList(text);
  if (list === undefined) return undefined;
  const layOut = layouts[kind];
  if (layOut(list) + phonyRules(list) !== text) return undefined;
  const moved: SpelledList = {
    targets: list.targets.map(rename),
    prerequisites: list.prerequisites.map(rename),
    phony: list.phony.map((name) => (name === '' ? '' : rename(name))),
  };
  return layOut(moved) + phonyRules(moved);
}

function readList(text: string): SpelledList | undefined {
  let end = text.indexOf('\n');
  while (end > 0 && text[end - 1] === '\\') end = text.indexOf('\n', end + 1);
  if (end < 0) return undefined;
  const rule = text.slice(0, end).replaceAll('\\\n', ' ');
  const colon = /(?<!\\):(?= |$)/.exec(rule)?.index;
  if (colon === undefined) return undefined;
  const phony = text.slice(end + 1).split('\n');
  if (phony.pop() !== '' || !phony.every((line) => line === '' || line.endsWith(':'))) return undefined;
  return {
    targets: spelledWords(rule.slice(0, colon)),
    prerequisites: spelledWords(rule.slice(colon + 1)),
    phony: phony.map((line) => line.slice(0, -1)),
  };
}

function phonyRules({ phony }: SpelledList): string {
  return phony.map((name) => (name === '' ? '\n' : `${name}:\n`)).join('');
}

/** Words at spaces; a backslash keeps the space after it, and a pair of them does not. */
function spelledWords(text: string): string[] {
  return text.match(/(?:\\.|[^\\ ])+/gs) ?? [];
}

/** mkdeps.cc: a word that would pass column 72 starts a new line. */
function gccLayout({ targets, prerequisites }: SpelledList): string {
  let out = '';
  let column = 0;
  const write = (word: string) => {
    if (column > 0) {
      if (column + word.length > 72) {
        out += ' \\\n';
        column = 0;
      }
      out += ' ';
      column += 1;
    }
    out += word;
    column += word.length;
  };
  targets.forEach(write);
  out += ':';
  column += 1;
  prerequisites.forEach(write);
  return `${out}\n`;
}

/** DependencyFile.cpp: 75 columns, counted by the names before they are escaped. */
function clangLayout({ targets, prerequisites }: SpelledList): string {
  let out = '';
  let column = 0;
  for (const target of targets) {
    if (column === 0) {
      column = target.length;
    } else if (column + target.length + 2 > 75) {
      column = target.length + 2;
      out += ' \\\n  ';
    } else {
      column += target.length + 1;
      out += ' ';
    }
    out += target;
  }
  out += ':';
  column += 1;
  for (const word of prerequisites) {
    const { length } = word.includes('\\') || word.includes('$') ? unescaped(word) : word;
    if (column + length + 3 > 75) {
      out += ' \\\n ';
      column = 2;
    }
    out += ` ${word}`;
    column += length + 1;
  }
  return `${out}\n`;
}

function unescaped(word: string): string {
  return parseDepfile(`x: ${word}`)[0]?.prerequisites[0] ?? word;
}
