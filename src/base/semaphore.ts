// Counts permits; waiters are served first come, first served, and may give up through an AbortSignal.

export interface Permit {
  /** Gives the permit back; calling it again does nothing. */
  release(): void;
}

export class Semaphore {
  #free: number;
  readonly #waiting: { grant(permit: Permit): void }[] = [];

  /** @param permits how many may hold a permit at once, a whole number above 0 */
  constructor(readonly permits: number) {
    this.#free = permits;
  }

  get free(): number {
    return this.#free;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes a permit when one is free now. */
  tryAcquire(): Permit | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return this.#permit();
  }

  /** Waits for a permit; answers undefined when the signal aborts first. */
  async acquire(signal?: AbortSignal): Promise<Permit | undefined> {
    if (signal?.aborted) return undefined;
    const now = this.tryAcquire();
    if (now !== undefined) return now;
    return new Promise((resolve) => {
      const waiter = {
        grant: (permit: Permit) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(permit);
        },
      };
      const onAbort = () => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(undefined);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #permit(): Permit {
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        const next = this.#waiting.shift();
        if (next !== undefined) next.grant(this.#permit());
        else this.#free += 1;
      },
    };
  }
}
