// One piece of work for all who ask for it at the same time. It is given up when everybody has gone away.

import { setMaxListeners } from 'node:events';

interface Flight<T> {
  readonly promise: Promise<T>;
  readonly abort: AbortController;
  passengers: number;
}

export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * The outcome of the work under way for this key, started now when there is none; undefined when `signal` aborts first.
   * @param work gets a signal of its own, aborted when nobody waits any more
   */
  async run(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    if (signal.aborted) return undefined;
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    flight.passengers += 1;
    let onAbort: () => void = () => {};
    const gone = new Promise<undefined>((resolve) => {
      onAbort = () => {
        resolve(undefined);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([flight.promise, gone]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      flight.passengers -= 1;
      if (flight.passengers === 0) {
        // Nobody may join a flight that is being given up.
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        flight.abort.abort();
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const abort = new AbortController();
    setMaxListeners(0, abort.signal);
    const flight: Flight<T> = { promise: work(abort.signal), abort, passengers: 0 };
    this.#flights.set(key, flight);
    const end = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.promise.then(end, end);
    return flight;
  }
}
