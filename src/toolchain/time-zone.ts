// The files that give the local time: needed in the sandbox only by sources that mention __DATE__, __TIME__ or __TIMESTAMP__.

import { statSync } from 'node:fs';

/** Existing files, literal paths; none for UTC without files. */
export function timeZoneFiles(env: Readonly<Record<string, string>>): string[] {
  const zone = env['TZ'];
  if (zone === undefined) return existing(['/etc/localtime']);
  const name = zone.replace(/^:/, '');
  if (name === '') return [];
  if (name.startsWith('/')) return existing([name]);
  if (name.split('/').includes('..')) return [];
  return existing([`${env['TZDIR'] ?? '/usr/share/zoneinfo'}/${name}`]);
}

function existing(paths: readonly string[]): string[] {
  return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}
