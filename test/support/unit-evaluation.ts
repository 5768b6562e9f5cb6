// Evaluates a unit's directives over files of a scratch folder, with facts that the test gives in the compiler's place.

import { lexDirectives } from '../../src/scan/directive-lexer.ts';
import type { Dialect, SourceDirectives } from '../../src/scan/directives.ts';
import { Unclear, type Evaluation, type UnclearReason } from '../../src/scan/evaluation.ts';
import { StatFileDigests } from '../../src/scan/file-digests.ts';
import { FileTable, type FileVersion } from '../../src/scan/file-table.ts';
import { FolderNames } from '../../src/scan/folder-names.ts';
import { IncludeSearch } from '../../src/scan/include-search.ts';
import { macroOf, type Macro } from '../../src/scan/macro.ts';
import { PathStats } from '../../src/scan/path-stats.ts';
import { evaluateUnit } from '../../src/scan/preprocessor.ts';
import type { SearchPaths } from '../../src/scan/search-paths.ts';
import { StatCache } from '../../src/scan/stat-cache.ts';

export const plainDialect: Dialect = {
  trigraphs: false,
  digraphs: true,
  lineComments: true,
  rawStrings: true,
  digitSeparators: true,
  elifdef: true,
};

/** Names that every compiler computes. */
const computed = ['__FILE__', '__LINE__', '__COUNTER__', '__INCLUDE_LEVEL__', '__has_include', '__has_include_next'];

export interface EvaluatedUnit {
  /** where the compile runs; sources and directories are relative to it */
  readonly cwd: string;
  /** absent: `a.c` */
  readonly source?: string;
  /** absent: gcc */
  readonly family?: 'gcc' | 'clang';
  /** names of directories for `"..."` only and for both forms, as given on the command line */
  readonly quote?: readonly string[];
  readonly angle?: readonly string[];
  /** of `angle`: the system's */
  readonly system?: readonly string[];
  /** `-D...` and `-U...` */
  readonly macros?: readonly string[];
  readonly forcedIncludes?: readonly string[];
  /** predefined macros, as operands of `#define` */
  readonly predefined?: readonly string[];
  /** further names that the compiler computes */
  readonly defined?: Readonly<Record<string, boolean>>;
  readonly values?: Readonly<Record<string, bigint>>;
  readonly preincluded?: readonly string[];
  readonly dialect?: Partial<Dialect>;
  readonly fileNamesKnown?: boolean;
  /** counts how often the evaluation pauses when its time is always up */
  readonly onPause?: () => void;
}

/** What the units of a project have in common. */
export type EvaluatedProject = Omit<EvaluatedUnit, 'source' | 'macros' | 'forcedIncludes' | 'onPause'>;

/** The evaluation, or why it was given up. */
export function evaluated(unit: EvaluatedUnit): Evaluation | UnclearReason {
  return evaluator(unit)(unit);
}

/** Evaluates units one after the other, with what is remembered of those before. */
export function evaluator(
  project: EvaluatedProject,
): (unit: Pick<EvaluatedUnit, 'source' | 'macros' | 'forcedIncludes' | 'onPause'>) => Evaluation | UnclearReason {
  const { cwd, family = 'gcc', quote = [], angle = [], system = [] } = project;
  const digests = new StatFileDigests(new PathStats(), new StatCache(undefined));
  const table = new FileTable({ digests });
  const absolute = (path: string) => (path.startsWith('/') ? path : `${cwd}/${path}`);
  const paths: SearchPaths = {
    quote: quote.map(absolute),
    angle: angle.map(absolute),
    spelled: { quote, angle },
    duplicates: [],
    nonexistent: [],
    coarse: [],
  };
  const macros: (Macro | undefined)[] = [];
  for (const operand of project.predefined ?? []) {
    const macro = macroOf(operand);
    if (macro !== undefined) macros[macro.number] = macro;
  }
  const dialect = { ...plainDialect, ...project.dialect };
  const facts = {
    search: paths,
    dialect,
    macros,
    preincluded: project.preincluded ?? [],
    operatorNames: false,
    trueIsOne: false,
    defined: new Map([...computed.map((name) => [name, true] as const), ...Object.entries(project.defined ?? {})]),
    values: new Map(Object.entries(project.values ?? {})),
    core: {},
  };
  const search = new IncludeSearch(table, {
    family,
    search: paths,
    cwd,
    projectFolders: new Set(angle.filter((path) => !system.includes(path))),
    canonicalSystemHeaders: false,
    realPath: () => undefined,
  });
  const lexed = new Map<FileVersion, SourceDirectives>();
  return (unit) =>
    answer(
      evaluateUnit({
        ...{ family, facts, search },
        source: unit.source ?? 'a.c',
        macros: unit.macros ?? [],
        forcedIncludes: unit.forcedIncludes ?? [],
        directivesOf: (version) => {
          const known = lexed.get(version);
          if (known !== undefined) return known;
          const bytes = digests.readNow(version.path, version.record.digest);
          if (!bytes.ok) throw new Unclear('changing-inputs', version.path);
          const directives = lexDirectives(bytes.value.toString('latin1'), dialect);
          lexed.set(version, directives);
          return directives;
        },
        notBeforeMs: performance.now(),
        folderNames:
          family === 'gcc'
            ? undefined
            : new FolderNames((path) => {
                const stat = digests.stats.stat(absolute(path));
                return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
              }),
        slice: { endMs: unit.onPause === undefined ? Infinity : -Infinity },
        fileNamesKnown: project.fileNamesKnown ?? true,
      }),
      unit.onPause,
    );
}

function answer(
  running: ReturnType<typeof evaluateUnit>,
  onPause: (() => void) | undefined,
): Evaluation | UnclearReason {
  try {
    for (;;) {
      const step = running.next();
      if (step.done === true) return step.value;
      onPause?.();
    }
  } catch (error) {
    if (error instanceof Unclear) return error.reason;
    throw error;
  }
}
