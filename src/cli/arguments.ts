// Parsers for option values; a wrong one gets commander's one-line error.

import { InvalidArgumentError } from 'commander';

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number above 0 is needed.');
  return value;
}

/** Bytes: a number with K, M, G or T (powers of 1024, `GiB` and `GB` mean the same) or without. */
export function byteSize(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('a size is needed, such as 500M or 5G.');
  const power = 'KMGT'.indexOf((match[2] ?? '').toUpperCase().padStart(1, '?')) + 1;
  return Math.floor(Number(match[1]) * 1024 ** power);
}

/** Milliseconds: a number with s, m, h, d or w. */
export function age(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([smhdw])$/.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('an age is needed, such as 30d, 12h or 90m.');
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[match[2] as 's' | 'm' | 'h' | 'd' | 'w'];
  return Number(match[1]) * seconds * 1000;
}

/** `HOST:PORT`, IPv6 hosts in brackets. */
export function hostAndPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) throw new InvalidArgumentError('HOST:PORT is needed, such as 0.0.0.0:8765.');
  return { host: match[1] ?? match[2] ?? '', port };
}
