// Tables of edits: a project is built through icets until it is known, edited, and built again; every build must give
// exactly what the same compiler gives in the same folder without icets. Unaware of what the edits are.

import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { askAgent, flushAgent, stopAgent } from '../../src/cli/control-client.ts';
import { StepReader } from '../../src/steps/step-reader.ts';
import { icets, type IcetsCluster } from './icets-cluster.ts';

export interface Edit {
  /** run by bash in the project's folder */
  readonly edit: string;
  /** of this build and those after it; absent: as before */
  readonly flags?: string;
  /** of this build and those after it; absent: as before */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * What the plain compiler gives now, so that no case is without effect: `new`, unlike every earlier build; the number of the
   * earlier build (0: before any edit) that it equals; or `error`.
   */
  readonly gives: 'new' | 'error' | number;
  /** where the compile must run: `cache`, `remote`, or the reason why it is local; absent: anywhere */
  readonly place?: string;
}

export interface StalenessCase {
  readonly title: string;
  /** path to text */
  readonly files: Readonly<Record<string, string>>;
  /** run by bash in the project's folder once the files are there: links, times */
  readonly prepare?: string;
  /** absent: `a.c` */
  readonly source?: string;
  /** folder where the compile runs, below the project's */
  readonly within?: string;
  /** absent: gcc and clang; a path is relative to the project's folder */
  readonly compilers?: readonly string[];
  /** arguments as bash reads them */
  readonly flags?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** where the second build before any edit runs; absent: `cache` */
  readonly known?: string;
  readonly edits: readonly Edit[];
}

/**
 * What happens between a build and the next edit. Before the first edit everything settles and is built again, except with
 * `nothing`; `settling`: before every edit. A restart is one of the agent.
 */
export type Between = 'nothing' | 'a restart' | 'settling' | 'settling and a restart';

/** One way in which a build was not what it had to be. */
export interface Stale {
  readonly title: string;
  /** 0: before any edit */
  readonly build: number;
  readonly edit: string;
  readonly compiler: string;
  readonly what: string;
  readonly seen: unknown;
  readonly wanted: unknown;
}

interface Built {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly object: string;
  readonly mode: string;
  readonly depfile: string;
}

/** Files younger than this are never believed by their stat alone. */
const settlingMs = 2_100;
const knownAttempts = 5;
const atOnce = 3;

/** Runs all cases and answers what was stale: nothing, when all is well. */
export async function staleBuilds(
  cluster: IcetsCluster,
  cases: readonly StalenessCase[],
  between: Between,
): Promise<Stale[]> {
  const projects = cases.map((one, at) => new Project(cluster, one, join(cluster.folder, `${between.length}-${at}`)));
  const found: Stale[] = [];
  if (between === 'nothing') {
    await several(projects, async (project) => {
      for (let build = 0; build <= project.edits; build++) {
        found.push(...(await project.build(build)));
        if (build === 0) found.push(...(await project.again(build)));
      }
    });
    return found;
  }
  // All projects go through their first build, then all through their second: so everything settles at once.
  const builds = Math.max(...projects.map((project) => project.edits));
  for (let build = 0; build <= builds; build++) {
    const left = projects.filter(({ edits }) => build <= edits);
    await several(left, async (project) => found.push(...(await project.build(build))));
    if (build === 0 || between !== 'a restart') {
      await passed(Date.now() + settlingMs);
      const edited = left.filter(({ edits }) => build < edits);
      await several(edited, async (project) => found.push(...(await project.again(build))));
    }
    if (between !== 'settling') await restartAgent(cluster);
  }
  return found;
}

/** At most `atOnce` at a time: cases have nothing to do with each other. */
async function several(projects: readonly Project[], work: (project: Project) => Promise<unknown>): Promise<void> {
  const waiting = [...projects];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Ends the agent; the next compile starts another. */
export async function restartAgent(cluster: IcetsCluster): Promise<void> {
  const sockets = cluster.env['ICETS_SOCKET_DIR']!;
  const agent = await askAgent(sockets);
  if (!agent.ok) return;
  await stopAgent(sockets);
  while (existsSync(`/proc/${agent.value.pid}`)) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Resolves when the clock says so. */
async function passed(untilMs: number): Promise<void> {
  while (Date.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, untilMs - Date.now()));
}

/** Where the last step that made `output` ran: `cache`, `remote`, or the reason why it was local. */
export async function placeOf(cluster: IcetsCluster, output: string): Promise<string | undefined> {
  await flushAgent(cluster.env['ICETS_SOCKET_DIR']!);
  const record = await new StepReader(join(cluster.env['ICETS_STATE_DIR']!, 'steps')).lastRecordFor(output);
  if (!record.ok || record.value === undefined) return undefined;
  const { place } = record.value;
  return place.kind === 'local' ? place.reason : place.kind;
}

/** One case in a folder of its own. */
class Project {
  readonly #compilers: readonly string[];
  /** by compiler: what the plain compiler gave at each build */
  readonly #plain = new Map<string, Built[]>();
  #flags: string;
  #env: Readonly<Record<string, string>>;

  constructor(
    readonly cluster: IcetsCluster,
    readonly one: StalenessCase,
    readonly folder: string,
  ) {
    this.#compilers = one.compilers ?? ['gcc', 'clang'];
    this.#flags = one.flags ?? '';
    this.#env = one.env ?? {};
    for (const [name, text] of Object.entries(one.files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  }

  get edits(): number {
    return this.one.edits.length;
  }

  /** Applies the edit before this build (none before build 0) and compares the build with the plain one. */
  async build(build: number): Promise<Stale[]> {
    const edit = this.one.edits[build - 1];
    this.#flags = edit?.flags ?? this.#flags;
    this.#env = edit?.env ?? this.#env;
    const script = build === 0 ? (this.one.prepare ?? '') : (edit?.edit ?? '');
    if (script !== '') {
      const ran = await this.cluster.run(['bash', '-ec', script], { cwd: this.folder });
      if (ran.exitCode !== 0 || ran.stderr !== '') throw new Error(`${this.one.title}: ${script}: ${ran.stderr}`);
    }
    const found = await Promise.all(this.#compilers.map((compiler) => this.#compare(compiler, build, edit)));
    return found.flat();
  }

  /** Builds again without an edit, so that everything is known: from the cache, unless the case says otherwise. */
  async again(build: number): Promise<Stale[]> {
    const found = await Promise.all(this.#compilers.map((compiler) => this.#again(compiler, build)));
    return found.flat();
  }

  async #compare(compiler: string, build: number, edit: Edit | undefined): Promise<Stale[]> {
    const through = await this.#compile(compiler, icets);
    const place = edit?.place === undefined ? undefined : await placeOf(this.cluster, this.#output(compiler, 'o'));
    const plain = await this.#compile(compiler, '');
    const earlier = this.#plain.get(compiler) ?? [];
    this.#plain.set(compiler, [...earlier, plain]);
    return [
      ...this.#differences(compiler, build, through, plain),
      ...this.#check(compiler, build, 'place', place, edit?.place),
      ...this.#check(compiler, build, 'effect of the edit', effect(plain, earlier), edit?.gives ?? 'new'),
    ];
  }

  async #again(compiler: string, build: number): Promise<Stale[]> {
    const before = this.#plain.get(compiler)?.[build];
    const wanted = build === 0 ? (this.one.known ?? 'cache') : undefined;
    for (let attempt = 1; ; attempt++) {
      const again = await this.#compile(compiler, icets);
      const place = wanted === undefined ? undefined : await placeOf(this.cluster, this.#output(compiler, 'o'));
      const differences = before === undefined ? [] : this.#differences(compiler, build, again, before);
      // The scheduler keeps a result a moment after it has handed it out.
      if (place === wanted || attempt === knownAttempts || differences.length > 0) {
        return [...differences, ...this.#check(compiler, build, 'place when known', place, wanted)];
      }
    }
  }

  #differences(compiler: string, build: number, seen: Built, wanted: Built): Stale[] {
    return (Object.keys(wanted) as (keyof Built)[]).flatMap((what) =>
      this.#check(compiler, build, what, seen[what], wanted[what]),
    );
  }

  #check(compiler: string, build: number, what: string, seen: unknown, wanted: unknown): Stale[] {
    if (seen === wanted) return [];
    const edit = this.one.edits[build - 1]?.edit ?? '';
    return [{ title: this.one.title, build, edit, compiler, what, seen: brief(seen), wanted: brief(wanted) }];
  }

  #output(compiler: string, suffix: string): string {
    return join(this.folder, this.one.within ?? '.', `${compiler.replaceAll('/', '-')}.${suffix}`);
  }

  async #compile(compiler: string, launcher: string): Promise<Built> {
    const object = this.#output(compiler, 'o');
    const depfile = this.#output(compiler, 'd');
    rmSync(object, { force: true });
    rmSync(depfile, { force: true });
    const program = compiler.includes('/') ? join(this.folder, compiler) : compiler;
    const name = compiler.replaceAll('/', '-');
    const line = `exec ${launcher} ${program} -g ${this.#flags} -MD -MF ${name}.d -c ${this.one.source ?? 'a.c'} -o ${name}.o`;
    const cwd = join(this.folder, this.one.within ?? '.');
    const ran = await this.cluster.run(['bash', '-c', line], { cwd, env: { W: this.folder, ...this.#env } });
    return {
      exitCode: ran.exitCode,
      stdout: ran.stdout,
      stderr: ran.stderr,
      object: contentOf(object),
      mode: existsSync(object) ? (statSync(object).mode & 0o7777).toString(8) : 'none',
      depfile: contentOf(depfile),
    };
  }
}

/** How a plain build relates to those before it: `error`, the number of the first that it equals, or `new`. */
function effect(plain: Built, earlier: readonly Built[]): Edit['gives'] {
  if (plain.exitCode !== 0) return 'error';
  const same = earlier.findIndex((one) => JSON.stringify(one) === JSON.stringify(plain));
  return same === -1 ? 'new' : same;
}

function contentOf(path: string): string {
  return existsSync(path) ? readFileSync(path).toString('latin1') : 'none';
}

/** Short enough to be printed. */
function brief(value: unknown): unknown {
  if (typeof value !== 'string' || value.length < 400) return value;
  return value.startsWith('\x7fELF') ? `an object of ${value.length} bytes` : value.slice(0, 400);
}
