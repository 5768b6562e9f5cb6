// The files of the active locale: character types, message catalogues, conversions. Without them diagnostics quote differently.
// Unaware of compilers, but for the names of their catalogues.

import { existsSync, readdirSync } from 'node:fs';
import { isFile } from './program-path.ts';

type Environment = Readonly<Record<string, string>>;

/** Variables that choose a locale; part of the key of everything that depends on one. */
export const localeVariables = ['LC_ALL', 'LC_CTYPE', 'LC_MESSAGES', 'LANG', 'LANGUAGE'] as const;

const localeFolder = '/usr/lib/locale';
const catalogueFolders = ['/usr/share/locale', '/usr/share/locale-langpack'];

/**
 * Existing files, literal paths.
 * @param domains message catalogues by name, without `.mo`
 * @param libraryFolders where the C library lies: its conversion modules lie in `gconv` beside it
 * @param moreCatalogueFolders `share/locale` of a compiler with its own prefix
 */
export function localeFiles(
  env: Environment,
  domains: readonly string[],
  libraryFolders: readonly string[],
  moreCatalogueFolders: readonly string[] = [],
): string[] {
  const names = [...new Set([active(env, 'LC_CTYPE'), active(env, 'LC_MESSAGES')])].filter((name) => !isPlain(name));
  if (names.length === 0) return [];
  const found = [`${catalogueFolders[0]}/locale.alias`];
  for (const name of names) {
    const folders = variants(name).map((variant) => `${localeFolder}/${variant}`);
    const own = folders.filter((folder) => existsSync(folder));
    for (const folder of own) found.push(...filesBelow(folder));
    // a locale of the archive wins over a folder, except that C.UTF-8 comes as a folder
    if (own.length === 0 || !/^C\./.test(name)) found.push(`${localeFolder}/locale-archive`);
    const utf8 = /\.utf-?8(?:@|$)/i.test(name);
    for (const folder of libraryFolders) {
      if (utf8) found.push(...['gconv-modules.cache', 'gconv-modules'].map((file) => `${folder}/gconv/${file}`));
      else found.push(...filesBelow(`${folder}/gconv`));
    }
  }
  const languages = new Set<string>();
  const messages = active(env, 'LC_MESSAGES');
  if (!isPlain(messages)) {
    for (const language of [...(env['LANGUAGE'] ?? '').split(':'), messages]) {
      if (language !== '') for (const variant of variants(language)) languages.add(variant);
    }
  }
  for (const folder of [...catalogueFolders, ...moreCatalogueFolders]) {
    for (const language of languages) {
      for (const domain of domains) found.push(`${folder}/${language}/LC_MESSAGES/${domain}.mo`);
    }
  }
  return [...new Set(found)].filter(isFile);
}

function active(env: Environment, category: 'LC_CTYPE' | 'LC_MESSAGES'): string {
  for (const name of ['LC_ALL', category, 'LANG']) {
    const value = env[name];
    if (value !== undefined && value !== '') return value;
  }
  return 'C';
}

function isPlain(name: string): boolean {
  return name === 'C' || name === 'POSIX';
}

/** Spellings under which the C library looks for `language_COUNTRY.codeset@modifier`. */
function variants(name: string): string[] {
  if (!/^[A-Za-z0-9_.@-]+$/.test(name) || name.includes('..')) return [];
  const parts = /^([^_.@]+)(_[^.@]+)?(\.[^@]+)?(@.+)?$/.exec(name);
  if (parts === null) return [name];
  const [, language = '', country = '', codeset = '', modifier = ''] = parts;
  const normal =
    codeset === ''
      ? ''
      : `.${codeset
          .slice(1)
          .toLowerCase()
          .replace(/[^a-z0-9]/g, '')}`;
  const all = new Set<string>();
  for (const place of [country, '']) {
    for (const set of [codeset, normal, '']) {
      for (const suffix of [modifier, '']) all.add(`${language}${place}${set}${suffix}`);
    }
  }
  return [...all];
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? filesBelow(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
    );
  } catch {
    return [];
  }
}
