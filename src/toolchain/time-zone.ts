// The files that give the local time: needed in the sandbox only by sources that mention __DATE__, __TIME__ or __TIMESTAMP__.

import { isFile } from './program-path.ts';

/** Existing files, literal paths; none for UTC without files. */
export function timeZoneFiles(env: Readonly<Record<string, string>>): string[] {
  const zone = env['TZ'];
  if (zone === undefined) return ['/etc/localtime'].filter(isFile);
  const name = zone.replace(/^:/, '');
  if (name === '') return [];
  if (name.startsWith('/')) return [name].filter(isFile);
  if (name.split('/').includes('..')) return [];
  return [`${env['TZDIR'] ?? '/usr/share/zoneinfo'}/${name}`].filter(isFile);
}
