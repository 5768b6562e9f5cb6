// The action cache as the scheduler uses it: a result counts only while all its outputs are in the store, and trouble
// with the cache is a miss. Unaware of tasks.

import { err, ok, type Result } from '../base/result.ts';
import type { Log } from '../base/log.ts';
import type { ActionCache } from '../model/action-cache.ts';
import { Action, type ActionResult } from '../model/action.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { digestKey, parseDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { outputDigests } from './verdict.ts';

/** What the scheduler needs to know of an action before it queues it. */
export interface ActionFacts {
  readonly command: Digest;
  readonly inputRoot: Digest;
  readonly doNotCache: boolean;
  readonly timeoutMs: number | undefined;
}

/** Outputs up to this size travel in a result, as they do from a worker. */
const inlineBytes = 1024 * 1024;
const inlineTogetherBytes = 3 * inlineBytes;

/** An Action is two digests and a few numbers. */
const maxActionBytes = 1024 * 1024;

export class ResultKeeper {
  readonly #cache: ActionCache;
  readonly #blobs: BlobStore;
  readonly #log: Log;

  constructor(cache: ActionCache, blobs: BlobStore, log: Log) {
    this.#cache = cache;
    this.#blobs = blobs;
    this.#log = log;
  }

  /** A kept result with all its outputs, or undefined; one whose outputs have been evicted is dropped. */
  async find(key: Digest): Promise<ActionResult | undefined> {
    const found = await this.#cache.get(key);
    if (!found.ok) {
      this.#log.warn({ key: key.hash, failure: found.error }, 'the action cache could not be read');
      return undefined;
    }
    if (found.value === undefined) return undefined;
    const complete = await this.#withContents(found.value);
    if (complete === undefined) await this.drop(key);
    return complete;
  }

  /** Keeps a result; a cache that cannot is logged and forgotten. */
  async keep(key: Digest, result: ActionResult): Promise<void> {
    const kept = await this.#cache.put(key, withoutContents(result));
    if (!kept.ok) this.#log.warn({ key: key.hash, failure: kept.error }, 'a result could not be cached');
  }

  async drop(key: Digest): Promise<void> {
    const dropped = await this.#cache.remove(key);
    if (!dropped.ok) this.#log.warn({ key: key.hash, failure: dropped.error }, 'a result could not be dropped');
  }

  /** The result as a worker would have sent it: outputs up to a size in it, all others in the store; undefined when one is gone. */
  async #withContents(result: ActionResult): Promise<ActionResult | undefined> {
    const small: Digest[] = [];
    let inlined = 0;
    for (const { digest: raw, contents } of result.outputFiles) {
      const digest = parseDigest(raw);
      if (digest === undefined) return undefined;
      if (contents.byteLength > 0 || digest.sizeBytes === 0 || digest.sizeBytes > inlineBytes) continue;
      if (inlined + digest.sizeBytes > inlineTogetherBytes) continue;
      inlined += digest.sizeBytes;
      small.push(digest);
    }
    const read = await this.#blobs.readMany(small);
    if (!read.ok) return undefined;
    const contents = new Map(small.map((digest, at) => [digestKey(digest), read.value[at]]));
    const outputFiles = result.outputFiles.map((file) => {
      const digest = parseDigest(file.digest);
      const bytes = digest === undefined ? undefined : contents.get(digestKey(digest));
      return bytes === undefined ? file : { ...file, contents: Buffer.from(bytes) };
    });
    const rest = outputFiles.filter((file) => file.contents.byteLength === 0);
    const missing = await this.missingOutput({ ...result, outputFiles: rest });
    return missing === undefined ? { ...result, outputFiles } : undefined;
  }

  /** Why the outputs of a result cannot be had from the store; undefined when all are there. */
  async missingOutput(result: ActionResult): Promise<string | undefined> {
    const digests = outputDigests(result);
    if (digests === undefined) return 'an output has no valid digest';
    const missing = await this.#blobs.findMissing(digests);
    if (!missing.ok) return missing.error.message;
    const [first] = missing.value;
    return first === undefined ? undefined : `output blob ${digestKey(first)} is not in the store`;
  }

  /** Reads an action and checks that its command and input root are in the store. */
  async readAction(digest: Digest, signal?: AbortSignal): Promise<Result<ActionFacts, RemoteFailure>> {
    if (digest.sizeBytes > maxActionBytes) return invalid(`an action of ${digest.sizeBytes} bytes is none`);
    const bytes = await this.#blobs.read(digest, signal);
    if (!bytes.ok) return bytes;
    let action: Action;
    try {
      action = Action.decode(bytes.value);
    } catch (error) {
      return invalid(`the action cannot be decoded: ${String(error)}`);
    }
    const command = parseDigest(action.commandDigest);
    const inputRoot = parseDigest(action.inputRootDigest);
    if (command === undefined || inputRoot === undefined) return invalid('the action lacks a command or an input root');
    const missing = await this.#blobs.findMissing([command, inputRoot], signal);
    if (!missing.ok) return missing;
    const [first] = missing.value;
    if (first !== undefined) {
      return err({ reason: 'missing-blob', message: `blob ${digestKey(first)} of the action is not in the store` });
    }
    const timeoutMs = action.timeout === undefined ? 0 : action.timeout.seconds * 1000 + action.timeout.nanos / 1e6;
    return ok({
      command,
      inputRoot,
      doNotCache: action.doNotCache,
      timeoutMs: timeoutMs > 0 ? timeoutMs : undefined,
    });
  }
}

/** The outputs are in the store; in the cache they would be there twice. */
function withoutContents(result: ActionResult): ActionResult {
  const outputFiles = result.outputFiles.map((file) => ({ ...file, contents: Buffer.alloc(0) }));
  return { ...result, outputFiles };
}

function invalid(message: string): { readonly ok: false; readonly error: RemoteFailure } {
  return err({ reason: 'invalid-request', message });
}
