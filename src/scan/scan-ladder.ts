// The rungs one below the other: exact evaluation, then the compiler's own list. Unaware of how any of them works.

import type { Result } from '../base/result.ts';
import type { CompilerRung } from './compiler-rung.ts';
import type { ExactRung } from './exact-rung.ts';
import type { Closure, ClosureScanner, ScanFailure, ScanUnit } from './scanner.ts';

export class ScanLadder implements ClosureScanner {
  readonly #exact: ExactRung;
  readonly #compiler: CompilerRung;

  constructor(exact: ExactRung, compiler: CompilerRung) {
    this.#exact = exact;
    this.#compiler = compiler;
  }

  async scan(unit: ScanUnit, signal?: AbortSignal): Promise<Result<Closure, ScanFailure>> {
    const attempt = await this.#exact.attempt(unit, signal);
    switch (attempt.kind) {
      case 'closure':
        return { ok: true, value: attempt.closure };
      case 'failed':
        return { ok: false, error: attempt.failure };
      case 'unclear': {
        const listed = await this.#compiler.scan(unit, signal);
        return listed.ok ? { ok: true, value: { ...listed.value, whyNotExact: attempt.why } } : listed;
      }
    }
  }

  distrust(closure: Closure): void {
    if (closure.rung === 'exact') this.#exact.distrust(closure);
  }

  unchanged(closure: Closure, notBeforeMs?: number): Promise<boolean> {
    return closure.rung === 'exact'
      ? this.#exact.unchanged(closure, notBeforeMs)
      : this.#compiler.unchanged(closure, notBeforeMs);
  }
}
