// Bundles a part of a bench that is written in TypeScript.

import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Below the checkout, so that packages are found from there. */
const cache = fileURLToPath(new URL('../../.cache', import.meta.url));

/**
 * Answers the path of a program that node can run.
 * @param {string} entry path of a .ts file
 * @param {string} folder name of the folder that programs of this bench have
 */
export async function bundle(entry, folder) {
  const place = join(cache, folder);
  mkdirSync(place, { recursive: true });
  const outfile = join(place, `${basename(entry, '.ts')}-${process.pid}.mjs`);
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'warning',
    outfile,
  });
  return outfile;
}
