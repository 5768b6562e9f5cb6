// What a file's text mentions beyond its includes: time macros, `__has_include`, `.incbin`, `.include`, `#embed`.
// By text, not by lexing: a mention in a comment counts, except for `__has_…` on lines that are nothing but a comment.

import type { FileFacts, HasProbe } from '../model/inputs.ts';

export const noFacts: FileFacts = {
  dateOrTime: false,
  timestamp: false,
  probes: [],
  computedProbe: false,
  incbins: [],
  computedIncbin: false,
  embeds: [],
  computedEmbed: false,
};

const dateName = Buffer.from('DATE__');
const timeName = Buffer.from('__TIME');
const hasName = Buffer.from('__has_');
const wrappedName = Buffer.from('_INCLUDE');
const incbinName = Buffer.from('.incbin');
const includeName = Buffer.from('.include');
const embedName = Buffer.from('embed');
const dependencyName = Buffer.from('dependency');

/** The facts of a file's content. The common case, none at all, costs a few searches for bytes and gives `noFacts` itself. */
export function fileFacts(content: Buffer): FileFacts {
  const dates = content.includes(dateName);
  const times = content.includes(timeName);
  const has = content.includes(hasName) || content.includes(wrappedName);
  const incbin = content.includes(incbinName) || content.includes(includeName);
  const embed = content.includes(embedName);
  const dependency = content.includes(dependencyName);
  if (!dates && !times && !has && !incbin && !embed && !dependency) return noFacts;
  const text = content.toString('latin1');
  const facts = {
    dateOrTime: (dates && text.includes('__DATE__')) || (times && text.includes('__TIME__')),
    timestamp: (times && text.includes('__TIMESTAMP__')) || (dependency && dependencyPragma.test(text)),
    ...(has ? hasProbes(text) : { probes: [], computedProbe: false }),
    ...(incbin ? incbins(text) : { incbins: [], computedIncbin: false }),
    ...(embed ? embeds(text) : { embeds: [], computedEmbed: false }),
  };
  return sameAsNone(facts) ? noFacts : facts;
}

/** `#pragma GCC dependency "x"` warns when x is newer than the file. */
const dependencyPragma = /\bGCC[ \t]+dependency\b/;

function sameAsNone(facts: FileFacts): boolean {
  return (
    !facts.dateOrTime &&
    !facts.timestamp &&
    facts.probes.length === 0 &&
    !facts.computedProbe &&
    facts.incbins.length === 0 &&
    !facts.computedIncbin &&
    facts.embeds.length === 0 &&
    !facts.computedEmbed
  );
}

/** Joins two facts of one file that was looked at in parts. */
export function joinFacts(a: FileFacts, b: FileFacts): FileFacts {
  if (a === noFacts) return b;
  if (b === noFacts) return a;
  return {
    dateOrTime: a.dateOrTime || b.dateOrTime,
    timestamp: a.timestamp || b.timestamp,
    probes: distinctProbes([...a.probes, ...b.probes]),
    computedProbe: a.computedProbe || b.computedProbe,
    incbins: [...new Set([...a.incbins, ...b.incbins])],
    computedIncbin: a.computedIncbin || b.computedIncbin,
    embeds: [...new Set([...a.embeds, ...b.embeds])],
    computedEmbed: a.computedEmbed || b.computedEmbed,
  };
}

// A splice or a comment between the operator and its operand is seen as a computed operand: safe, never wrong.
const hasPattern = /__has_(include_next|include|embed)__?\b|__has_(include_next|include|embed)\b/g;
// Names such as QT_HAS_INCLUDE stand for macros that hand their operand on.
const wrappedPattern = /\b[A-Z]\w*_INCLUDE(_NEXT)?\b/g;
const operandPattern = /[ \t]*\([ \t]*("[^"\n]+"|<[^>\n]+>)/y;
const openPattern = /[ \t]*(?:\(|\\\r?\n|\/\*)/y;
/** libc's own spelling `defined __has_include` and the test whether the operator exists take no operand */
const kinds: Readonly<Record<string, HasProbe['kind']>> = {
  include: 'include',
  include_next: 'include-next',
  embed: 'embed',
};

function hasProbes(text: string): { probes: HasProbe[]; computedProbe: boolean } {
  const probes: HasProbe[] = [];
  let computedProbe = false;
  for (const match of text.matchAll(hasPattern)) {
    const after = match.index + match[0].length;
    const kind = kinds[match[1] ?? match[2] ?? ''] ?? 'include';
    operandPattern.lastIndex = after;
    const operand = operandPattern.exec(text)?.[1];
    if (operand !== undefined) {
      probes.push({ kind, operand: utf8(operand) });
      // where a quoted name is looked for depends on the file that uses the macro
      if (operand.startsWith('"') && inDefinition(text, match.index)) computedProbe = true;
      continue;
    }
    openPattern.lastIndex = after;
    if (openPattern.test(text) && !onCommentLine(text, match.index)) computedProbe = true;
  }
  for (const match of text.matchAll(wrappedPattern)) {
    operandPattern.lastIndex = match.index + match[0].length;
    const operand = operandPattern.exec(text)?.[1];
    if (operand !== undefined) probes.push({ kind: 'include', operand: utf8(operand) });
  }
  return { probes: distinctProbes(probes), computedProbe };
}

/** The line, with those that it continues, is a `#define`. */
function inDefinition(text: string, at: number): boolean {
  let start = text.lastIndexOf('\n', at) + 1;
  while (/\\\r?\n$/.test(text.slice(Math.max(0, start - 3), start))) start = text.lastIndexOf('\n', start - 2) + 1;
  return /^[ \t]*(?:#|%:|\?\?=)[ \t]*define\b/.test(text.slice(start, at));
}

/** The line is a comment of its own: `// ...`, or ` * ...` as in the middle of a block comment. */
function onCommentLine(text: string, at: number): boolean {
  const start = text.lastIndexOf('\n', at) + 1;
  return /^[ \t]*(?:\/\/|\*|\/\*)/.test(text.slice(start, at));
}

function distinctProbes(probes: readonly HasProbe[]): HasProbe[] {
  return [...new Map(probes.map((probe) => [`${probe.kind} ${probe.operand}`, probe])).values()];
}

// In assembler text the operand stands in quotes, in a C string in escaped ones, and an asm statement may spell
// the quote as the next string: ".incbin \"" PATH "\"" is computed.
const incbinPattern = /\.incbin\b[ \t]*(?:\\"([^"\\\n]+)\\"|"([^"\\\n]+)"|)/g;
// A file that the assembler includes could go on in any way.
const assemblerInclude = /\.include[ \t]*\\?"/g;

function incbins(text: string): { incbins: string[]; computedIncbin: boolean } {
  const found = new Set<string>();
  let computedIncbin = false;
  for (const match of text.matchAll(incbinPattern)) {
    const operand = match[1] ?? match[2];
    if (operand === undefined) computedIncbin ||= !onCommentLine(text, match.index);
    else found.add(utf8(operand));
  }
  for (const match of text.matchAll(assemblerInclude)) computedIncbin ||= !onCommentLine(text, match.index);
  return { incbins: [...found], computedIncbin };
}

const embedPattern = /(?:#|%:|\?\?=)[ \t]*embed\b[ \t]*("[^"\n]+"|<[^>\n]+>|)/g;

function embeds(text: string): { embeds: string[]; computedEmbed: boolean } {
  const found = new Set<string>();
  let computedEmbed = false;
  for (const match of text.matchAll(embedPattern)) {
    if (match[1] === undefined || match[1] === '') computedEmbed ||= !onCommentLine(text, match.index);
    else found.add(utf8(match[1]));
  }
  return { embeds: [...found], computedEmbed };
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
