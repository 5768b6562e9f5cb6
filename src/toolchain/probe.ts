// The probe of a toolchain: a fixed source compiled here, packed as an action. A worker that gets the same object may
// trust the toolchain in its sandbox. Unaware of how a toolchain is found.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import { Action, Command, encodeAction, encodeCommand, type Blob, type OutputFile } from '../model/action.ts';
import { digestOf, parseDigest, type Digest } from '../model/digest.ts';
import type { InputBlob } from '../model/inputs.ts';
import type { Processes } from '../model/processes.ts';
import { treeNode, type TreeNode } from '../model/tree.ts';

export interface Probe {
  readonly action: Blob;
  /** what the compiler of this machine makes of it */
  readonly object: Digest;
  readonly expected: readonly OutputFile[];
  /** action, command, and what its input root has beyond the toolchain's */
  readonly blobs: readonly InputBlob[];
}

/** The object that this machine's compiler made of the probe, when its files were those of `root`. */
export interface LearnedProbe {
  /** hash of the toolchain's tree */
  readonly root: string;
  readonly object: Digest;
}

/** Where the probe runs in the sandbox. */
const folder = 'icets-probe';
const object = 'probe.o';

const cSource = `#include <stddef.h>
#include <stdarg.h>
struct pair { size_t count; double mean; };
static const char *const names[] = { "icets", "probe" };
double icets_mean(struct pair *p, int n, ...) {
  va_list more;
  va_start(more, n);
  for (int i = 0; i < n; i++) {
    p->mean += va_arg(more, double) / (double)n;
    p->count += (size_t)names[i & 1][0];
  }
  va_end(more);
  return p->mean;
}
`;
const cxxSource = `#include <stddef.h>
template <typename T> struct Sum {
  T total{};
  template <size_t N> void add(const T (&values)[N]) { for (const T &value : values) total += value; }
};
struct Shape { virtual ~Shape() {} virtual double area() const = 0; };
struct Square final : Shape { double side; explicit Square(double s) : side(s) {} double area() const override { return side * side; } };
double icets_area(const double (&sides)[4]) {
  Sum<double> sum;
  for (double side : sides) { Square square(side); const Shape &shape = square; sum.add({shape.area()}); }
  return sum.total;
}
`;

/**
 * @param compiler absolute path of the driver
 * @param root the toolchain's tree
 * @param workFolder where the source is compiled; made when missing
 * @param known the object of an earlier probe of the same tree: nothing is compiled then
 */
export async function makeProbe(
  processes: Processes,
  compiler: string,
  language: 'c' | 'c++',
  environment: Readonly<Record<string, string>>,
  root: TreeNode,
  workFolder: string,
  known?: LearnedProbe,
): Promise<Result<Probe, string>> {
  const source = language === 'c' ? 'probe.c' : 'probe.cc';
  const text = Buffer.from(language === 'c' ? cSource : cxxSource);
  const argv = [compiler, ...(language === 'c' ? ['-std=gnu99'] : ['-std=gnu++11']), '-O2', '-c', source, '-o', object];
  const env = { ...environment, LC_ALL: 'C' };

  let expected = known?.root === root.blob.digest.hash ? parseDigest(known.object) : undefined;
  if (expected === undefined) {
    await mkdir(workFolder, { recursive: true, mode: 0o700 });
    const compiled = await compileIn(processes, argv, env, source, text, workFolder);
    if (!compiled.ok) return compiled;
    expected = digestOf(compiled.value);
  }

  const probeFolder = treeNode(
    new Map([
      [source, { digest: digestOf(text), executable: false, mtimeNs: undefined, path: join(workFolder, source) }],
    ]),
    new Map(),
    new Map(),
  );
  const inputRoot = treeNode(root.files, new Map([...root.directories, [folder, probeFolder]]), root.symlinks);
  const command = encodeCommand(
    Command.fromPartial({
      arguments: argv,
      environmentVariables: Object.entries(env)
        .map(([name, value]) => ({ name, value }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
      outputPaths: [object],
      outputFiles: [object],
      workingDirectory: folder,
    }),
  );
  const action = encodeAction(
    Action.fromPartial({ commandDigest: command.digest, inputRootDigest: inputRoot.blob.digest }),
  );
  const blobs: InputBlob[] = [action, command, probeFolder.blob, inputRoot.blob].map((blob) => ({
    kind: 'bytes',
    ...blob,
  }));
  blobs.push({ kind: 'bytes', digest: digestOf(text), bytes: text });
  return ok({
    action,
    object: expected,
    expected: [
      { path: object, digest: expected, isExecutable: false, contents: Buffer.alloc(0), nodeProperties: undefined },
    ],
    blobs,
  });
}

async function compileIn(
  processes: Processes,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  source: string,
  text: Uint8Array,
  workFolder: string,
): Promise<Result<Uint8Array, string>> {
  const cwd = await mkdtemp(join(workFolder, 'probe-'));
  try {
    await writeFile(join(cwd, source), text);
    const ran = await processes.run({ argv, env, cwd, outputLimitBytes: 1 << 20, timeoutMs: 120_000 });
    if (!ran.ok) return err(ran.error.message);
    const { status, stderr } = ran.value;
    if (status.kind !== 'exited' || status.code !== 0) {
      return err(`the probe does not compile: ${Buffer.from(stderr).toString('utf8').slice(0, 500)}`);
    }
    return ok(await readFile(join(cwd, object)));
  } catch (error) {
    return err(`the probe left no object: ${String(error)}`);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
