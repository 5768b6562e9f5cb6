// Finds running processes by what /proc says of them.

import { readdirSync, readFileSync } from 'node:fs';

export interface RunningProcess {
  readonly pid: number;
  /** at most 15 bytes of the program's name */
  readonly name: string;
  /** arguments, separated by spaces */
  readonly command: string;
  /** NAME=value entries, each ended by a NUL */
  readonly environment: string;
}

/** Every process that can be looked at, this one left out; those that end meanwhile are passed over. */
export function runningProcesses(): RunningProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8');
      try {
        return [
          {
            pid: Number(pid),
            name: read('comm').trim(),
            command: read('cmdline').replaceAll('\0', ' ').trim(),
            environment: read('environ'),
          },
        ];
      } catch {
        return [];
      }
    });
}
