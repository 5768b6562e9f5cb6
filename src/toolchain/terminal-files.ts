// The file that describes a terminal: clang asks it (through terminfo) whether the terminal has colours.

import { statSync } from 'node:fs';

const folders = ['/etc/terminfo', '/lib/terminfo', '/usr/share/terminfo'];

/** Existing files, literal paths; none when TERM is not set or names no terminal that is described on this machine. */
export function terminalFiles(env: Readonly<Record<string, string>>): string[] {
  const terminal = env['TERM'] ?? '';
  if (!/^[\w+-][\w+.-]*$/.test(terminal)) return [];
  const named = [env['TERMINFO'] ?? '', ...(env['TERMINFO_DIRS'] ?? '').split(':')];
  return [...named.filter((folder) => folder.startsWith('/')), ...folders]
    .map((folder) => `${folder}/${terminal.charAt(0)}/${terminal}`)
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}
