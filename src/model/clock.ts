// Port: time. Tests move it by hand.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** milliseconds since the epoch */
  nowMs(): number;
  /** milliseconds of a clock that never goes back, with fractions */
  monotonicMs(): number;
  /** Calls back once after `delayMs`; does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}
