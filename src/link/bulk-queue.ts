// Large frames waiting their turn, first come first served, so that small ones find little in front of them. Unaware of sockets.

export class BulkQueue {
  readonly #waiting: (() => void)[] = [];

  /** @param roomy whether another large frame may be sent now; asked again after each one */
  constructor(private readonly roomy: () => boolean) {}

  get length(): number {
    return this.#waiting.length;
  }

  /** Sends at once when there is room and nobody waits, else in turn. */
  add(send: () => void): void {
    this.#waiting.push(send);
    this.flush();
  }

  /** Takes one out that has not been sent. */
  remove(send: () => void): void {
    const at = this.#waiting.indexOf(send);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Sends what may be sent; called whenever there may be room again, and when the connection has ended. */
  flush(): void {
    while (this.#waiting.length > 0 && this.roomy()) this.#waiting.shift()?.();
  }
}
