// Bundles a TypeScript program of a test, so that a process of its own can run it.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

export interface Bundle {
  readonly dir: string;
  /** argv of the program, to which its own arguments are added */
  readonly argv: readonly [string, string];
  readonly env: NodeJS.ProcessEnv;
}

/** @param source relative to the checkout, which is the current directory of every test */
export async function bundled(source: string): Promise<Bundle> {
  const dir = await mkdtemp(join(tmpdir(), 'icets-bundle-'));
  const program = join(dir, 'program.mjs');
  await build({
    entryPoints: [source],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    // Native code stays where it is; the path makes it found from anywhere.
    plugins: [
      {
        name: 'native',
        setup: (to) => {
          to.onResolve({ filter: /^lmdb$/ }, () => ({
            path: join(process.cwd(), 'node_modules/lmdb/node-index.js'),
            external: true,
          }));
        },
      },
    ],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  const { NODE_OPTIONS: _options, NODE_EXTRA_CA_CERTS: _certificates, ...env } = process.env;
  return { dir, argv: [process.execPath, program], env };
}
