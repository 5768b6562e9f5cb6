// A folder of a test's own, with helpers to fill it and to make files look old.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface ScratchFolder {
  readonly path: string;
  write(name: string, content: string): string;
  folder(name: string): string;
  link(name: string, target: string): string;
  remove(): void;
}

export function scratchFolder(purpose: string): ScratchFolder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), `icets-${purpose}-`)));
  const place = (name: string) => {
    const full = join(path, name);
    mkdirSync(dirname(full), { recursive: true });
    return full;
  };
  return {
    path,
    write(name, content) {
      const full = place(name);
      writeFileSync(full, content);
      return full;
    },
    folder(name) {
      const full = place(name);
      mkdirSync(full, { recursive: true });
      return full;
    },
    link(name, target) {
      const full = place(name);
      symlinkSync(target, full);
      return full;
    },
    remove() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
