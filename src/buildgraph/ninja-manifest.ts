// The edges of a Ninja manifest: which outputs are made of which inputs. Rules, pools and the variables of edges are passed
// over. Unaware of files: what `include` and `subninja` name is asked of the caller. After the Ninja manual, "Ninja file reference".

import { posix } from 'node:path';

export interface NinjaEdge {
  readonly rule: string;
  /** implicit ones too; canonical paths, relative to the manifest's folder where they are relative there */
  readonly outputs: readonly string[];
  /** explicit, implicit and order-only ones */
  readonly inputs: readonly string[];
}

export interface NinjaManifest {
  readonly edges: readonly NinjaEdge[];
  /** `builddir`: the folder of Ninja's own files; empty for the manifest's */
  readonly buildFolder: string;
}

/** so many lines are read between two pauses */
const linesAtOnce = 2000;
const nestingLimit = 100;

/**
 * Pauses (yields) now and then, so that nobody is kept waiting by a large manifest.
 * @param read the text of another file, `undefined` when it cannot be read: its edges are missing then
 */
export function* parseManifest(
  text: string,
  read: (path: string) => string | undefined,
): Generator<undefined, NinjaManifest, undefined> {
  const edges: NinjaEdge[] = [];
  const variables = new Map<string, string>();
  let budget = linesAtOnce;

  function* parse(source: string, depth: number): Generator<undefined, void, undefined> {
    for (const line of logicalLines(source)) {
      if ((budget -= 1) === 0) {
        budget = linesAtOnce;
        yield;
      }
      if (line.startsWith('build ')) {
        const edge = edgeOf(line, variables);
        if (edge !== undefined) edges.push(edge);
        continue;
      }
      const inner = /^(?:include|subninja) +(.+)$/.exec(line)?.[1];
      if (inner !== undefined) {
        const included = depth < nestingLimit ? read(canonical(expanded(inner.trim(), variables))) : undefined;
        if (included !== undefined) yield* parse(included, depth + 1);
        continue;
      }
      const assignment = /^([A-Za-z0-9_.-]+) *= *(.*)$/.exec(line);
      if (assignment !== null) variables.set(assignment[1] ?? '', expanded(assignment[2] ?? '', variables));
    }
  }

  yield* parse(text, 0);
  return { edges, buildFolder: variables.get('builddir') ?? '' };
}

const space = 0x20;
const hash = 0x23;
const dollar = 0x24;

/**
 * Lines with `$` at their end are joined with the next one, whose leading blanks do not count. Indented lines and comments,
 * most of a manifest, are left out.
 */
function* logicalLines(text: string): Generator<string, void, undefined> {
  for (let at = 0; at < text.length;) {
    const first = text.charCodeAt(at);
    const isWanted = first !== space && first !== hash;
    let line = '';
    for (;;) {
      let end = text.indexOf('\n', at);
      if (end < 0) end = text.length;
      const stop = end > at && text.charCodeAt(end - 1) === 0x0d ? end - 1 : end;
      const isContinued = first !== hash && endsOpen(text, at, stop) && end < text.length;
      if (isWanted) line += text.slice(at, isContinued ? stop - 1 : stop);
      at = end + 1;
      if (!isContinued) break;
      while (text.charCodeAt(at) === space) at += 1;
    }
    if (line !== '') yield line;
  }
}

/** An odd number of dollars at the end: two are one dollar. */
function endsOpen(text: string, start: number, end: number): boolean {
  let dollars = 0;
  while (end - dollars > start && text.charCodeAt(end - dollars - 1) === dollar) dollars += 1;
  return dollars % 2 === 1;
}

function edgeOf(line: string, variables: ReadonlyMap<string, string>): NinjaEdge | undefined {
  const words = wordsOf(line.slice('build '.length), variables);
  const colon = words.findIndex(({ kind }) => kind === 'colon');
  const rule = words[colon + 1];
  if (colon < 1 || rule === undefined) return undefined;
  const inputs: string[] = [];
  for (const { kind, text } of words.slice(colon + 2)) {
    // what a validation makes is waited for by nobody
    if (kind === 'bar' && text === '|@') break;
    if (kind === 'word') inputs.push(canonical(text));
  }
  const outputs = words.slice(0, colon).flatMap(({ kind, text }) => (kind === 'word' ? [canonical(text)] : []));
  return outputs.length === 0 ? undefined : { rule: rule.text, outputs, inputs };
}

interface Word {
  readonly kind: 'word' | 'colon' | 'bar';
  readonly text: string;
}

function wordsOf(text: string, variables: ReadonlyMap<string, string>): Word[] {
  const words: Word[] = [];
  if (!text.includes('$')) {
    for (const piece of text.split(' ')) {
      if (piece === '') continue;
      if (piece.startsWith('|')) words.push({ kind: 'bar', text: piece });
      else if (!piece.includes(':')) words.push({ kind: 'word', text: piece });
      else words.push(...pieces(piece));
    }
    return words;
  }
  return pieces(text, variables);
}

function pieces(text: string, variables: ReadonlyMap<string, string> = new Map()): Word[] {
  const words: Word[] = [];
  const pattern = / +|:|\|[|@]?|(?:[^ $:|]|\$(?:[A-Za-z0-9_-]+|\{[^}]*\}|.))+/g;
  for (const [piece] of text.matchAll(pattern)) {
    const first = piece.charCodeAt(0);
    if (first === space) continue;
    if (piece === ':') words.push({ kind: 'colon', text: piece });
    else if (first === 0x7c) words.push({ kind: 'bar', text: piece });
    else words.push({ kind: 'word', text: expanded(piece, variables) });
  }
  return words;
}

function expanded(text: string, variables: ReadonlyMap<string, string>): string {
  if (!text.includes('$')) return text;
  return text.replace(
    /\$(?:([A-Za-z0-9_-]+)|\{([^}]*)\}|(.))/g,
    (_, plain?: string, braced?: string, other?: string) =>
      other !== undefined ? other : (variables.get(plain ?? braced ?? '') ?? ''),
  );
}

/** As Ninja compares paths: without `.`, double slashes, and `..` where it can be taken away. */
export function canonical(path: string): string {
  return /(?:^|\/)\.{0,2}\/|\/\.{0,2}$/.test(path) ? posix.normalize(path).replace(/(.)\/$/, '$1') : path;
}
