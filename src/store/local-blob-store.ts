// What a store in this process offers beyond the BlobStore port: pins and figures. Unaware of where the bytes are kept.

import type { BlobStore } from '../model/blob-store.ts';
import type { Digest } from '../model/digest.ts';

/** Keeps blobs from being evicted, those that arrive after the pin as well. Pins of one blob add up. */
export interface Pin {
  /** Lets the blobs go; calling it again does nothing. */
  release(): void;
}

export interface StoreFigures {
  readonly blobs: number;
  /** bytes used; a disk store counts whole disk blocks */
  readonly bytes: number;
  readonly limitBytes: number;
}

export interface LocalBlobStore extends BlobStore {
  /** Protects the named blobs, present or not, until released. */
  pin(digests: readonly Digest[]): Pin;
  figures(): StoreFigures;
}
