// Serves a BlobStore to one peer: checks what it asks for and keeps its open uploads. Unaware of sockets.

import { asBuffer } from '../base/as-buffer.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { BlobStore, BlobWriter } from '../model/blob-store.ts';
import type { Clock, Timer } from '../model/clock.ts';
import { digestKey, sameDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import type { WriteChunk } from '../proto/generated/icets/link/v1/link.ts';
import type { RequestContext } from './connection.ts';
import type { FrameBody, FrameValue } from './frame-codec.ts';
import type { LinkLimits } from './link-limits.ts';
import { checkedDigest, checkedDigests, invalidRequest } from './message-check.ts';

interface Upload {
  readonly digest: Digest;
  /** the chunks so far, one after the other; each is the state after it */
  tail: Promise<Result<UploadState, RemoteFailure>>;
  lastUsedMs: number;
}

interface UploadState {
  readonly writer: BlobWriter;
  readonly bytes: number;
}

export class BlobService {
  readonly #uploads = new Map<string, Upload>();
  #sweep: Timer | undefined;
  #closed = false;

  constructor(
    private readonly store: BlobStore,
    private readonly limits: LinkLimits,
    private readonly clock: Clock,
  ) {}

  get openUploads(): number {
    return this.#uploads.size;
  }

  /** Answers requests for blobs; undefined for any other request. */
  handle(body: FrameBody, context: RequestContext): Promise<Result<FrameBody, RemoteFailure>> | undefined {
    switch (body.$case) {
      case 'findMissing':
        return this.#findMissing(body.value, context);
      case 'batchRead':
        return this.#batchRead(body.value, context);
      case 'batchUpdate':
        return this.#batchUpdate(body.value);
      case 'readChunk':
        return this.#readChunk(body.value, context);
      case 'writeChunk':
        return this.#writeChunk(body.value);
      default:
        return undefined;
    }
  }

  /** Drops every open upload. */
  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    for (const id of [...this.#uploads.keys()]) this.#drop(id);
  }

  async #findMissing(
    request: FrameValue<'findMissing'>,
    context: RequestContext,
  ): Promise<Result<FrameBody, RemoteFailure>> {
    const digests = checkedDigests(request.blobDigests);
    if (!digests.ok) return digests;
    const missing = await this.store.findMissing(digests.value, context.signal);
    if (!missing.ok) return missing;
    return ok({ $case: 'findMissingReply', value: { missingBlobDigests: [...missing.value] } });
  }

  /** The reply has the blobs in the order of the request and leaves their digests out; one missing blob fails the request. */
  async #batchRead(
    request: FrameValue<'batchRead'>,
    context: RequestContext,
  ): Promise<Result<FrameBody, RemoteFailure>> {
    const digests = checkedDigests(request.digests);
    if (!digests.ok) return digests;
    const total = digests.value.reduce((sum, digest) => sum + digest.sizeBytes + 16, 0);
    if (total > this.limits.maxFrameBytes / 2) {
      return err(invalidRequest(`${total} bytes are too many for one reply; read large blobs in chunks`));
    }
    const blobs = await this.store.readMany(digests.value, context.signal);
    if (!blobs.ok) return blobs;
    const responses = blobs.value.map((bytes) => ({ digest: undefined, data: asBuffer(bytes), status: undefined }));
    return ok({ $case: 'batchReadReply', value: { responses } });
  }

  /** The reply is empty: every blob was stored. One that was not fails the request. */
  async #batchUpdate(request: FrameValue<'batchUpdate'>): Promise<Result<FrameBody, RemoteFailure>> {
    const blobs: { digest: Digest; bytes: Uint8Array }[] = [];
    for (const one of request.requests) {
      const digest = checkedDigest(one.digest);
      if (!digest.ok) return digest;
      if (digest.value.sizeBytes !== one.data.byteLength) return err(wrongSize(digest.value, one.data.byteLength));
      blobs.push({ digest: digest.value, bytes: one.data });
    }
    const stored = await this.store.writeMany(blobs);
    return stored.ok ? ok({ $case: 'batchUpdateReply', value: { responses: [] } }) : stored;
  }

  async #readChunk(
    request: FrameValue<'readChunk'>,
    context: RequestContext,
  ): Promise<Result<FrameBody, RemoteFailure>> {
    const digest = checkedDigest(request.digest);
    if (!digest.ok) return digest;
    const { offset, limit } = request;
    if (offset < 0 || offset > digest.value.sizeBytes || limit < 0 || limit > this.limits.maxFrameBytes / 2) {
      return err(invalidRequest(`no chunk of ${limit} bytes at ${offset} of ${digestKey(digest.value)}`));
    }
    const bytes = await this.store.readChunk(digest.value, offset, limit, context.signal);
    return bytes.ok ? ok({ $case: 'readChunkReply', value: { data: asBuffer(bytes.value) } }) : bytes;
  }

  async #writeChunk(chunk: WriteChunk): Promise<Result<FrameBody, RemoteFailure>> {
    const before = this.#uploads.get(chunk.upload);
    if (chunk.abort) {
      this.#drop(chunk.upload);
      return ok({ $case: 'writeChunkReply', value: { committedBytes: 0, complete: false } });
    }
    const opened = before === undefined ? this.#open(chunk) : this.#continue(before, chunk);
    if (!opened.ok) return opened;
    const upload = opened.value;
    upload.lastUsedMs = this.clock.monotonicMs();
    const step = upload.tail.then((state) => (state.ok ? this.#append(upload.digest, state.value, chunk) : state));
    upload.tail = step;
    const result = await step;
    if (!result.ok || chunk.finish) this.#uploads.delete(chunk.upload);
    if (!result.ok) return result;
    return ok({
      $case: 'writeChunkReply',
      value: { committedBytes: result.value.bytes, complete: chunk.finish },
    });
  }

  #open(chunk: WriteChunk): Result<Upload, RemoteFailure> {
    const digest = checkedDigest(chunk.digest);
    if (!digest.ok) return digest;
    if (this.#closed) return err({ reason: 'disconnected', message: 'the connection is closed' });
    if (chunk.upload === '' || chunk.upload.length > 64) return err(invalidRequest('an upload without a short name'));
    if (chunk.offset !== 0) return err(invalidRequest(`no upload ${JSON.stringify(chunk.upload)} is open`));
    if (this.#uploads.size >= this.limits.maxUploads) {
      return err({ reason: 'limit-exceeded', message: `more than ${this.limits.maxUploads} uploads at once` });
    }
    const tail = this.store
      .openWrite(digest.value)
      .then((opened) => (opened.ok ? ok<UploadState>({ writer: opened.value, bytes: 0 }) : opened));
    const upload: Upload = { digest: digest.value, tail, lastUsedMs: 0 };
    this.#uploads.set(chunk.upload, upload);
    if (this.#sweep === undefined) this.#sweepLater();
    return ok(upload);
  }

  #continue(upload: Upload, chunk: WriteChunk): Result<Upload, RemoteFailure> {
    const digest = checkedDigest(chunk.digest);
    if (!digest.ok) return digest;
    if (sameDigest(digest.value, upload.digest)) return ok(upload);
    this.#drop(chunk.upload);
    return err(invalidRequest('a chunk with another digest than its upload'));
  }

  async #append(digest: Digest, state: UploadState, chunk: WriteChunk): Promise<Result<UploadState, RemoteFailure>> {
    const { writer } = state;
    if (chunk.offset !== state.bytes) {
      await writer.abort();
      return err(
        invalidRequest(`a chunk at ${chunk.offset} of ${digestKey(digest)} where ${state.bytes} was expected`),
      );
    }
    if (chunk.data.byteLength > 0) {
      const appended = await writer.append(chunk.data);
      if (!appended.ok) {
        await writer.abort();
        return appended;
      }
    }
    if (chunk.finish) {
      const committed = await writer.commit();
      if (!committed.ok) return committed;
    }
    return ok({ writer, bytes: state.bytes + chunk.data.byteLength });
  }

  #drop(id: string): void {
    const upload = this.#uploads.get(id);
    if (upload === undefined) return;
    this.#uploads.delete(id);
    const gone: RemoteFailure = { reason: 'cancelled', message: 'the upload was given up' };
    upload.tail = upload.tail.then(async (state) => {
      if (state.ok) await state.value.writer.abort();
      return err(gone);
    });
  }

  #sweepLater(): void {
    this.#sweep = this.clock.after(this.limits.uploadIdleMs, () => {
      this.#sweep = undefined;
      const now = this.clock.monotonicMs();
      for (const [id, upload] of this.#uploads) {
        if (now - upload.lastUsedMs >= this.limits.uploadIdleMs) this.#drop(id);
      }
      if (this.#uploads.size > 0 && !this.#closed) this.#sweepLater();
    });
  }
}

function wrongSize(digest: Digest, bytes: number): RemoteFailure {
  return invalidRequest(`${bytes} bytes came for ${digestKey(digest)}`);
}
