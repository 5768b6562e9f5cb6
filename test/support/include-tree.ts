// Random small projects whose files include each other in every way the language knows, with a command line that compiles
// them. Unaware of scanners. Nothing runs away: a file includes only names that rank higher than its own.

import fc from 'fast-check';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { headerMacros, pick, switchMacros, valueMacros, type Piece, type Place } from './include-expressions.ts';
import { piece, prelude, vaOptPrelude } from './include-pieces.ts';

export interface TreeFile {
  readonly path: string;
  /** one character is one byte; `@ROOT@` stands for the absolute path of the tree */
  readonly content: string;
  /** seconds; undefined: as it is written */
  readonly mtime: number | undefined;
}

export interface IncludeTree {
  readonly files: readonly TreeFile[];
  /** target as it is written into the link */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  readonly directories: readonly string[];
  readonly language: 'c' | 'c++' | 'assembler-with-cpp';
  /** where the compiler runs, relative to the tree */
  readonly cwd: string;
  /** arguments, the source last; without -c and -o. `@ROOT@` stands for the absolute path of the tree */
  readonly argv: readonly string[];
}

/** ranked: a file includes names that come after its own */
const names = ['a.h', 'b.h', 'c.hpp', 'd.def', 'e-1.h', 'f g.h'] as const;
const folders = ['', 'inc', 'sys', 'quote', 'after', 'src', 'inc/sub', 'sp ace', 'unix'] as const;
const systemNames = ['stddef.h', 'stdint.h', 'limits.h', 'stdarg.h'];
const directoryOptions = ['-I', '-I', '-I', '-iquote', '-isystem', '-idirafter'] as const;
const languageArguments = {
  c: ['-std=c89', '-std=gnu89', '-std=c99', '-std=gnu11', '-std=c17', '-std=gnu17', '-std=gnu2x', '-std=c2x', '-ansi'],
  'c++': ['-std=c++98', '-std=gnu++11', '-std=c++14', '-std=gnu++17', '-std=c++20', '-std=gnu++2b', '-std=c++17'],
  'assembler-with-cpp': ['-DASM=1'],
} as const;
const extensions = { c: 'c', 'c++': 'cc', 'assembler-with-cpp': 'S' } as const;

interface FilePlan {
  readonly folder: string;
  readonly name: string;
  readonly pieces: readonly Piece[];
  readonly guard: 'none' | 'ifndef' | 'if-not-defined' | 'once' | 'both' | 'late';
  readonly bytes: { readonly crlf: boolean; readonly mark: boolean; readonly finalNewline: boolean };
  /** has the text of another file */
  readonly twin: number | undefined;
  readonly mtime: number | undefined;
}

const bytes = fc.record({
  crlf: fc.nat({ max: 11 }).map((n) => n === 11),
  mark: fc.nat({ max: 14 }).map((n) => n === 14),
  finalNewline: fc.nat({ max: 5 }).map((n) => n < 5),
});
const guard = fc.constantFrom('none', 'none', 'none', 'ifndef', 'ifndef', 'if-not-defined', 'once', 'both', 'late');
const mtime = fc.constantFrom(undefined, undefined, 1_600_000_000, 1_600_000_000, 1_600_000_007);
const header: fc.Arbitrary<FilePlan> = fc.record({
  folder: fc.constantFrom(...folders),
  name: fc.constantFrom(...names),
  pieces: fc.array(piece, { maxLength: 3 }),
  guard,
  bytes,
  twin: fc.option(fc.nat({ max: 11 }), { freq: 9, nil: undefined }),
  mtime,
});

const link = fc.oneof(
  fc.record({ kind: fc.constant('file' as const), folder: fc.constantFrom(...folders), of: pick }),
  fc.record({ kind: fc.constant('folder' as const), folder: fc.constantFrom('lnk', 'inc/lnk'), of: pick }),
);

const macroArgument: fc.Arbitrary<Piece> = fc.oneof(
  fc.constantFrom(...switchMacros).map(
    (name): Piece =>
      () =>
        `-D${name}`,
  ),
  fc.tuple(fc.constantFrom(...valueMacros), fc.nat({ max: 3 })).map(
    ([name, n]): Piece =>
      () =>
        `-D${name}=${n}`,
  ),
  fc.constantFrom(...switchMacros, ...valueMacros).map(
    (name): Piece =>
      () =>
        `-U${name}`,
  ),
  fc.tuple(fc.constantFrom(...headerMacros), fc.constantFrom<'"' | '<'>('"', '<'), pick).map(
    ([name, form, index]): Piece =>
      (at) =>
        `-D${name}=${at.spell(form, index) ?? at.missing(form, index)}`,
  ),
  fc.constantFrom<Piece>(
    () => '-DF0(x)=x',
    () => '-DV0(...)=1',
    () => '-D__COUNTER__=1',
  ),
);

const treePlan = fc.record({
  language: fc.constantFrom('c' as const, 'c' as const, 'c++' as const, 'c++' as const, 'assembler-with-cpp' as const),
  headers: fc.array(header, { minLength: 1, maxLength: 11 }),
  main: fc.record({
    folder: fc.constantFrom('', '', 'src', 'sp ace'),
    pieces: fc.array(piece, { maxLength: 6 }),
    bytes,
  }),
  skipped: fc.nat({ max: 150 }),
  prelude: fc.constantFrom('none', 'source', 'source', 'source', 'source', 'forced', 'forced', 'included', 'included'),
  links: fc.array(link, { maxLength: 2 }),
  cwd: fc.constantFrom('', '', '', 'build'),
  search: fc.array(
    fc.record({
      option: fc.constantFrom(...directoryOptions),
      folder: fc.constantFrom(...folders, ...folders, 'lnk', 'nowhere', 'empty'),
      style: fc.constantFrom('plain', 'plain', 'plain', 'apart', 'dotted', 'around', 'absolute', 'slash'),
    }),
    { minLength: 1, maxLength: 7 },
  ),
  everywhere: fc.nat({ max: 9 }).map((n) => n > 2),
  forced: fc.array(fc.tuple(fc.constantFrom('-include', '-imacros'), pick), { maxLength: 1 }),
  macros: fc.array(macroArgument, { maxLength: 3 }),
  standard: fc.nat({ max: 20 }),
  more: fc.subarray(['-trigraphs', '-O2', '-fPIC', '-m32', '-pthread', '-w', '-Wall', '-funsigned-char'], {
    maxLength: 2,
  }),
  standardIncludes: fc.nat({ max: 5 }).map((n) => n === 5),
});
type TreePlan = typeof treePlan extends fc.Arbitrary<infer T> ? T : never;

export const includeTrees: fc.Arbitrary<IncludeTree> = treePlan.map(rendered);

function rendered(plan: TreePlan): IncludeTree {
  const standards = languageArguments[plan.language];
  const standard = standards[plan.standard - 1];
  const cplusplus = plan.language === 'c++';
  const vaOpt = standard !== undefined && /2[0bx]$/.test(standard);
  const plans = new Map(plan.headers.map((each) => [join(each.folder, each.name), each]));
  const linked = plan.links.flatMap((each) => {
    const target = [...plans.keys()][each.of % plans.size] ?? '';
    if (each.kind === 'folder') return [{ path: each.folder, to: dirname(target), folder: true }];
    const path = join(each.folder, basename(target));
    return plans.has(path) ? [] : [{ path, to: target, folder: false }];
  });
  const links = [...new Map(linked.map((each) => [each.path, each])).values()]
    // a link to a folder that it lies in would make endless names
    .filter(({ path, to, folder }) => !folder || (!`${path}/`.startsWith(`${to}/`) && to !== '.'))
    .filter(({ path }) => !plans.has(path));
  const reachable = [
    ...plans.keys(),
    ...links.flatMap(({ path, to, folder }) =>
      folder
        ? [...plans.keys()].filter((each) => dirname(each) === to).map((each) => `${path}/${basename(each)}`)
        : [path],
    ),
  ];

  const fromCwd = (path: string) => relative(`/${plan.cwd}`, `/${path}`) || '.';
  const wanted = plan.everywhere
    ? [...plan.search, ...folders.slice(1).map((folder) => ({ option: '-I' as const, folder, style: 'plain' }))]
    : plan.search;
  const directories = wanted.map(({ option, folder, style }) => ({
    option,
    folder,
    written: styled(fromCwd, folder, style),
    apart: style === 'apart',
  }));
  const angle = directories.filter(({ option }) => option !== '-iquote').map(({ folder }) => folder);
  const quote = directories.map(({ folder }) => folder);

  const place = (folder: string, name: string | undefined): Place => {
    const rank = name === undefined ? -1 : names.indexOf(name as (typeof names)[number]);
    const higher = reachable.filter((path) => names.indexOf(basename(path) as (typeof names)[number]) > rank);
    const spellings = (form: '"' | '<') => {
      const searched = form === '"' ? [folder, ...quote] : angle;
      return higher.flatMap((path) =>
        [...new Set(searched)].flatMap((from) => {
          const short = from === '' ? path : path.startsWith(`${from}/`) ? path.slice(from.length + 1) : undefined;
          if (short !== undefined) return [short, short, `./${short}`];
          // the folder has to be there for the way out of it
          const exists = from === '' || reachable.some((each) => each.startsWith(`${from}/`));
          return exists && !from.includes('lnk') ? [relative(`/${from}`, `/${path}`)] : [];
        }),
      );
    };
    const closed = (form: '"' | '<', text: string) => (form === '"' ? `"${text}"` : `<${text}>`);
    return {
      header: name !== undefined,
      cplusplus,
      vaOpt,
      spell(form, index) {
        const all = spellings(form);
        if (form === '<' && plan.standardIncludes && index % 8 === 7)
          return `<${systemNames[index % systemNames.length]}>`;
        if (index === 40 && higher[0] !== undefined) return closed(form, `@ROOT@/${higher[0]}`);
        const text = all[index % Math.max(1, all.length)];
        return text === undefined ? undefined : closed(form, text);
      },
      missing: (form, index) => closed(form, ['gone.h', 'sub/gone.h', '../gone.h', 'inc/none/../a.h'][index % 4] ?? ''),
      next: (form) => (name === undefined ? undefined : closed(form, name)),
    };
  };

  const texts = new Map<string, string>();
  for (const [path, each] of plans) {
    const body = each.pieces.map((render) => render(place(each.folder, each.name))).join('');
    texts.set(path, encoded(guarded(each.guard, path, body), each.bytes));
  }
  const files: TreeFile[] = [];
  for (const [path, each] of plans) {
    const other = each.twin === undefined ? undefined : [...plans.entries()][each.twin % plans.size];
    const copies = other !== undefined && rankOf(other[1]) >= rankOf(each);
    files.push({
      path,
      content: texts.get(copies ? other[0] : path) ?? '',
      mtime: copies ? other[1].mtime : each.mtime,
    });
  }

  const source = join(plan.main.folder, `main.${extensions[plan.language]}`);
  const start = [...prelude, ...(vaOpt ? vaOptPrelude : [])]
    .filter((_line, index) => plan.skipped !== index + 1)
    .map((line) => `${line}\n`)
    .join('');
  const how = plan.prelude !== 'none' && plan.forced.length > 0 ? 'forced' : plan.prelude;
  const beginning = { none: '', forced: '', source: start, included: '#include "prelude.h"\n' }[how];
  if (how === 'forced' || how === 'included') {
    files.push({ path: join(plan.main.folder, 'prelude.h'), content: start, mtime: undefined });
  }
  const mainPlace = place(plan.main.folder, undefined);
  const text = beginning + plan.main.pieces.map((render) => render(mainPlace)).join('');
  files.push({ path: source, content: encoded(text, plan.main.bytes), mtime: undefined });

  const argumentsPlace = place('', undefined);
  const forced = plan.forced.map(([option, index]) => [
    option,
    argumentsPlace.spell('"', index)?.slice(1, -1) ?? 'a.h',
  ]);
  return {
    files,
    links: links.map(({ path, to }) => ({ path, target: relative(`/${dirname(path)}`, `/${to}`) })),
    directories: ['empty', 'build'],
    language: plan.language,
    cwd: plan.cwd,
    argv: [
      ...(standard === undefined ? [] : [standard]),
      ...(plan.standardIncludes ? [] : ['-nostdinc']),
      ...plan.more,
      ...directories.flatMap(({ option, written, apart }) => (apart ? [option, written] : [`${option}${written}`])),
      ...plan.macros.map((render) => render(argumentsPlace)),
      ...(how === 'forced' ? ['-include', fromCwd(join(plan.main.folder, 'prelude.h'))] : []),
      ...forced.flat(),
      fromCwd(source),
    ],
  };
}

const rankOf = (plan: FilePlan) => names.indexOf(plan.name as (typeof names)[number]);

function styled(fromCwd: (path: string) => string, folder: string, style: string): string {
  const path = fromCwd(folder);
  if (style === 'dotted') return `./${path}`;
  if (style === 'around') return `${fromCwd('empty')}/../${folder === '' ? '.' : folder}`;
  if (style === 'absolute') return folder === '' ? '@ROOT@' : `@ROOT@/${folder}`;
  if (style === 'slash') return `${path}/`;
  return path;
}

function guarded(kind: FilePlan['guard'], path: string, body: string): string {
  const name = `G_${path.replaceAll(/\W/g, '_')}`;
  switch (kind) {
    case 'none':
      return body;
    case 'ifndef':
      return `/* guard */\n#ifndef ${name}\n#define ${name}\n${body}#endif /* ${name} */\n`;
    case 'if-not-defined':
      return `#if !defined(${name})\n#define ${name} 1\n${body}#endif\n// end\n`;
    case 'once':
      return `#pragma once\n${body}`;
    case 'both':
      return `#pragma once\n#ifndef ${name}\n#define ${name}\n${body}#endif\n`;
    case 'late':
      return `int before;\n#ifndef ${name}\n#define ${name}\n${body}#endif\n`;
  }
}

function encoded(text: string, how: FilePlan['bytes']): string {
  const lines = how.crlf ? text.replaceAll('\n', '\r\n') : text;
  const cut = how.finalNewline ? lines : lines.replace(/\r?\n$/, '');
  return how.mark ? `\xef\xbb\xbf${cut}` : cut;
}

/** Writes a tree into an empty folder. */
export function writeTree(tree: IncludeTree, root: string): void {
  for (const directory of tree.directories) mkdirSync(join(root, directory), { recursive: true });
  for (const { path, content, mtime: seconds } of tree.files) {
    const full = join(root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content.replaceAll('@ROOT@', root), 'latin1');
    if (seconds !== undefined) utimesSync(full, seconds, seconds);
  }
  for (const { path, target } of tree.links) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
}

/** The arguments with the tree's place in them. */
export function argumentsAt(tree: IncludeTree, root: string): string[] {
  return tree.argv.map((argument) => argument.replaceAll('@ROOT@', root));
}

const preludeText = prelude.map((line) => `${line}\n`).join('');

/** For people: every file with its text, links, and the command. */
export function describeTree(tree: IncludeTree): string {
  return [
    ...tree.files.map(({ path, content, mtime: seconds }) => {
      const shown = JSON.stringify(content.replace(preludeText, '/* the usual macros */\n'))
        .slice(1, -1)
        .replaceAll('\\n', '\n')
        .replaceAll('\\"', '"');
      return `--- ${path}${seconds === undefined ? '' : ` (mtime ${seconds})`}\n${shown}`;
    }),
    ...tree.links.map(({ path, target }) => `--- ${path} -> ${target}`),
    `in ./${tree.cwd}: ${tree.argv.map((argument) => (/[^\w./=+-]/.test(argument) ? `'${argument}'` : argument)).join(' ')}`,
  ].join('\n');
}
