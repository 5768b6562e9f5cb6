// Toolchains by compiler and environment: asked and packaged once, checked again before every result is accepted. What the
// compilers said is kept on disk, so that the next agent runs none of them.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import { blobOf, Toolchain } from '../model/action.ts';
import { digestKey } from '../model/digest.ts';
import type { DirectorySnapshots, FileDigests, InputBlob, InputTrees } from '../model/inputs.ts';
import type { Processes } from '../model/processes.ts';
import { emptyTree, treeBlobs, type TreeNode } from '../model/tree.ts';
import type { DirectoryWatch } from '../scan/directory-watch.ts';
import { activeLocaleFiles, discover, surroundings, type Discovery } from './discover.ts';
import { askingEnvironment, identifyCompiler, type CompilerAnswers } from './identify.ts';
import { LearnedFile } from './learned-file.ts';
import { localeVariables } from './locale-files.ts';
import { makeProbe, type LearnedProbe, type Probe } from './probe.ts';
import { findProgram, linkChain } from './program-path.ts';
import type { CompilerIdentity, ToolchainFailure, ToolchainPackage, ToolchainRequest } from './toolchain-package.ts';
import { ProvenFiles } from './proven-files.ts';
import { WatchedFiles } from './watched-files.ts';

export interface ToolchainsOptions {
  readonly processes: Processes;
  readonly digests: FileDigests;
  readonly snapshots: DirectorySnapshots;
  readonly trees: InputTrees;
  /** folder for what was learned, probe sources and trial compiles; made when missing */
  readonly cacheFolder: string;
  /** of the code: what another version learned is forgotten */
  readonly version: string;
  /** wall clock, by which a file is too young to be relied on by a later agent */
  readonly nowMs?: () => number;
  /** saves most stats */
  readonly watch?: DirectoryWatch;
}

/** What was learned of something, as long as its files stay what they were. */
interface Learned<T> {
  readonly watch: ProvenFiles;
  /** when these change, it is learned again; results that came in the meantime are still good */
  readonly surroundings?: ProvenFiles;
  readonly value: Result<T, ToolchainFailure>;
}

interface Assembled {
  readonly package: ToolchainPackage;
  readonly probe: LearnedProbe;
}

type Env = Readonly<Record<string, string>>;

const attempts = 3;
const rememberedLimit = 256;

export class Toolchains {
  readonly #options: ToolchainsOptions;
  readonly #compilers = new Map<string, Learned<CompilerIdentity>>();
  readonly #answers = new Map<string, CompilerAnswers>();
  readonly #packages = new Map<string, Learned<ToolchainPackage>>();
  readonly #watches = new WeakMap<ToolchainPackage, ProvenFiles>();
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #learned: LearnedFile;

  constructor(options: ToolchainsOptions) {
    this.#options = options;
    this.#learned = new LearnedFile(join(options.cacheFolder, 'learned'), options.version);
  }

  /** Resolves when what was learned so far is on disk. */
  async saved(): Promise<void> {
    await this.#learned.saved();
  }

  /**
   * What this compiler is. Costs a few stats when it is known.
   * @param notBeforeMs stats made at or after this moment of the monotonic clock will do; default: stat now
   */
  async identify(request: ToolchainRequest, notBeforeMs?: number): Promise<Result<CompilerIdentity, ToolchainFailure>> {
    const path = findProgram(request.compiler, request.cwd, request.env['PATH']);
    if (path === undefined) return err({ reason: 'unknown-compiler', message: `${request.compiler} is not found` });
    const key = `${path}\0${request.env['LD_LIBRARY_PATH'] ?? ''}`;
    const known = this.#compilers.get(key);
    if (known !== undefined && (await isCurrent(known, notBeforeMs))) return known.value;
    return this.#once(`identify\0${key}`, async () => {
      const watch = this.#watch(linkChain(path));
      const value = await this.#identify(path, request.env, watch);
      remember(this.#compilers, key, { watch: this.#proven(watch), value });
      return value;
    });
  }

  /**
   * The package of an identified compiler for this environment (locale, LD_LIBRARY_PATH and PATH matter).
   * @param notBeforeMs stats made at or after this moment of the monotonic clock will do; default: stat now
   */
  async package(
    compiler: CompilerIdentity,
    env: Env,
    notBeforeMs?: number,
  ): Promise<Result<ToolchainPackage, ToolchainFailure>> {
    const key = [compiler.identity, env['PATH'] ?? '', ...localeVariables.map((name) => env[name] ?? '')].join('\0');
    const known = this.#packages.get(key);
    if (known !== undefined && (await isCurrent(known, notBeforeMs))) return known.value;
    if (known !== undefined) this.#answers.delete(compiler.identity); // they may depend on what has changed
    return this.#once(`package\0${key}`, async () => {
      const learned = await this.#package(compiler, env, key);
      remember(this.#packages, key, learned);
      return learned.value;
    });
  }

  /**
   * Whether every program, library and catalogue of the package is still what was packaged (watches, or stats).
   * @param notBeforeMs a check made at or after this moment of the monotonic clock will do; default: look now
   */
  async stillCurrent(toolchain: ToolchainPackage, notBeforeMs?: number): Promise<boolean> {
    return (await this.#watches.get(toolchain)?.unchanged(notBeforeMs)) === true;
  }

  async #identify(path: string, env: Env, watch: WatchedFiles): Promise<Result<CompilerIdentity, ToolchainFailure>> {
    const answers = await this.#answer(path, env);
    if (!answers.ok) return answers;
    const { family, driverLanguage, chain, program, name } = answers.value;
    const identity = createHash('sha256')
      .update([path, env['LD_LIBRARY_PATH'] ?? '', watch.fingerprint(), JSON.stringify(family)].join('\0'))
      .digest('hex');
    remember(this.#answers, identity, answers.value);
    return ok({ family, driverLanguage, path, chain, program, name, identity });
  }

  /** What a compiler says of itself; that of an earlier agent when its files are still the same. */
  async #answer(path: string, env: Env): Promise<Result<CompilerAnswers, ToolchainFailure>> {
    const key = [path, JSON.stringify(askingEnvironment(env))].join('\0');
    const learned = this.#learned.compiler(key);
    if (learned !== undefined && WatchedFiles.restored(learned.files).unchanged()) return ok(learned.answers);
    const chain = linkChain(path);
    const before = this.#watch(chain);
    const { processes, cacheFolder } = this.#options;
    const answers = await identifyCompiler(processes, path, env, join(cacheFolder, 'ask'));
    if (!answers.ok || !before.unchanged()) return answers;
    const files = this.#watch([...chain, ...surroundings(answers.value, env), ...answers.value.readFiles]).kept();
    if (files !== undefined) this.#learned.putCompiler(key, { files, answers: answers.value });
    return answers;
  }

  async #package(compiler: CompilerIdentity, env: Env, key: string): Promise<Learned<ToolchainPackage>> {
    const kept = await this.#restored(compiler, env, key);
    if (kept !== undefined) return kept;
    for (let attempt = 1; ; attempt += 1) {
      const driver = this.#watch(compiler.chain);
      const answers = this.#answers.get(compiler.identity);
      const asked = answers === undefined ? await this.#answer(compiler.path, env) : ok(answers);
      if (!asked.ok) return { watch: new ProvenFiles(driver), value: asked };
      const around = this.#watch(surroundings(asked.value, env));
      const { processes, cacheFolder } = this.#options;
      const workFolder = join(cacheFolder, 'ask');
      const found = await discover({ processes, compiler: compiler.path, answers: asked.value, env, workFolder });
      if (!found.ok) return { watch: new ProvenFiles(driver), surroundings: this.#proven(around), value: found };
      const watch = this.#watch([...compiler.chain, ...found.value.files, ...found.value.absent]);
      const value = await this.#assemble(compiler, found.value);
      // nothing may have changed between the first question and the last hash, or two versions would be mixed
      if (driver.unchanged() && watch.unchanged()) {
        const proven = { watch: this.#proven(watch), surroundings: this.#proven(around) };
        if (!value.ok) return { ...proven, value };
        this.#watches.set(value.value.package, proven.watch);
        const [files, surroundingFiles] = [watch.kept(), around.kept()];
        if (files !== undefined && surroundingFiles !== undefined) {
          const { probe } = value.value;
          this.#learned.putPackage(this.#packageKey(key, env), {
            files,
            surroundings: surroundingFiles,
            discovery: found.value,
            probe,
          });
        }
        return { ...proven, value: ok(value.value.package) };
      }
      if (attempt === attempts) {
        return { watch: this.#proven(watch), value: notShippable(`${compiler.path} keeps changing`) };
      }
    }
  }

  /** What an earlier agent learned, when nothing has changed since. */
  async #restored(compiler: CompilerIdentity, env: Env, key: string): Promise<Learned<ToolchainPackage> | undefined> {
    const learned = this.#learned.package(this.#packageKey(key, env));
    const answers = this.#answers.get(compiler.identity);
    if (learned === undefined || answers === undefined) return undefined;
    const watch = WatchedFiles.restored(learned.files);
    const around = WatchedFiles.restored(learned.surroundings);
    const { discovery, probe } = learned;
    if (!watch.unchanged() || !around.unchanged()) return undefined;
    // a catalogue that was installed in the meantime would be found now
    if (activeLocaleFiles(env, answers, discovery.files).join('\n') !== discovery.locale.join('\n')) return undefined;
    const value = await this.#assemble(compiler, discovery, probe);
    if (!value.ok || !watch.unchanged()) return undefined;
    const proven = { watch: this.#proven(watch), surroundings: this.#proven(around) };
    this.#watches.set(value.value.package, proven.watch);
    return { ...proven, value: ok(value.value.package) };
  }

  #packageKey(key: string, env: Env): string {
    return `${key}\0${JSON.stringify(askingEnvironment(env))}`;
  }

  async #assemble(
    compiler: CompilerIdentity,
    found: Discovery,
    known?: LearnedProbe,
  ): Promise<Result<Assembled, ToolchainFailure>> {
    const { digests, snapshots, trees, processes, cacheFolder } = this.#options;
    await digests.warm(found.files);
    const builder = trees.builder({ root: emptyTree, coarse: [] }, { style: 'toolchain' });
    for (const path of found.coarse) {
      const snapshot = await snapshots.current(path);
      const added = snapshot.ok ? builder.addSnapshot(snapshot.value) : snapshot;
      if (!added.ok) return notShippable(`${added.error.path}: ${added.error.message}`);
    }
    for (const path of found.directories) {
      const added = builder.addDirectory(path);
      if (!added.ok) return notShippable(`${added.error.path}: ${added.error.message}`);
    }
    for (const path of found.files) {
      const added = builder.addFile(path);
      if (!added.ok) return notShippable(`${added.error.path}: ${added.error.message}`);
    }
    const root = builder.finish().node;
    const { driverLanguage, path } = compiler;
    const folder = join(cacheFolder, 'probe');
    const probe = await makeProbe(processes, path, driverLanguage, found.environment, root, folder, known);
    if (!probe.ok) return notShippable(probe.error);
    return ok({
      package: toolchainPackage(compiler, found, root, probe.value),
      probe: { root: root.blob.digest.hash, object: probe.value.object },
    });
  }

  #watch(paths: readonly string[]): WatchedFiles {
    return WatchedFiles.now(paths, this.#options.nowMs?.());
  }

  #proven(files: WatchedFiles): ProvenFiles {
    return new ProvenFiles(files, this.#options.watch);
  }

  /** Callers that ask for the same at the same time share one answer. */
  async #once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}

function toolchainPackage(
  compiler: CompilerIdentity,
  found: Discovery,
  root: TreeNode,
  probe: Probe,
): ToolchainPackage {
  const message = Toolchain.fromPartial({
    name: compiler.name,
    arch: found.arch,
    root: root.blob.digest,
    probe: probe.action.digest,
    expected: [...probe.expected],
  });
  const encoded = blobOf(Toolchain.encode(message).finish());
  let blobs: readonly InputBlob[] | undefined;
  return {
    id: encoded.digest,
    message,
    compiler,
    name: compiler.name,
    arch: found.arch,
    root,
    environment: found.environment,
    coarse: found.coarse,
    blobs() {
      blobs ??= [
        ...new Map(
          [...treeBlobs(root), ...probe.blobs, { kind: 'bytes' as const, ...encoded }].map((blob) => [
            digestKey(blob.digest),
            blob,
          ]),
        ).values(),
      ];
      return blobs;
    },
  };
}

async function isCurrent<T>({ watch, surroundings }: Learned<T>, notBeforeMs = performance.now()): Promise<boolean> {
  return (await watch.unchanged(notBeforeMs)) && (await surroundings?.unchanged(notBeforeMs)) !== false;
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > rememberedLimit) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
}

function notShippable(message: string): Result<never, ToolchainFailure> {
  return err({ reason: 'toolchain-not-shippable', message });
}
