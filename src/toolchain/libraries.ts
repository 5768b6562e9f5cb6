// The shared libraries that programs load, with their loader, as the loader itself lists them.

import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import type { Processes } from '../model/processes.ts';
import { readElfHeader } from './elf.ts';
import { ask, askingEnvironment } from './identify.ts';

export interface Libraries {
  /** literal paths, loaders included */
  readonly files: readonly string[];
  /** folders that the loader would not look into by itself when its cache is missing */
  readonly unusualFolders: readonly string[];
}

const hardwareFolder = /\/glibc-hwcaps\/[^/]+(?=\/[^/]+$)/;

/** @param programs ELF programs and libraries of this machine; others, static ones and scripts are passed over */
export async function findLibraries(
  processes: Processes,
  programs: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Result<Libraries, string>> {
  const loaders = new Map<string, string>();
  for (const program of programs) {
    const loader = readElfHeader(program)?.interpreter;
    if (loader !== undefined) loaders.set(program, loader);
  }
  const anyLoader = [...loaders.values()][0];
  const files = new Set(loaders.values());
  const folders = new Set<string>();
  const asking = askingEnvironment(env);
  const listed = await Promise.all(
    programs.map(async (program) => {
      const header = readElfHeader(program);
      const library = header !== undefined && header.interpreter === undefined && /\.so(?:\.|$)/.test(program);
      const loader = loaders.get(program) ?? (library ? anyLoader : undefined);
      if (loader === undefined) return ok('');
      const answer = await ask(processes, [loader, '--list', program], asking, '/');
      if (answer === undefined || answer.code !== 0) return err(`${loader} cannot list the libraries of ${program}`);
      return ok(answer.stdout);
    }),
  );
  for (const answer of listed) {
    if (!answer.ok) return answer;
    for (const line of answer.value.split('\n')) {
      const missing = /^\s*(\S+) => not found/.exec(line);
      if (missing !== null) return err(`the library ${missing[1]} is missing`);
      const path = /^\s*(?:\S+ => )?(\/.*) \(0x[0-9a-f]+\)$/.exec(line)?.[1];
      if (path === undefined) continue;
      files.add(path);
      const general = path.replace(hardwareFolder, '');
      if (general !== path && existsSync(general)) files.add(general);
      const folder = posix.dirname(general);
      if (!usualFolder(folder)) folders.add(folder);
    }
  }
  return ok({ files: [...files].sort(), unusualFolders: [...folders].sort() });
}

/** What a loader searches without configuration: /lib, /usr/lib, their 64 and 32 bit kin, and their multiarch folders. */
function usualFolder(folder: string): boolean {
  return /^(?:\/usr)?\/lib(?:32|64|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9_]+)?$/.test(folder);
}
