// Finds the file that an #include names, the way gcc and clang do, with every directory entry that was looked at on the
// way: one that appears earlier would be found instead. Unaware of macros.

import { absolutePath } from '../base/absolute-path.ts';
import type { CompilerFamily } from '../compiler/compiler-family.ts';
import type { FileTable, FileVersion, FolderAnswers, TableFile } from './file-table.ts';
import type { SearchPaths } from './search-paths.ts';

/** A file as a compiler has opened it. */
export interface OpenedFile {
  readonly file: TableFile;
  /** as the compiler spells it, in bytes as Latin-1 when it is not ASCII */
  readonly name: string;
  /** what the compiler puts before a name that is looked for beside this file: with a slash at the end, or empty */
  readonly folder: string;
  /**
   * where an `#include_next` in the file starts: index in the chain; undefined makes it an ordinary `#include`.
   * unknown: clang sets no start for a file found beside its includer or by an absolute name, and goes by what was there
   */
  readonly nextFrom: number | 'unknown' | undefined;
  /** gcc counts its directory among the system's */
  readonly system: boolean;
}

export interface Found {
  readonly opened: OpenedFile;
  readonly version: FileVersion;
  /** the entry that led to the file, when the compiler then opened it by its shorter real path */
  readonly through?: FileVersion;
}

export type IncludeForm = 'quote' | 'angle';

interface SearchFolder {
  readonly spelled: string;
  readonly absolute: string;
  readonly system: boolean;
}

interface Remembered {
  readonly key: string;
  /** spellings of directories that were reached on the way to the last part of a name */
  reached: readonly string[];
  /** what was looked at: directories, and entries that are no files */
  folders: readonly FolderAnswers[];
  absent: readonly TableFile[];
  /** of the trail of whoever looked last: one unit looks for a name once; undefined when nobody has */
  trail: number | undefined;
  found: Found | undefined;
}

/** A directive that looks for a name again and again, mostly in the same place. */
export interface LookupMemo {
  lookup?: { readonly search: IncludeSearch; readonly folder: string | undefined; readonly known: Remembered };
}

export interface SearchOptions {
  readonly family: CompilerFamily['kind'];
  readonly search: SearchPaths;
  readonly cwd: string;
  /** spellings of directories given by -I and CPATH: the only ones of the second chain that are not the system's */
  readonly projectFolders: ReadonlySet<string>;
  /** gcc prints the real path of a system header where that is shorter */
  readonly canonicalSystemHeaders: boolean;
  readonly realPath: (version: FileVersion) => string | undefined;
  /** how many names with the places that they were looked for from are remembered; beyond it all are forgotten */
  readonly limit?: number;
}

/** What one translation unit looked at. */
export interface Trail {
  readonly id: number;
  /** told of the directories that a search has reached other than those it starts from, as the compiler spells them, in order */
  readonly meet?: (folders: readonly string[]) => void;
  readonly folders: Set<FolderAnswers>;
  /** entries that exist and are no files */
  readonly absent: Set<TableFile>;
  /** gcc: directories beside which names were looked for, and whether as one of the system's, by the first who did */
  readonly besides: Map<string, boolean>;
}

interface Looked extends Pick<Trail, 'folders' | 'absent'> {
  readonly reached: string[];
}

const knownLimit = 50_000;

let trails = 0;

export function newTrail(meet?: Trail['meet']): Trail {
  trails += 1;
  return { id: trails, folders: new Set(), absent: new Set(), besides: new Map(), ...(meet !== undefined && { meet }) };
}

export class IncludeSearch {
  readonly #table: FileTable;
  readonly #options: SearchOptions;
  readonly #chain: readonly SearchFolder[];
  readonly #angleFrom: number;
  readonly #known = new Map<string, Remembered>();

  constructor(table: FileTable, options: SearchOptions) {
    this.#table = table;
    this.#options = options;
    const { search, projectFolders } = options;
    const folder = (spelled: string, absolute: string, angle: boolean): SearchFolder => ({
      spelled: toBytes(spelled.endsWith('/') ? spelled : `${spelled}/`),
      absolute: absolute.endsWith('/') && absolute !== '/' ? absolute.slice(0, -1) : absolute,
      system: angle && !projectFolders.has(spelled),
    });
    const { quote, angle } = search.spelled;
    this.#chain = [
      ...quote.map((spelled, at) => folder(spelled, search.quote[at] ?? '', false)),
      ...angle.map((spelled, at) => folder(spelled, search.angle[at] ?? '', true)),
    ];
    this.#angleFrom = quote.length;
  }

  /** How many lookups are remembered. */
  get size(): number {
    return this.#known.size;
  }

  /** A file by the name that the command line gives. */
  open(name: string, system = false): OpenedFile {
    const bytes = toBytes(name);
    return {
      file: this.#table.file(this.#absolute(name)),
      name: bytes,
      folder: bytes.slice(0, bytes.lastIndexOf('/') + 1),
      nextFrom: undefined,
      system,
    };
  }

  /**
   * @param name as written between the delimiters, bytes as Latin-1
   * @param memo of whoever asks for this name and form every time
   */
  find(
    name: string,
    form: IncludeForm,
    next: boolean,
    includer: OpenedFile,
    notBeforeMs: number,
    trail: Trail,
    memo: LookupMemo = {},
  ): Found | undefined {
    const after = next && includer.nextFrom !== 'unknown' ? includer.nextFrom : undefined;
    const beside = after === undefined && form === 'quote' && !name.startsWith('/');
    const start = after ?? (form === 'quote' ? 0 : this.#angleFrom);
    const from = beside ? this.#beside(includer, trail) : undefined;
    const known = this.#lookup(name, next, start, from, memo);
    if (known.trail === trail.id) return known.found;
    if (known.trail === undefined || !this.#again(known, notBeforeMs, trail)) {
      this.#search(name, start, from, known, notBeforeMs, trail);
    }
    known.trail = trail.id;
    return known.found;
  }

  /** gcc keeps a directory as what it was when somebody looked beside himself in it first. */
  #beside(includer: OpenedFile, trail: Trail): OpenedFile {
    if (this.#options.family !== 'gcc') return includer;
    const { folder, system } = includer;
    const first = trail.besides.get(folder);
    if (first === undefined) trail.besides.set(folder, system);
    return first === undefined || first === system ? includer : { ...includer, system: first };
  }

  /** What is remembered of looking for a name from a place; nothing yet when its `trail` is undefined. */
  #lookup(name: string, next: boolean, start: number, beside: OpenedFile | undefined, memo: LookupMemo): Remembered {
    const { lookup } = memo;
    if (!next && lookup?.search === this && lookup.folder === beside?.folder) {
      const { known } = lookup;
      if (beside === undefined || known.key.startsWith(beside.system ? 's' : 'p')) return known;
    }
    const key = beside !== undefined ? `${beside.system ? 's' : 'p'}${beside.folder}\0${name}` : `${start}\0${name}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = { key, reached: [], folders: [], absent: [], trail: undefined, found: undefined };
      // whoever holds one that is forgotten can go on with it: each is compared with the disk before it is used
      if (this.#known.size >= (this.#options.limit ?? knownLimit)) this.#known.clear();
      this.#known.set(key, known);
    }
    if (!next) memo.lookup = { search: this, folder: beside?.folder, known };
    return known;
  }

  /** Whether all is as it was; then `found` and the trail say it. */
  #again(known: Remembered, notBeforeMs: number, trail: Trail): boolean {
    for (const answers of known.folders) if (answers.folder.at(notBeforeMs) !== answers) return false;
    for (const file of known.absent) if (file.at(notBeforeMs).record !== undefined) return false;
    const { found } = known;
    if (found !== undefined) {
      const { opened, through } = found;
      const version = opened.file.at(notBeforeMs);
      if (version.record === undefined) return false;
      if (through !== undefined && through.file.at(notBeforeMs) !== through) return false;
      if (found.version !== version) known.found = { ...found, version };
    }
    for (const answers of known.folders) trail.folders.add(answers);
    for (const file of known.absent) trail.absent.add(file);
    if (known.reached.length > 0) trail.meet?.(known.reached);
    return true;
  }

  #search(
    name: string,
    start: number,
    beside: OpenedFile | undefined,
    known: Remembered,
    notBeforeMs: number,
    trail: Trail,
  ): void {
    const looked: Looked = { folders: new Set(), absent: new Set(), reached: [] };
    const text = fromBytes(name);
    const unset = this.#options.family === 'clang' ? 'unknown' : undefined;
    let found: Found | undefined;
    if (name.startsWith('/')) {
      found = this.#candidate('/', text.slice(1), '/', name.slice(1), unset, false, notBeforeMs, looked);
    } else {
      if (beside !== undefined) {
        const folder = this.#absolute(fromBytes(beside.folder.slice(0, -1)));
        const nextFrom = unset ?? 0;
        found = this.#candidate(folder, text, beside.folder, name, nextFrom, beside.system, notBeforeMs, looked);
      }
      for (let at = start; found === undefined && at < this.#chain.length; at += 1) {
        const folder = this.#chain[at] as SearchFolder;
        found = this.#candidate(
          folder.absolute,
          text,
          folder.spelled,
          name,
          at + 1,
          folder.system,
          notBeforeMs,
          looked,
        );
      }
    }
    known.reached = looked.reached;
    known.folders = [...looked.folders];
    known.absent = [...looked.absent];
    known.found = found;
    for (const answers of looked.folders) trail.folders.add(answers);
    for (const file of looked.absent) trail.absent.add(file);
    if (looked.reached.length > 0) trail.meet?.(looked.reached);
  }

  #candidate(
    folder: string,
    name: string,
    spelledFolder: string,
    spelledName: string,
    nextFrom: OpenedFile['nextFrom'],
    system: boolean,
    notBeforeMs: number,
    looked: Looked,
  ): Found | undefined {
    let at = folder;
    for (let from = 0; ;) {
      const slash = name.indexOf('/', from);
      const part = slash < 0 ? name.slice(from) : name.slice(from, slash);
      if (slash < 0 && from > 0) looked.reached.push(parentOf(spelledFolder + spelledName));
      if (part !== '') {
        const table = this.#table.folder(at);
        const has = table.has(part, notBeforeMs);
        looked.folders.add(table.at(notBeforeMs));
        if (!has) return undefined;
        at = at === '/' ? `/${part}` : `${at}/${part}`;
      }
      if (slash < 0) break;
      from = slash + 1;
    }
    const path = folder === '/' ? `/${name}` : `${folder}/${name}`;
    const file = this.#table.file(path);
    const version = file.at(notBeforeMs);
    if (version.record === undefined) {
      looked.absent.add(file);
      return undefined;
    }
    let spelled = spelledFolder + spelledName;
    let opened = file;
    if (system && this.#options.canonicalSystemHeaders) {
      const real = this.#options.realPath(version);
      if (real !== undefined && toBytes(real).length < spelled.length) {
        spelled = toBytes(real);
        opened = this.#table.file(real);
      }
    }
    const current = opened === file ? version : opened.at(notBeforeMs);
    if (current.record === undefined) return undefined;
    return {
      opened: {
        file: opened,
        name: spelled,
        folder: spelled.slice(0, spelled.lastIndexOf('/') + 1),
        nextFrom,
        system,
      },
      version: current,
      ...(opened !== file && { through: version }),
    };
  }

  #absolute(path: string): string {
    const { cwd } = this.#options;
    if (path === '' || path === '.') return cwd;
    return absolutePath(cwd, path);
  }
}

/** The directory of a file by the file's name: `.` when the name has none. */
export function parentOf(name: string): string {
  let end = name.lastIndexOf('/');
  if (end < 0) return '.';
  while (end > 1 && name[end - 1] === '/') end -= 1;
  return end === 0 ? '/' : name.slice(0, end);
}

/** Bytes as Latin-1 characters, as the lexer sees them. */
export function toBytes(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

export function fromBytes(bytes: string): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

const beyondAscii = /[\x80-\uffff]/;
