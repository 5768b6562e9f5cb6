// The store at the far end of a Link as a BlobStore. Small blobs travel in batches, large ones in chunks. Unaware of files.

import { createHash, randomUUID } from 'node:crypto';
import { asBuffer } from '../base/as-buffer.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { BlobStore, BlobWriter } from '../model/blob-store.ts';
import { digestKey, digestOf, sameDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { manyListeners, type LinkConnection, type RequestOptions } from './connection.ts';
import { batchBytes, chunkBytes, findMissingCount } from './link-limits.ts';
import { checkedDigests } from './message-check.ts';

/** Whence a connection comes: fixed for a worker's lease, the present one for an agent. */
export interface ConnectionSource {
  connection(signal?: AbortSignal): Promise<Result<LinkConnection, RemoteFailure>>;
}

export interface LinkBlobStoreOptions {
  /** how long one frame may wait for its answer; 60 s when not given */
  readonly timeoutMs?: number;
}

/** bulk frames on their way at once, each at most a batch */
const bulkFrames = 8;
/** chunks of one upload on their way at once */
const uploadChunks = 4;
/** what a blob costs in a batch beside its bytes */
const blobOverheadBytes = 96;

export class LinkBlobStore implements BlobStore {
  readonly #bulk = new Semaphore(bulkFrames);
  readonly #timeoutMs: number;

  constructor(
    private readonly source: ConnectionSource,
    options: LinkBlobStoreOptions = {},
  ) {
    this.#timeoutMs = options.timeoutMs ?? 60_000;
  }

  async findMissing(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Digest[], RemoteFailure>> {
    const asked = digests.filter((digest) => digest.sizeBytes > 0);
    if (asked.length === 0) return ok([]);
    const connection = await this.source.connection(signal);
    if (!connection.ok) return connection;
    const missing: Digest[] = [];
    for (let at = 0; at < asked.length; at += findMissingCount) {
      const blobDigests = asked.slice(at, at + findMissingCount);
      const reply = await connection.value.request(
        { $case: 'findMissing', value: { instanceName: '', blobDigests } },
        'findMissingReply',
        this.#requestOptions(signal),
      );
      if (!reply.ok) return reply;
      const found = checkedDigests(reply.value.missingBlobDigests);
      if (!found.ok) return err({ reason: 'incompatible', message: 'an answer with malformed digests' });
      missing.push(...found.value);
    }
    return ok(missing);
  }

  async read(digest: Digest, signal?: AbortSignal): Promise<Result<Uint8Array, RemoteFailure>> {
    if (digest.sizeBytes === 0) return ok(new Uint8Array(0));
    const connection = await this.source.connection(signal);
    if (!connection.ok) return connection;
    if (digest.sizeBytes > chunkBytes) return this.#readLarge(connection.value, digest, signal);
    const one = await this.#readBatch(connection.value, [digest], signal);
    return one.ok ? ok(one.value[0] ?? new Uint8Array(0)) : one;
  }

  async readMany(
    digests: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<Result<readonly Uint8Array[], RemoteFailure>> {
    const connection = await this.source.connection(signal);
    if (!connection.ok) return connection;
    const blobs = new Array<Uint8Array>(digests.length);
    const reads = batches(digests, (digest) => digest).map(async (batch): Promise<Result<void, RemoteFailure>> => {
      const [first] = batch;
      if (first === undefined) return ok(undefined);
      if (batch.length === 1 && first.item.sizeBytes > chunkBytes) {
        const large = await this.#readLarge(connection.value, first.item, signal);
        if (!large.ok) return large;
        blobs[first.at] = large.value;
        return ok(undefined);
      }
      const wanted = batch.map(({ item }) => item);
      const read = await this.#readBatch(connection.value, wanted, signal);
      if (!read.ok) return read;
      batch.forEach(({ at }, n) => (blobs[at] = read.value[n] ?? new Uint8Array(0)));
      return ok(undefined);
    });
    for (const read of await Promise.all(reads)) if (!read.ok) return read;
    return ok(blobs);
  }

  async write(digest: Digest, bytes: Uint8Array, signal?: AbortSignal): Promise<Result<void, RemoteFailure>> {
    return this.writeMany([{ digest, bytes }], signal);
  }

  async writeMany(
    blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[],
    signal?: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    for (const { digest, bytes } of blobs) {
      if (bytes.byteLength === digest.sizeBytes) continue;
      return err({ reason: 'invalid-request', message: `${bytes.byteLength} bytes for ${digestKey(digest)}` });
    }
    const connection = await this.source.connection(signal);
    if (!connection.ok) return connection;
    const writes = batches(blobs, (blob) => blob.digest).map(async (batch) => {
      const [first] = batch;
      if (first !== undefined && batch.length === 1 && first.item.digest.sizeBytes > chunkBytes) {
        return this.#writeLarge(connection.value, first.item.digest, first.item.bytes, signal);
      }
      const requests = batch.map(({ item }) => ({ digest: item.digest, data: asBuffer(item.bytes) }));
      const reply = await this.#bulkRequest(signal, (options) =>
        connection.value.request(
          { $case: 'batchUpdate', value: { instanceName: '', requests } },
          'batchUpdateReply',
          options,
        ),
      );
      return reply.ok ? ok(undefined) : reply;
    });
    return (await Promise.all(writes)).find((write) => !write.ok) ?? ok(undefined);
  }

  async readChunk(
    digest: Digest,
    offset: number,
    limit: number,
    signal?: AbortSignal,
  ): Promise<Result<Uint8Array, RemoteFailure>> {
    const connection = await this.source.connection(signal);
    if (!connection.ok) return connection;
    return this.#readPart(connection.value, digest, offset, Math.min(limit, batchBytes), signal);
  }

  async openWrite(digest: Digest): Promise<Result<BlobWriter, RemoteFailure>> {
    const connection = await this.source.connection();
    if (!connection.ok) return connection;
    return ok(new LinkUpload(connection.value, digest, this.#requestOptions(undefined)));
  }

  async #readBatch(
    connection: LinkConnection,
    digests: readonly Digest[],
    signal: AbortSignal | undefined,
  ): Promise<Result<Uint8Array[], RemoteFailure>> {
    const reply = await this.#bulkRequest(signal, (options) =>
      connection.request(
        { $case: 'batchRead', value: { instanceName: '', digests: [...digests] } },
        'batchReadReply',
        options,
      ),
    );
    if (!reply.ok) return reply;
    const blobs: Uint8Array[] = [];
    for (const [n, digest] of digests.entries()) {
      const data = reply.value.responses[n]?.data;
      if (data === undefined || !sameDigest(digestOf(data), digest)) return err(corrupt(digest));
      blobs.push(data);
    }
    return ok(blobs);
  }

  async #readLarge(
    connection: LinkConnection,
    digest: Digest,
    signal: AbortSignal | undefined,
  ): Promise<Result<Uint8Array, RemoteFailure>> {
    const whole = Buffer.allocUnsafe(digest.sizeBytes);
    const hash = createHash('sha256');
    const parts: Promise<Result<Uint8Array, RemoteFailure>>[] = [];
    let asked = 0;
    let got = 0;
    // Hashed in order as the chunks come, so that no long pause is spent on it at the end.
    for (;;) {
      for (; asked < digest.sizeBytes && parts.length < bulkFrames; asked += chunkBytes) {
        parts.push(this.#readPart(connection, digest, asked, chunkBytes, signal));
      }
      const next = parts.shift();
      if (next === undefined) break;
      const part = await next;
      if (!part.ok) {
        await Promise.all(parts);
        return part;
      }
      if (part.value.byteLength !== Math.min(chunkBytes, digest.sizeBytes - got)) return err(corrupt(digest));
      hash.update(part.value);
      whole.set(part.value, got);
      got += part.value.byteLength;
    }
    return hash.digest('hex') === digest.hash ? ok(whole) : err(corrupt(digest));
  }

  async #readPart(
    connection: LinkConnection,
    digest: Digest,
    offset: number,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<Result<Uint8Array, RemoteFailure>> {
    const reply = await this.#bulkRequest(signal, (options) =>
      connection.request({ $case: 'readChunk', value: { digest, offset, limit } }, 'readChunkReply', options),
    );
    return reply.ok ? ok(reply.value.data) : reply;
  }

  async #writeLarge(
    connection: LinkConnection,
    digest: Digest,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Result<void, RemoteFailure>> {
    const upload = new LinkUpload(connection, digest, this.#requestOptions(signal));
    const appended = await upload.append(bytes);
    if (appended.ok) return upload.commit();
    await upload.abort();
    return appended;
  }

  async #bulkRequest<T>(
    signal: AbortSignal | undefined,
    send: (options: RequestOptions) => Promise<Result<T, RemoteFailure>>,
  ): Promise<Result<T, RemoteFailure>> {
    if (signal !== undefined) manyListeners(signal);
    const permit = this.#bulk.tryAcquire() ?? (await this.#bulk.acquire(signal));
    if (permit === undefined) return err({ reason: 'cancelled', message: 'no longer wanted' });
    try {
      return await send({ ...this.#requestOptions(signal), bulk: true });
    } finally {
      permit.release();
    }
  }

  #requestOptions(signal: AbortSignal | undefined): RequestOptions {
    return { signal, timeoutMs: this.#timeoutMs };
  }
}

/** One upload over the connection it began on; a lost connection ends it. */
class LinkUpload implements BlobWriter {
  readonly #id = randomUUID();
  #offset = 0;
  #failure: RemoteFailure | undefined;
  #began = false;
  readonly #inFlight: Promise<void>[] = [];

  constructor(
    private readonly connection: LinkConnection,
    private readonly digest: Digest,
    private readonly requestOptions: RequestOptions,
  ) {}

  async append(bytes: Uint8Array): Promise<Result<void, RemoteFailure>> {
    for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
      while (this.#inFlight.length >= uploadChunks) await this.#inFlight.shift();
      if (this.#failure !== undefined) return err(this.#failure);
      // A copy, for the caller may use its buffer again as soon as this function has returned.
      this.#send(Buffer.from(bytes.subarray(at, at + chunkBytes)), false);
    }
    return this.#failure === undefined ? ok(undefined) : err(this.#failure);
  }

  async commit(): Promise<Result<void, RemoteFailure>> {
    if (this.#failure === undefined) this.#send(Buffer.alloc(0), true);
    await Promise.all(this.#inFlight);
    if (this.#failure !== undefined) return err(this.#failure);
    this.#failure = { reason: 'invalid-request', message: 'this upload has ended' };
    return ok(undefined);
  }

  async abort(): Promise<void> {
    const live = this.#failure === undefined && this.#began;
    this.#failure ??= { reason: 'cancelled', message: 'the upload was given up' };
    await Promise.all(this.#inFlight);
    if (!live) return;
    const { timeoutMs } = this.requestOptions;
    await this.connection.request(
      { $case: 'writeChunk', value: { ...this.#chunk(Buffer.alloc(0)), abort: true } },
      'writeChunkReply',
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  }

  #send(data: Buffer, finish: boolean): void {
    const value = { ...this.#chunk(data), finish };
    this.#offset += data.byteLength;
    this.#began = true;
    const sent = this.connection
      .request({ $case: 'writeChunk', value }, 'writeChunkReply', { ...this.requestOptions, bulk: true })
      .then((reply) => {
        if (!reply.ok) this.#failure ??= reply.error;
      });
    this.#inFlight.push(sent);
  }

  #chunk(data: Buffer) {
    return { digest: this.digest, upload: this.#id, offset: this.#offset, data, finish: false, abort: false };
  }
}

/** Groups blobs into frames, each with its place in the list; one that is too large for a batch is alone. */
function batches<T>(
  items: readonly T[],
  digestFor: (item: T) => Digest,
): { readonly item: T; readonly at: number }[][] {
  const groups: { item: T; at: number }[][] = [];
  let open: { item: T; at: number }[] = [];
  let bytes = 0;
  items.forEach((item, at) => {
    const { sizeBytes } = digestFor(item);
    if (sizeBytes > chunkBytes) {
      groups.push([{ item, at }]);
      return;
    }
    const cost = sizeBytes + blobOverheadBytes;
    if (bytes + cost > batchBytes || open.length === 0) {
      open = [];
      bytes = 0;
      groups.push(open);
    }
    open.push({ item, at });
    bytes += cost;
  });
  return groups;
}

function corrupt(digest: Digest): RemoteFailure {
  return { reason: 'store-failed', message: `other bytes than those of ${digestKey(digest)} arrived` };
}
