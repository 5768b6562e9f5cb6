// Where this installation of icets lies: everything is found from the running bundle, dist/icets.mjs or dist/agent.mjs.

import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

declare const __ICETS_VERSION__: string | undefined;

/** The version of package.json, put in by the build. */
export const version = typeof __ICETS_VERSION__ === 'string' ? __ICETS_VERSION__ : '0.0.0-source';

export function installationRoot(): string {
  return resolve(dirname(fileURLToPath(import.meta.url)), '..');
}

export function cliScript(): string {
  return join(installationRoot(), 'dist/icets.mjs');
}
