// A compile below a base directory, for tests of the canonical place.

import type { CompileInPlace } from '../../src/agent/base-directory.ts';
import { classifyCommand } from '../../src/compiler/classify.ts';
import { digestOf } from '../../src/model/digest.ts';
import type { FileFacts } from '../../src/model/inputs.ts';
import { emptyTree } from '../../src/model/tree.ts';
import { noFacts } from '../../src/scan/file-facts.ts';
import type { Closure } from '../../src/scan/scanner.ts';

export interface Sketch extends Partial<Omit<CompileInPlace, 'compile' | 'closure'>> {
  readonly files?: readonly string[];
  readonly closure?: Partial<Closure>;
  readonly facts?: Partial<FileFacts>;
}

/** A compile of `root`/src/a.c in `root`/build under a prefix map, as the agent knows it before anything is sent. */
export function inPlaceCompile(root: string, sketch: Sketch = {}): CompileInPlace {
  const argv = `-O1 -ffile-prefix-map=${root}=. -I${root}/include -c ${root}/src/a.c -o a.o`.split(' ');
  const compile = classifyCommand({
    family: { kind: 'gcc', version: '12.2.0', major: 12, target: 'x86_64-linux-gnu' },
    driverLanguage: 'c',
    argv,
    env: {},
    readResponseFile: () => undefined,
  });
  if (compile.kind === 'local') throw new Error(compile.reason);
  const files = sketch.files ?? [`${root}/src/a.c`, `${root}/include/a.h`, '/usr/include/stdio.h'];
  const stat = { dev: 1, ino: 1, sizeBytes: 1, mtimeMs: 0, ctimeMs: 0, mode: 0o100644 };
  const record = { digest: digestOf(Buffer.from('x')), stat, mtimeNs: 0n, facts: { ...noFacts, ...sketch.facts } };
  const closure: Closure = {
    rung: 'exact',
    files: files.map((path) => ({ path, record })),
    directories: [`${root}/build`, `${root}/include`],
    coarse: ['/usr/include'],
    probes: [],
    dependencies: files,
    dateOrTime: false,
    timestamp: false,
    sourceBytes: 1,
    ...sketch.closure,
  };
  const plain = {
    responseFiles: [],
    invokedAs: 'gcc',
    compiler: '/usr/bin/gcc',
    cwd: `${root}/build`,
    env: { LANG: 'C' },
  };
  return { ...plain, extraFiles: [], toolchainRoot: emptyTree, ...sketch, argv, compile, closure };
}
