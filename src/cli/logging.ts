// The real logger: pino writing JSON lines to a file that is rotated by size.

import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { destination as pinoDestination, pino, type Logger } from 'pino';
import type { Log } from '../base/log.ts';

const rotateBytes = 16 * 1024 * 1024;
const rotateCheckMs = 30_000;

/** Logs to `path`; a file above 16 MiB becomes `path.1`. */
export function fileLog(path: string, level: string, name: string): Log {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rotate(path);
  const destination = pinoDestination({ dest: path, sync: false, mode: 0o600 });
  const timer = setInterval(() => {
    if (rotate(path)) destination.reopen();
  }, rotateCheckMs);
  timer.unref();
  return adapt(pino({ level, base: { name, pid: process.pid } }, destination));
}

function rotate(path: string): boolean {
  try {
    if (statSync(path).size < rotateBytes) return false;
    renameSync(path, `${path}.1`);
    return true;
  } catch {
    return false;
  }
}

function adapt(logger: Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => adapt(logger.child(fields)),
  };
}
