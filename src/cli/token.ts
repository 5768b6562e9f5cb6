// The cluster token: a random secret in a file that only its owner can read.

import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';

/** Reads the token; the error is one line that says what to do. */
export function readToken(path: string): Result<string, string> {
  try {
    const mode = statSync(path).mode & 0o077;
    if (mode !== 0) return err(`${path} can be read by others; run: chmod 600 ${path}`);
    const token = readFileSync(path, 'utf8').trim();
    if (!/^[0-9a-f]{32,128}$/.test(token))
      return err(`${path} holds no cluster token; copy it from the scheduler's machine`);
    return ok(token);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return err(`no cluster token at ${path}; copy it from the scheduler's machine, or run icets up`);
    }
    return err(`cannot read ${path}: ${(error as Error).message}`);
  }
}

/** Reads the token, and makes one when there is no file. Two processes that do this at once agree on one token. */
export function readOrMakeToken(path: string): Result<string, string> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeSync(fd, `${randomBytes(32).toString('hex')}\n`);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      return err(`cannot make ${path}: ${(error as Error).message}`);
  }
  return readToken(path);
}
