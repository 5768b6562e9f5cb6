// Content addresses: SHA-256 and size, as in the Remote Execution API v2 (message Digest).

import { createHash } from 'node:crypto';
import type { Brand } from '../base/brand.ts';

/** 64 lower-case hexadecimal digits. */
export type DigestHash = Brand<string, 'DigestHash'>;

export interface Digest {
  readonly hash: DigestHash;
  /** bytes */
  readonly sizeBytes: number;
}

export function digestOf(bytes: Uint8Array): Digest {
  return { hash: createHash('sha256').update(bytes).digest('hex') as DigestHash, sizeBytes: bytes.byteLength };
}

export const emptyDigest: Digest = digestOf(new Uint8Array(0));

/** Checks a digest that came from outside; undefined when it is not one. */
export function parseDigest(
  raw: { readonly hash: string; readonly sizeBytes: number } | undefined,
): Digest | undefined {
  if (raw === undefined) return undefined;
  if (!/^[0-9a-f]{64}$/.test(raw.hash)) return undefined;
  if (!Number.isSafeInteger(raw.sizeBytes) || raw.sizeBytes < 0) return undefined;
  return { hash: raw.hash as DigestHash, sizeBytes: raw.sizeBytes };
}

export function sameDigest(a: Digest, b: Digest): boolean {
  return a.hash === b.hash && a.sizeBytes === b.sizeBytes;
}

/** `hash/size`, the spelling used in maps, logs and REAPI resource names. */
export function digestKey(digest: Digest): string {
  return `${digest.hash}/${digest.sizeBytes}`;
}
