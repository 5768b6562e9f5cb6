// Reads make-style dependency files as gcc and clang write them. Paths stay as written; making them comparable is the
// caller's business.

export interface DepfileRule {
  readonly targets: readonly string[];
  readonly prerequisites: readonly string[];
}

/** Splits a depfile into its rules; the empty rules of -MP have no prerequisites. Text that is no rule is skipped. */
export function parseDepfile(text: string): DepfileRule[] {
  const rules: DepfileRule[] = [];
  for (const line of logicalLines(text)) {
    const { before, after } = splitAtColon(line);
    if (after === undefined) continue;
    const targets = splitWords(before);
    if (targets.length > 0) rules.push({ targets, prerequisites: splitWords(after) });
  }
  return rules;
}

/** Every file that some rule depends on, each once, in order of first mention. */
export function depfilePrerequisites(text: string): string[] {
  return [...new Set(parseDepfile(text).flatMap((rule) => rule.prerequisites))];
}

/** Lines with their continuations joined by a space. A backslash that is itself escaped does not continue a line. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let current = '';
  for (const raw of text.split('\n')) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line.endsWith('\\')) {
      current += `${line.slice(0, -1)} `;
    } else {
      lines.push(current + line);
      current = '';
    }
  }
  if (current !== '') lines.push(current);
  return lines;
}

/** A rule's colon is followed by space or nothing, so that colons inside names do no harm. */
function splitAtColon(line: string): { readonly before: string; readonly after: string | undefined } {
  const match = /(?<!\\):(?=[ \t]|$)/.exec(line);
  if (match === null) return { before: line, after: undefined };
  return { before: line.slice(0, match.index), after: line.slice(match.index + 1) };
}

/**
 * Undoes the writers' escapes: `$$` is `$`, `\#` is `#`, `\:` is `:`, and backslashes count in pairs only in front of a
 * space, where an odd one makes the space part of the name.
 */
function splitWords(text: string): string[] {
  if (!/[\\$]/.test(text)) return text.split(/[ \t]+/).filter((word) => word !== '');
  const words: string[] = [];
  let word = '';
  let at = 0;
  while (at < text.length) {
    const character = text[at] ?? '';
    if (character === '\\') {
      let end = at;
      while (text[end] === '\\') end += 1;
      const count = end - at;
      const next = text[end];
      if (next === ' ' || next === '\t') {
        word += '\\'.repeat(Math.floor(count / 2));
        at = end;
        if (count % 2 === 1) {
          word += next;
          at += 1;
        }
      } else if (next === '#' || next === ':') {
        word += '\\'.repeat(count - 1) + next;
        at = end + 1;
      } else {
        word += '\\'.repeat(count);
        at = end;
      }
    } else if (character === ' ' || character === '\t') {
      if (word !== '') words.push(word);
      word = '';
      at += 1;
    } else if (character === '$' && text[at + 1] === '$') {
      word += '$';
      at += 2;
    } else {
      word += character;
      at += 1;
    }
  }
  if (word !== '') words.push(word);
  return words;
}
