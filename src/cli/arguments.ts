// Parsers for option values; a wrong one gets commander's one-line error.

import { InvalidArgumentError } from 'commander';

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number above 0 is needed.');
  return value;
}

/** `HOST:PORT`, IPv6 hosts in brackets. */
export function hostAndPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) throw new InvalidArgumentError('HOST:PORT is needed, such as 0.0.0.0:8765.');
  return { host: match[1] ?? match[2] ?? '', port };
}
