// What of a build waits for a compile's output, where the build's graph can be read: in the folder of a Ninja manifest, from
// which Ninja starts its steps. Read beside the compiles, never before one; unknown until then.

import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute, posix, resolve } from 'node:path';
import { downstreamOf } from '../buildgraph/criticality.ts';
import { stepDurations } from '../buildgraph/ninja-log.ts';
import { canonical, parseManifest, type NinjaManifest } from '../buildgraph/ninja-manifest.ts';

interface Graph {
  /** identity of the manifest that was read; undefined: there is none, or it is too large */
  manifestStamp: string | undefined;
  logStamp: string | undefined;
  manifest: NinjaManifest | undefined;
  downstream: ReadonlyMap<string, number>;
  lookedMs: number;
  usedMs: number;
  reading: boolean;
}

const manifestName = 'build.ninja';
const limitBytes = 64 << 20;
const graphLimit = 8;
const lookEveryMs = 2000;
/** a pause in which nobody asks ends a build: the next one may have another log */
const buildPauseMs = 4000;
const sliceMs = 10;

export class BuildGraphs {
  readonly #graphs = new Map<string, Graph>();

  /**
   * Milliseconds of the longest chain of steps that wait for this output; 0 when that is not known (yet).
   * @param cwd absolute; @param output as the command names it
   */
  downstreamMs(cwd: string, output: string): number {
    const graph = this.#graphOf(cwd);
    const nowMs = performance.now();
    const isNewBuild = nowMs - graph.usedMs > buildPauseMs;
    graph.usedMs = nowMs;
    if (nowMs - graph.lookedMs > lookEveryMs && !graph.reading) {
      graph.lookedMs = nowMs;
      void this.#refresh(cwd, graph, isNewBuild);
    }
    if (graph.downstream.size === 0) return 0;
    const relative = isAbsolute(output) ? posix.relative(cwd, output) : canonical(output);
    return graph.downstream.get(relative) ?? graph.downstream.get(output) ?? 0;
  }

  /** Resolves when nothing is being read, for tests. */
  async settled(): Promise<void> {
    while ([...this.#graphs.values()].some(({ reading }) => reading)) await new Promise((done) => setImmediate(done));
  }

  #graphOf(cwd: string): Graph {
    const known = this.#graphs.get(cwd);
    if (known !== undefined) return known;
    const graph: Graph = {
      manifestStamp: undefined,
      logStamp: undefined,
      manifest: undefined,
      downstream: new Map(),
      lookedMs: -Infinity,
      usedMs: -Infinity,
      reading: false,
    };
    this.#graphs.set(cwd, graph);
    if (this.#graphs.size > graphLimit) {
      const [oldest] =
        [...this.#graphs].sort(([, a], [, b]) => a.usedMs - b.usedMs).find(([path]) => path !== cwd) ?? [];
      if (oldest !== undefined) this.#graphs.delete(oldest);
    }
    return graph;
  }

  async #refresh(cwd: string, graph: Graph, isNewBuild: boolean): Promise<void> {
    graph.reading = true;
    try {
      const stamp = stampOf(`${cwd}/${manifestName}`);
      const isNewManifest = stamp !== graph.manifestStamp;
      if (isNewManifest) {
        graph.manifestStamp = stamp;
        graph.manifest = stamp === undefined ? undefined : await readManifest(cwd);
      }
      const { manifest } = graph;
      if (manifest === undefined) {
        graph.downstream = new Map();
        return;
      }
      const log = resolve(cwd, manifest.buildFolder, '.ninja_log');
      const logStamp = isNewManifest || isNewBuild ? stampOf(log) : graph.logStamp;
      if (!isNewManifest && logStamp === graph.logStamp) return;
      graph.logStamp = logStamp;
      const text = logStamp === undefined ? '' : await readFile(log, 'utf8').catch(() => '');
      graph.downstream = downstreamOf(manifest.edges, stepDurations(text));
    } catch {
      // it changes while it is read: the next look finds it otherwise
    } finally {
      graph.reading = false;
    }
  }
}

async function readManifest(cwd: string): Promise<NinjaManifest | undefined> {
  const text = await readFile(`${cwd}/${manifestName}`, 'utf8');
  const running = parseManifest(text, (path) => {
    const file = resolve(cwd, path);
    try {
      return stampOf(file) === undefined ? undefined : readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  });
  for (let endMs = performance.now() + sliceMs; ;) {
    const step = running.next();
    if (step.done === true) return step.value;
    if (performance.now() < endMs) continue;
    await new Promise((done) => setImmediate(done));
    endMs = performance.now() + sliceMs;
  }
}

/** What tells a file from its successor; undefined for none, or one that is too large to be read for this. */
function stampOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || stat.size > limitBytes) return undefined;
  return `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
}
