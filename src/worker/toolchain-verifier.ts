// Trusts a toolchain only after its probe, run here, has given the bytes that it gave on the submitter.
// Unaware of how actions run.

import { err, ok, type Result } from '../base/result.ts';
import { Toolchain, type OutputFile } from '../model/action.ts';
import type { BlobStore } from '../model/blob-store.ts';
import { digestKey, digestOf, parseDigest, sameDigest, type Digest } from '../model/digest.ts';
import type { RemoteFailure } from '../model/failure.ts';
import { cancelled } from './blob-fetcher.ts';
import { readMessage } from './command-reader.ts';
import type { ActionProduct } from './result-upload.ts';
import { SingleFlight } from './single-flight.ts';

/** Runs the action of a probe; the outputs are only looked at. */
export type RunProbe = (
  action: Digest,
  blobs: BlobStore,
  signal: AbortSignal,
) => Promise<Result<ActionProduct, RemoteFailure>>;

export class ToolchainVerifier {
  readonly #verified = new Set<string>();
  /** hash to what is wrong with it */
  readonly #broken = new Map<string, string>();
  readonly #flights = new SingleFlight<Result<void, RemoteFailure>>();

  /** @param onChange called when a toolchain was verified or found broken */
  constructor(readonly onChange: () => void = () => {}) {}

  get verified(): readonly string[] {
    return [...this.#verified];
  }

  get broken(): readonly string[] {
    return [...this.#broken.keys()];
  }

  /**
   * Answers at once for a toolchain that was tried before. `worker-failed` for a broken one; a failure of the network or the
   * store is passed on and forgotten.
   */
  async verify(
    toolchain: Digest,
    blobs: BlobStore,
    run: RunProbe,
    signal: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    const known = this.#known(toolchain);
    if (known !== undefined) return known;
    const verdict = await this.#flights.run(digestKey(toolchain), signal, (own) =>
      this.#try(toolchain, blobs, run, own),
    );
    return verdict ?? err(cancelled);
  }

  #known(toolchain: Digest): Result<void, RemoteFailure> | undefined {
    if (this.#verified.has(toolchain.hash)) return ok(undefined);
    const complaint = this.#broken.get(toolchain.hash);
    return complaint === undefined ? undefined : err({ reason: 'worker-failed', message: complaint });
  }

  async #try(
    digest: Digest,
    blobs: BlobStore,
    run: RunProbe,
    signal: AbortSignal,
  ): Promise<Result<void, RemoteFailure>> {
    const toolchain = await readMessage(digest, 'Toolchain', (bytes) => Toolchain.decode(bytes), blobs, signal);
    if (!toolchain.ok) return toolchain;
    const probe = parseDigest(toolchain.value.probe);
    if (probe === undefined) return err({ reason: 'invalid-request', message: 'the toolchain has no probe' });
    const product = await run(probe, blobs, signal);
    if (!product.ok && !isVerdict(product.error)) return product;
    const complaint = product.ok ? difference(product.value, toolchain.value.expected) : product.error.message;
    if (complaint === undefined) this.#verified.add(digest.hash);
    else this.#broken.set(digest.hash, `the toolchain ${toolchain.value.name} does not work here: ${complaint}`);
    this.onChange();
    return this.#known(digest)!;
  }
}

/** Whether a failure says something of the toolchain on this machine, and not of the moment. */
function isVerdict(failure: RemoteFailure): boolean {
  switch (failure.reason) {
    case 'invalid-request':
    case 'limit-exceeded':
      return true;
    default:
      return false;
  }
}

function difference(product: ActionProduct, expected: readonly OutputFile[]): string | undefined {
  if (product.exitCode !== 0) {
    const said = Buffer.from(product.stderr).toString('utf8').split('\n', 1)[0];
    return `its probe ended with status ${product.exitCode}: ${said}`;
  }
  const outputs = new Map(product.outputs.map(({ path, output }) => [path, output.bytes]));
  for (const file of expected) {
    const bytes = outputs.get(file.path);
    if (bytes === undefined) return `its probe left no ${file.path}`;
    const digest = parseDigest(file.digest) ?? digestOf(file.contents);
    if (!sameDigest(digestOf(bytes), digest)) return `its probe left other bytes in ${file.path}`;
  }
  return undefined;
}
