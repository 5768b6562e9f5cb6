// What roles in the foreground have in common: the ready line, and ending on a signal.

import type { ReadyLine } from './roles.ts';

/** Tells whoever started this process that it serves; a reader that has gone does not matter. */
export function announce(url: string): void {
  const line: ReadyLine = { ready: true, url };
  process.stdout.on('error', () => {});
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const dayMs = 86_400_000;

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP. A second one ends the process at once. Until then the process stays,
 * even while nothing else keeps it: a worker between two connections has timers only that do not.
 */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    const staying = setInterval(() => {}, dayMs);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        clearInterval(staying);
        resolve(signal);
      });
    }
  });
}
