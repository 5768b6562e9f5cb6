// Toolchains by compiler and environment: asked and packaged once, checked again before every result is accepted.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import { blobOf, Toolchain } from '../model/action.ts';
import { digestKey } from '../model/digest.ts';
import type { DirectorySnapshots, FileDigests, InputBlob, InputTrees } from '../model/inputs.ts';
import type { Processes } from '../model/processes.ts';
import { emptyTree, treeBlobs, type TreeNode } from '../model/tree.ts';
import { discover, type Discovery } from './discover.ts';
import { identifyCompiler, type CompilerAnswers } from './identify.ts';
import { localeVariables } from './locale-files.ts';
import { makeProbe, type Probe } from './probe.ts';
import { findProgram, linkChain } from './program-path.ts';
import type { CompilerIdentity, ToolchainFailure, ToolchainPackage, ToolchainRequest } from './toolchain-package.ts';
import { WatchedFiles } from './watched-files.ts';

export interface ToolchainsOptions {
  readonly processes: Processes;
  readonly digests: FileDigests;
  readonly snapshots: DirectorySnapshots;
  readonly trees: InputTrees;
  /** folder for probe sources and trial compiles; made when missing */
  readonly cacheFolder: string;
}

/** What was learned of something, as long as its files stay what they were. */
interface Learned<T> {
  readonly watch: WatchedFiles;
  readonly value: Result<T, ToolchainFailure>;
}

type Env = Readonly<Record<string, string>>;

const attempts = 3;
const rememberedLimit = 256;

export class Toolchains {
  readonly #options: ToolchainsOptions;
  readonly #compilers = new Map<string, Learned<CompilerIdentity>>();
  readonly #answers = new Map<string, CompilerAnswers>();
  readonly #packages = new Map<string, Learned<ToolchainPackage>>();
  readonly #watches = new WeakMap<ToolchainPackage, WatchedFiles>();
  readonly #running = new Map<string, Promise<unknown>>();

  constructor(options: ToolchainsOptions) {
    this.#options = options;
  }

  /** What this compiler is. Costs a few stats when it is known. */
  async identify(request: ToolchainRequest): Promise<Result<CompilerIdentity, ToolchainFailure>> {
    const path = findProgram(request.compiler, request.cwd, request.env['PATH']);
    if (path === undefined) return err({ reason: 'unknown-compiler', message: `${request.compiler} is not found` });
    const key = `${path}\0${request.env['LD_LIBRARY_PATH'] ?? ''}`;
    const known = this.#compilers.get(key);
    if (known !== undefined && known.watch.unchanged()) return known.value;
    return this.#once(`identify\0${key}`, async () => {
      const watch = new WatchedFiles(linkChain(path));
      const value = await this.#identify(path, request.env, watch);
      remember(this.#compilers, key, { watch, value });
      return value;
    });
  }

  /** The package of an identified compiler for this environment (locale, LD_LIBRARY_PATH and PATH matter). */
  async package(compiler: CompilerIdentity, env: Env): Promise<Result<ToolchainPackage, ToolchainFailure>> {
    const key = [compiler.identity, env['PATH'] ?? '', ...localeVariables.map((name) => env[name] ?? '')].join('\0');
    const known = this.#packages.get(key);
    if (known !== undefined && known.watch.unchanged()) return known.value;
    return this.#once(`package\0${key}`, async () => {
      const learned = await this.#package(compiler, env);
      remember(this.#packages, key, learned);
      return learned.value;
    });
  }

  /**
   * Whether every program, library and catalogue of the package is still what was packaged (stats only).
   * @param notBeforeMs a check made at or after this moment of the monotonic clock will do; default: look now
   */
  stillCurrent(toolchain: ToolchainPackage, notBeforeMs?: number): boolean {
    return this.#watches.get(toolchain)?.unchanged(notBeforeMs) === true;
  }

  async #identify(path: string, env: Env, watch: WatchedFiles): Promise<Result<CompilerIdentity, ToolchainFailure>> {
    const { processes, cacheFolder } = this.#options;
    const answers = await identifyCompiler(processes, path, env, join(cacheFolder, 'ask'));
    if (!answers.ok) return answers;
    const { family, driverLanguage, chain, program, name } = answers.value;
    const identity = createHash('sha256')
      .update([path, env['LD_LIBRARY_PATH'] ?? '', watch.fingerprint(), JSON.stringify(family)].join('\0'))
      .digest('hex');
    remember(this.#answers, identity, answers.value);
    return ok({ family, driverLanguage, path, chain, program, name, identity });
  }

  async #package(compiler: CompilerIdentity, env: Env): Promise<Learned<ToolchainPackage>> {
    for (let attempt = 1; ; attempt += 1) {
      const driver = new WatchedFiles(compiler.chain);
      const found = await this.#discover(compiler, env);
      if (!found.ok) return { watch: driver, value: found };
      const watch = new WatchedFiles([...compiler.chain, ...found.value.files, ...found.value.absent]);
      const value = await this.#assemble(compiler, found.value);
      // nothing may have changed between the first question and the last hash, or two versions would be mixed
      if (driver.unchanged() && watch.unchanged()) {
        if (value.ok) this.#watches.set(value.value, watch);
        return { watch, value };
      }
      if (attempt === attempts) return { watch, value: notShippable(`${compiler.path} keeps changing`) };
    }
  }

  async #discover(compiler: CompilerIdentity, env: Env): Promise<Result<Discovery, ToolchainFailure>> {
    const { processes, cacheFolder } = this.#options;
    const workFolder = join(cacheFolder, 'ask');
    let answers = this.#answers.get(compiler.identity);
    if (answers === undefined) {
      const asked = await identifyCompiler(processes, compiler.path, env, workFolder);
      if (!asked.ok) return asked;
      answers = asked.value;
    }
    return discover({ processes, compiler: compiler.path, answers, env, workFolder });
  }

  async #assemble(compiler: CompilerIdentity, found: Discovery): Promise<Result<ToolchainPackage, ToolchainFailure>> {
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
    const probe = await makeProbe(processes, path, driverLanguage, found.environment, root, join(cacheFolder, 'probe'));
    if (!probe.ok) return notShippable(probe.error);
    return ok(toolchainPackage(compiler, found, root, probe.value));
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
